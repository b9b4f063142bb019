import { suite } from "uvu"
import * as assert from "uvu/assert"
import { aliasScope, createAliasMemory, type AliasMemory } from "../../../../policy/filter/payload/alias-memory.ts"
import { compileForm } from "../../../../policy/filter/payload/compile-form.ts"
import {
  checkSparkplug,
  explainSparkplug,
  learnAliases,
  type SparkplugForm,
} from "../../../../policy/filter/payload/sparkplug.ts"
import { seeded } from "../../../support/hostile.ts"
import { encodePayload, type PlainMetric } from "../../../support/sparkplug/payloads.ts"

const test = suite("policy/filter/payload, Sparkplug aliases")
const text = new TextEncoder()

const FORM: SparkplugForm = {
  kind: "sparkplug-b",
  metrics: [
    { name: "Speed", types: ["Int32"], min: 0, max: 100 },
    { name: "Torque", types: ["Int32"], min: 0, max: 5 },
    { name: "Name/*", types: ["String", "Int32"], min: null, max: null },
  ],
}
const COMPILED = compileForm(FORM) as SparkplugForm

/** A gateway's way with messages: judge, and learn from what passed. */
function conduit(memory: AliasMemory = createAliasMemory(8)) {
  return (topic: string, metrics: readonly PlainMetric[], { forwarded = true } = {}): string | null => {
    const name = text.encode(`>${topic}<`)
    const payload = encodePayload({ metrics })
    const scope = aliasScope(memory, name, 1, name.length - 1)
    const why = explainSparkplug(COMPILED, payload, 0, payload.length, scope)
    assert.is(checkSparkplug(FORM, payload, 0, payload.length, scope), why === null)
    if (why === null && forwarded && scope !== null) assert.ok(learnAliases(payload, 0, payload.length, scope))
    return why
  }
}

const speed = (intValue: number, alias?: bigint): PlainMetric => ({
  name: "Speed",
  datatype: 3,
  intValue,
  ...(alias === undefined ? {} : { alias }),
})
const torque = (intValue: number, alias: bigint): PlainMetric => ({ ...speed(intValue, alias), name: "Torque" })
const UNKNOWN = "metric 1: has an alias that no birth gave"

test("[CR 3.5] after its birth a metric may come by alias alone, and is held against its name's rule", () => {
  const send = conduit()
  const data = "spBv1.0/plant/NDATA/node"
  assert.is(send(data, [{ alias: 1n, intValue: 5 }]), UNKNOWN)
  assert.is(send("spBv1.0/plant/NBIRTH/node", [speed(0, 1n), torque(0, 2n ** 64n - 1n)]), null)
  assert.is(send(data, [{ alias: 1n, intValue: 100 }]), null)
  assert.is(send(data, [{ alias: 1n, datatype: 3, intValue: 100 }]), null)
  assert.is(send(data, [{ alias: 1n, isNull: true }]), null)
  assert.is(send(data, [{ alias: 1n, intValue: 101 }]), 'metric 1 "Speed": is above the maximum 100')
  assert.is(send(data, [{ alias: 2n ** 64n - 1n, intValue: 6 }]), 'metric 1 "Torque": is above the maximum 5')
  assert.is(send(data, [{ alias: 2n, intValue: 5 }]), UNKNOWN)
  assert.is(
    send("spBv1.0/plant/NCMD/node", [{ alias: 1n, intValue: 101 }]),
    'metric 1 "Speed": is above the maximum 100',
  )
  assert.is(send("spBv1.0/plant/NDATA/other", [{ alias: 1n, intValue: 5 }]), UNKNOWN)
  assert.is(send("spBv1.0/office/NDATA/node", [{ alias: 1n, intValue: 5 }]), UNKNOWN)
  assert.is(send("elsewhere", [{ alias: 1n, intValue: 5 }]), "metric 1: has no name")
  assert.is(send("elsewhere", [speed(5, 9n)]), null)
})

test("[CR 3.5] one metric cannot be passed off as another by its alias", () => {
  const send = conduit()
  const data = "spBv1.0/plant/NDATA/node"
  assert.is(send("spBv1.0/plant/NBIRTH/node", [speed(0, 1n), torque(0, 2n)]), null)
  // The name says Speed, the alias says Torque: a receiver may believe either.
  assert.is(send(data, [speed(90, 2n)]), 'metric 1 "Speed": has an alias that its birth gave to another name')
  assert.is(send(data, [speed(90, 3n)]), 'metric 1 "Speed": has an alias that no birth gave')
  assert.is(send(data, [speed(90, 1n)]), null)
  assert.is(send(data, [speed(90)]), null)
  assert.is(
    send(data, [{ alias: 2n, datatype: 12, stringValue: "" }]),
    "metric 1: has another datatype than its birth said",
  )
  // Data teaches nothing, and neither does a birth that did not pass or was not forwarded.
  assert.is(send(data, [{ alias: 2n, intValue: 90 }]), 'metric 1 "Torque": is above the maximum 5')
  assert.is(send("spBv1.0/plant/NBIRTH/node", [speed(0, 2n)], { forwarded: false }), null)
  assert.is(
    send("spBv1.0/plant/NBIRTH/node", [speed(0, 2n), speed(999, 1n)]),
    'metric 2 "Speed": is above the maximum 100',
  )
  assert.is(send(data, [{ alias: 2n, intValue: 90 }]), 'metric 1 "Torque": is above the maximum 5')
  assert.is(send("spBv1.0/plant/NBIRTH/node", [speed(0, 2n)]), null)
  assert.is(send(data, [{ alias: 2n, intValue: 90 }]), null)
  assert.is(send(data, [{ alias: 1n, intValue: 90 }]), UNKNOWN)
})

test("aliases are unique over an edge node and its devices, and each device uses its own", () => {
  const memory = createAliasMemory(8)
  const send = conduit(memory)
  assert.is(send("spBv1.0/g/NBIRTH/n", [speed(0, 1n)]), null)
  assert.is(send("spBv1.0/g/DBIRTH/n/a", [speed(0, 2n), torque(0, 3n)]), null)
  assert.is(send("spBv1.0/g/DBIRTH/n/b", [speed(0, 3n)]), "the birth has an alias of another device of the edge node")
  assert.is(send("spBv1.0/g/DBIRTH/n/b", [speed(0, 1n)]), "the birth has an alias of another device of the edge node")
  assert.is(
    send("spBv1.0/g/DBIRTH/n/b", [speed(0, 4n), speed(0, 4n)]),
    "the birth has an alias that stands for two metrics",
  )
  assert.is(
    send("spBv1.0/g/DBIRTH/n/b", [speed(0, 4n), { alias: 5n, datatype: 3, intValue: 1 }]),
    "metric 2: has an alias and no name, in a birth",
  )
  assert.is(send("spBv1.0/g/DBIRTH/n/b", [speed(0, 4n)]), null)
  const uses = (topic: string): bigint[] =>
    [1n, 2n, 3n, 4n].filter((alias) => send(topic, [{ alias, intValue: 1 }]) === null)
  assert.equal(
    ["NDATA/n", "DDATA/n/a", "DDATA/n/b", "DDATA/n/c", "NDATA/m"].map((t) => uses(`spBv1.0/g/${t}`)),
    [[1n], [2n, 3n], [4n], [], []],
  )
  // A device born again has new aliases; the others keep theirs.
  assert.is(send("spBv1.0/g/DBIRTH/n/a", [speed(0, 7n)]), null)
  assert.equal(
    ["NDATA/n", "DDATA/n/a", "DDATA/n/b"].map((t) => uses(`spBv1.0/g/${t}`)),
    [[1n], [], [4n]],
  )
  // The node born again forgets its devices.
  assert.is(send("spBv1.0/g/NBIRTH/n", [speed(0, 2n)]), null)
  assert.equal(
    ["NDATA/n", "DDATA/n/a", "DDATA/n/b"].map((t) => uses(`spBv1.0/g/${t}`)),
    [[2n], [], []],
  )
  assert.is(memory.count, 1)
})

test("what is remembered is bounded, and what does not fit in is not believed", () => {
  const memory = createAliasMemory(3)
  const send = conduit(memory)
  const many = (count: number): PlainMetric[] => Array.from({ length: count }, (_, k) => speed(0, BigInt(k)))
  assert.is(send("spBv1.0/g/NBIRTH/n", many(3)), null)
  assert.is(send("spBv1.0/g/NBIRTH/n", many(3)), null)
  assert.is(send("spBv1.0/g/NBIRTH/n", many(4)), "the birth has more than 3 aliases")
  assert.is(send("spBv1.0/g/NBIRTH/m", many(1)), "the birth has more than 3 aliases")
  assert.is(send("spBv1.0/g/NBIRTH/n", many(2)), null)
  assert.is(send("spBv1.0/g/NBIRTH/m", many(1)), null)
  assert.is(send("spBv1.0/g/NBIRTH/n", []), null)
  assert.is(send("spBv1.0/g/NBIRTH/m", []), null)
  assert.equal([memory.count, memory.nodes.size], [0, 0])
  const name = `Name/${"x".repeat(507)}`
  assert.is(send("spBv1.0/g/NBIRTH/n", [{ name, alias: 1n, datatype: 3, intValue: 0 }]), null)
  assert.match(
    send("spBv1.0/g/NBIRTH/n", [{ name: `${name}x`, alias: 1n, datatype: 3, intValue: 0 }]) ?? "",
    "a name of more than 512 bytes",
  )
  assert.is(send("spBv1.0/g/NBIRTH/n", [{ name: `${name}x`, datatype: 3, intValue: 0 }]), null)
  const long = "n".repeat(600)
  assert.match(send(`spBv1.0/g/NBIRTH/${long}`, [speed(0, 1n)]) ?? "", "more than 0 aliases")
  assert.is(send(`spBv1.0/g/NDATA/${long}`, [speed(0, 1n)]), 'metric 1 "Speed": has an alias that no birth gave')
  assert.is(send(`spBv1.0/g/NDATA/${long}`, [speed(0)]), null)
})

test("a birth that another rule let through teaches, too; one that cannot be read takes all aliases of its node", () => {
  const memory = createAliasMemory(8)
  const send = conduit(memory)
  const learn = (topic: string, payload: Uint8Array): boolean => {
    const name = text.encode(topic)
    return learnAliases(payload, 0, payload.length, aliasScope(memory, name, 0, name.length)!)
  }
  const data = "spBv1.0/g/NDATA/n"
  const forbidden = { name: "Fire", alias: 7n, datatype: 17, bytesValue: new Uint8Array(3) }
  assert.ok(
    learn("spBv1.0/g/NBIRTH/n", encodePayload({ metrics: [forbidden, speed(999, 1n)], body: new Uint8Array(2) })),
  )
  assert.is(
    send(data, [{ alias: 7n, bytesValue: new Uint8Array(1) }]),
    "metric 1: is not well-formed, or its value is of no plain type",
  )
  assert.is(send(data, [{ alias: 1n, intValue: 100 }]), null)
  assert.ok(learn(data, Uint8Array.of(0xff)), "data teaches nothing, broken or not")
  assert.is(send(data, [{ alias: 1n, intValue: 100 }]), null)
  for (const bad of [
    Uint8Array.of(0xff),
    encodePayload({ metrics: [speed(0, 1n), torque(0, 1n)] }),
    new Uint8Array(300_000),
  ]) {
    assert.ok(learn("spBv1.0/g/NBIRTH/n", encodePayload({ metrics: [speed(0, 1n)] })))
    assert.not.ok(learn("spBv1.0/g/DBIRTH/n/d", bad))
    assert.is(send(data, [{ alias: 1n, intValue: 100 }]), UNKNOWN)
  }
  assert.equal([memory.count, memory.nodes.size], [0, 0])
})

test("only Sparkplug's own topics have aliases", () => {
  const memory = createAliasMemory(1)
  const scope = (topic: string) => {
    const bytes = text.encode(`spBv1.0/${topic}!`)
    const found = aliasScope(memory, bytes, 0, bytes.length - 1)
    return found === null ? null : [found.node, found.device, found.birth]
  }
  assert.equal(scope("g/NBIRTH/n"), ["g/n", "", "node"])
  assert.equal(scope("g/DBIRTH/n/d"), ["g/n", "d", "device"])
  assert.equal(["g/NDATA/n", "g/NCMD/n", "g/NDEATH/n"].map(scope), [
    ["g/n", "", null],
    ["g/n", "", null],
    ["g/n", "", null],
  ])
  assert.equal(scope("g/DDATA/n/d"), ["g/n", "d", null])
  for (const none of [
    "",
    "g",
    "g/NBIRTH",
    "g/NBIRTH/n/d",
    "g/NBIRTH/n/",
    "g/DBIRTH/n",
    "g/DBIRTH/n/",
    "g/DBIRTH/n/d/e",
    "g/nbirth/n",
    "g/STATE/n",
    "STATE/host",
    "g/NBIRTHS/n",
  ])
    assert.is(scope(none), null, none)
  for (const other of ["spAv1.0/g/NBIRTH/n", "spBv1.0", "x/spBv1.0/g/NBIRTH/n", "spbv1.0/g/NBIRTH/n"])
    assert.is(aliasScope(memory, text.encode(other), 0, other.length), null, other)
})

test("random births and data: an alias means what the last birth that passed said, and the count is right", () => {
  const random = seeded(Date.now())
  const memory = createAliasMemory(12)
  const send = conduit(memory)
  let known = new Map<string, string>()
  for (let k = 0; k < 4000; k++) {
    const device = ["", "/a", "/b"][Math.floor(random() * 3)]!
    const kind = device === "" ? "N" : "D"
    const aliases = Array.from({ length: Math.floor(random() * 4) }, () => BigInt(Math.floor(random() * 10)))
    if (random() < 0.3) {
      const metrics = aliases.map((alias) => (random() < 0.5 ? speed(0, alias) : torque(0, alias)))
      if (send(`spBv1.0/g/${kind}BIRTH/n${device}`, metrics) !== null) continue
      known = new Map([...known].filter(([, to]) => kind === "D" && !to.startsWith(`${device} `)))
      for (const { alias, name } of metrics) known.set(String(alias), `${device} ${name}`)
      assert.is(memory.count, known.size)
    } else {
      const expected = aliases.every((alias) => known.get(String(alias)) === `${device} Speed`)
      assert.is(
        send(
          `spBv1.0/g/${kind}DATA/n${device}`,
          aliases.map((alias) => ({ alias, intValue: 50 })),
        ) === null,
        expected,
      )
    }
  }
})

test.run()
