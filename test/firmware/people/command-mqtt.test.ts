import { createHash, generateKeyPairSync, sign, verify } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createCommandMqtt, MAX_MQTT_REQUEST_BYTES, type CommandMqtt } from "../../../firmware/people/command-mqtt.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"

const test = suite("firmware/people/command-mqtt")
const log = generateKeyPairSync("ed25519")
const ID = "i".repeat(16)
const jws = (account: string, more = "x"): string =>
  `h.${Buffer.from(JSON.stringify({ account, more })).toString("base64url")}.s`
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

interface World {
  readonly mqtt: CommandMqtt
  readonly clock: MemoryClock
  readonly taken: string[]
  readonly said: {
    readonly topic: string
    readonly payload: Uint8Array
    readonly correlation?: Uint8Array | undefined
  }[]
}
function open(maxAnswerBytes = 100_000, result: unknown = null): World {
  const clock = new MemoryClock()
  const taken: string[] = []
  const said: World["said"] = []
  const door = {
    gateway: "melter-7",
    nonce: (account: string) => `number for ${account}`,
    take: async (text: string) => ({ ok: true, result: (taken.push(text), result ?? taken.length) }) as const,
  }
  const mqtt = createCommandMqtt({
    ...{ door, clock },
    sign: async (text) => sign(null, Buffer.from(text), log.privateKey),
    publish: async (topic, payload, correlation) => void said.push({ topic, payload, correlation }),
    maxAnswerBytes: () => maxAnswerBytes,
  })
  return { mqtt, clock, taken, said }
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test("[CR 1.1] a number, then a signed command: answers go to their asker, signed, each bound to its request", async () => {
  const { mqtt, taken, said } = open()
  const requests = [bytes({ nonce: "anna", id: ID }), bytes({ signed: jws("anna"), id: ID })]
  for (const request of requests) mqtt.take(request)
  await settled()
  assert.equal(taken, [jws("anna")])
  for (const [k, { topic, payload }] of said.entries()) {
    assert.is(topic, `lockgate/melter-7/command/answer/anna/${ID}`)
    const [head = "", body = "", signature = ""] = Buffer.from(payload).toString().split(".")
    assert.ok(verify(null, Buffer.from(`${head}.${body}`), log.publicKey, Buffer.from(signature, "base64url")))
    const answer = k === 0 ? { gateway: "melter-7", nonce: "number for anna" } : 1
    assert.equal(JSON.parse(Buffer.from(body, "base64url").toString()), {
      ...{ gateway: "melter-7", id: ID, answer: { ok: true, result: answer } },
      request: createHash("sha256").update(requests[k]!).digest("hex"),
    })
  }
  assert.is(said.length, 2)
})

test("[CR 3.8] the same bytes again get the same answer and are not executed again", async () => {
  const { mqtt, taken, said } = open()
  for (let k = 0; k < 3; k++) mqtt.take(bytes({ signed: jws("anna"), id: ID }))
  await settled()
  assert.equal([taken.length, said.length], [1, 3])
  assert.equal(said[0]?.payload, said[2]?.payload)
})

test("an answer that a broker would not take is a short one that says so, and the command is not repeated", async () => {
  const { mqtt, taken, said } = open(1_000, "x".repeat(1_000))
  for (let k = 0; k < 2; k++) mqtt.take(bytes({ signed: jws("anna"), id: ID }))
  await settled()
  const [, body = ""] = Buffer.from(said[0]!.payload).toString().split(".")
  const { answer } = JSON.parse(Buffer.from(body, "base64url").toString()) as { answer: unknown }
  assert.equal(answer, { ok: false, code: "ERR_ANSWER_TOO_LARGE", entry: null })
  assert.equal([taken.length, said.length], [1, 2])
})

test("[CR 3.5] a Response Topic of MQTT 5 is followed beneath the answers of this gateway alone", async () => {
  const { mqtt, said } = open()
  const correlation = Buffer.from([0, 1, 2])
  const ask = async (topic: string, id = ID): Promise<void> => {
    mqtt.take(bytes({ nonce: "anna", id }), { topic, correlation })
    await settled()
  }
  await ask("lockgate/melter-7/command/answer/anna/my-own")
  assert.equal([said[0]?.topic, said[0]?.correlation], ["lockgate/melter-7/command/answer/anna/my-own", correlation])
  for (const topic of [
    ...["audit/live", "online", "command/answer/", "command/answer", "command/request", "log/edge"].map(
      (one) => `lockgate/melter-7/${one}`,
    ),
    ...["#", "+/x", "a//b", "a/", "../../online", "a\u0000b", "x".repeat(65), "a/b/c/d/e"].map(
      (one) => `lockgate/melter-7/command/answer/${one}`,
    ),
    ...["", "plant/valve/set", "lockgate/melter-8/command/answer/anna/x"],
  ])
    await ask(topic)
  mqtt.take(bytes({ nonce: "anna", id: ID }), { topic: said[0]!.topic, correlation: Buffer.alloc(257) })
  await settled()
  assert.is(said.length, 1)
})

test("[CR 7.1] a flood for one account leaves room for another; one of many names is bounded over all", async () => {
  const { mqtt, clock, said } = open()
  const ask = async (account: string, times: number): Promise<number> => {
    const before = said.length
    for (let k = 0; k < times; k++) {
      mqtt.take(bytes({ nonce: account, id: `${ID}${k}` }))
      await settled()
    }
    return said.length - before
  }
  assert.is(await ask("anna", 40), 16)
  assert.is(await ask("bob", 1), 1)
  let many = 0
  for (let k = 0; k < 40; k++) many += await ask(`stranger${k}`, 1)
  assert.is(many, 15)
  clock.advance(1_000)
  assert.is(await ask("anna", 40), 4)
})

test("[CR 3.5] what is no request is dropped: other members, names that would leave their topic, too long, cut, flipped", async () => {
  const { mqtt, said, taken } = open()
  for (const wrong of [
    ...[null, [], {}, "x", { id: ID }, { nonce: "anna" }, { nonce: "anna", id: "short" }, { nonce: 1, id: ID }],
    ...["../x", "#", "+", "a/b", "", "Anna"].map((nonce) => ({ nonce, id: ID })),
    ...["a/b", "#"].map((account) => ({ signed: jws(account), id: ID })),
    { nonce: "anna", signed: jws("anna"), id: ID },
    { signed: "x", id: ID },
    { nonce: "anna", id: `${ID}/#` },
    { signed: jws("anna", "x".repeat(MAX_MQTT_REQUEST_BYTES)), id: ID },
  ]) {
    mqtt.take(bytes(wrong))
  }
  for (const hostile of truncations(bytes({ signed: jws("anna"), id: ID }))) mqtt.take(hostile)
  await settled()
  assert.equal([said.length, taken.length], [0, 0])
  for (const hostile of bitFlips(bytes({ nonce: "anna", id: ID }))) mqtt.take(hostile)
  await settled()
  for (const { topic } of said)
    assert.match(topic, /^lockgate\/melter-7\/command\/answer\/[a-z0-9._-]+\/[A-Za-z0-9_-]+$/)
})

test.run()
