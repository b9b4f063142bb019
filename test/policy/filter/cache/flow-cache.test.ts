import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { DEFAULT_SETS, MAX_TOPIC } from "../../../../policy/filter/cache/flow.ts"
import { createBuckets, decide } from "../../../../policy/filter/decide.ts"
import { setGates } from "../../../../policy/filter/gates.ts"
import { say, stateFor } from "../../../support/filter-peers.ts"
import { compareCache, FLOW_CACHES, publishPacket, warm } from "../../../support/flow-caches.ts"
import { STORM } from "../../../storm/figures.ts"
import { bitFlips, truncations } from "../../../support/hostile.ts"
import { makePolicy, makeRule } from "../../../support/policies.ts"

const CASES = STORM ? 500_000 : 10_000
const text = new TextEncoder()
const seed = Uint32Array.from({ length: 8 }, (_, k) => Math.imul(k + 1, 0x9e3779b1))
/** Makes every topic of every peer meet in one place, so that only the comparison tells them apart. */
const blind = new Uint32Array(8)
const RULES = [
  makeRule({ id: "small", topics: ["plant/+/temperature"], maxPayloadBytes: 100, maxQos: 1, retain: false }),
  makeRule({ id: "large", topics: ["plant/big/#"], maxPayloadBytes: 1000 }),
  makeRule({ id: "no", topics: ["plant/secret/#"], effect: "deny" }),
  makeRule({ id: "paced", topics: ["paced/#"], rate: { perSecond: 1, burst: 3 } }),
]
const fresh = () => compilePolicy(makePolicy(RULES))
const packetOf = (topic: string, shape: Parameters<typeof publishPacket>[1] = {}) =>
  publishPacket(text.encode(topic), shape)

const test = suite("policy/filter/cache")

for (const [name, make] of FLOW_CACHES) {
  for (const sets of [1, 4, DEFAULT_SETS])
    test(`[CR 2.1] ${name}: says what the uncached filter says, reason and rule, with ${sets} sets`, () => {
      const { cases, differences, reasons } = compareCache(make({ seed, sets }), CASES, 17 + sets)
      assert.equal(differences, [])
      assert.ok(cases >= CASES)
      for (const reason of [
        "allowed",
        "no-rule",
        "deny-rule",
        "qos",
        "retain",
        "payload-size",
        "rate",
        "not-essential",
      ])
        assert.ok((reasons.get(reason) ?? 0) > 5, `${reason} hardly came up`)
    })

  test(`[CR 2.1] ${name}: says the same where all topics have one hash`, () => {
    for (const sets of [1, 4]) {
      const { cases, differences } = compareCache(make({ seed: blind, sets }), CASES, 3 + sets)
      assert.equal(differences, [])
      assert.ok(cases >= CASES)
    }
  })

  test(`[CR 3.5] ${name}: a zero byte behind a topic is not what lies behind it in a record`, () => {
    const compiled = fresh()
    for (const hash of [seed, blind]) {
      const cache = make({ seed: hash })
      const flows = cache.open(stateFor(compiled))
      warm(cache, flows, packetOf("plant/abc/temperature"))
      for (let more = 1; more <= 4; more++)
        assert.is(say(compiled, warm(cache, flows, packetOf("plant/abc/temperature" + "\0".repeat(more)))), "bad-topic")
    }
  })

  test(`${name}: answers from memory at the third sight, and only the same peer`, () => {
    const compiled = fresh()
    const cache = make({ seed })
    const mine = cache.open(stateFor(compiled))
    const other = cache.open(stateFor(compiled))
    const packet = packetOf("plant/a/temperature")
    assert.is(say(compiled, warm(cache, mine, packet)), "allowed small")
    compiled.table.words.fill(0) // From here on the filter itself denies everything.
    assert.is(say(compiled, cache.decide(mine, packet, 0, packet.length, 0)), "allowed small")
    const dup = packetOf("plant/a/temperature", { flags: 8, payloadBytes: 100 })
    assert.is(say(compiled, cache.decide(mine, dup, 0, dup.length, 0)), "allowed small")
    assert.is(say(compiled, cache.decide(other, packet, 0, packet.length, 0)), "no-rule")
    for (const changed of [
      packetOf("plant/b/temperature"),
      packetOf("plant/a/temperaturE"),
      packetOf("plant/a/temperature/"),
      packetOf("plant/a/temperature", { payloadBytes: 101 }),
      packetOf("plant/a/temperature", { flags: 1 }),
      packetOf("plant/a/temperature", { flags: 2 }),
    ])
      assert.is(say(compiled, cache.decide(mine, changed, 0, changed.length, 0)), "no-rule")
  })

  test(`[CR 2.1] ${name}: who comes again is known at once, and nobody who differs in anything`, () => {
    const compiled = fresh()
    const cache = make({ seed: blind })
    const packet = packetOf("plant/a/temperature")
    const differing = [
      cache.join(stateFor(compiled, { name: "dew" })),
      cache.join(stateFor(compiled, { clientId: "cie" })),
      cache.join(stateFor(compiled, { name: "devcid", clientId: "" })),
      cache.join(stateFor(compiled, { version: 5 })),
      cache.join(stateFor(compiled, { action: "receive" })),
      cache.join(stateFor(compiled, { essentialOnly: true })),
      cache.join(stateFor(compiled, { roles: ["nobody"] })),
      cache.join(stateFor(fresh())),
      cache.open(stateFor(compiled)),
    ]
    const first = cache.join(stateFor(compiled))
    warm(cache, first, packet)
    const numbers = new Set([first, ...differing].map(({ low, high }) => `${high} ${low}`))
    assert.is(numbers.size, differing.length + 1)
    compiled.table.words.fill(0)
    const again = cache.join({ ...first.state })
    assert.is(say(compiled, cache.decide(again, packet, 0, packet.length, 0)), "allowed small")
    assert.is(say(compiled, cache.decide(differing.at(-1)!, packet, 0, packet.length, 0)), "no-rule")
  })

  test(`[CR 2.1] ${name}: what hangs on a gate is asked anew by who comes again`, () => {
    const compiled = compilePolicy(makePolicy([makeRule({ id: "gated", topics: ["gated/#"], emergency: "fire" })]))
    const cache = make({ seed })
    const packet = packetOf("gated/x")
    const said = [[], ["fire"], []].map((emergencies) => {
      setGates(compiled.table, { earliestAt: 0, latestAt: 0 }, new Set(emergencies))
      return say(compiled, warm(cache, cache.join(stateFor(compiled)), packet))
    })
    assert.equal(said, ["emergency gated", "allowed gated", "emergency gated"])
  })

  test(`[CR 2.1] ${name}: a number in two words is compared in both`, () => {
    const compiled = fresh()
    const cache = make({ seed: blind, firstNumber: 2 ** 32 - 1 })
    const packet = packetOf("plant/a/temperature")
    const early = { ...cache.open(stateFor(compiled)), low: 1, high: 0 }
    warm(cache, early, packet)
    cache.open(stateFor(compiled))
    const late = cache.open(stateFor(compiled))
    assert.equal([late.low, late.high], [1, 1])
    compiled.table.words.fill(0)
    assert.is(say(compiled, cache.decide(early, packet, 0, packet.length, 0)), "allowed small")
    assert.is(say(compiled, cache.decide(late, packet, 0, packet.length, 0)), "no-rule")
  })

  test(`${name}: an entry holds between two payload limits and learns the other side after a while`, () => {
    const compiled = fresh()
    const cache = make({ seed })
    const flows = cache.open(stateFor(compiled))
    const large = packetOf("plant/big/temperature", { payloadBytes: 1001 })
    const fits = packetOf("plant/big/temperature", { payloadBytes: 101 })
    assert.is(say(compiled, warm(cache, flows, large)), "payload-size small")
    for (let k = 0; k < 40; k++) assert.is(say(compiled, cache.decide(flows, fits, 0, fits.length, 0)), "allowed large")
    compiled.table.words.fill(0)
    for (const payloadBytes of [101, 1000]) {
      const packet = packetOf("plant/big/temperature", { payloadBytes })
      assert.is(say(compiled, cache.decide(flows, packet, 0, packet.length, 0)), "allowed large")
    }
    for (const payloadBytes of [100, 1001]) {
      const packet = packetOf("plant/big/temperature", { payloadBytes })
      assert.is(say(compiled, cache.decide(flows, packet, 0, packet.length, 0)), "no-rule")
    }
  })

  test(`${name}: a rule with a rate is never answered from memory`, () => {
    const compiled = fresh()
    const cache = make({ seed })
    const flows = cache.open(stateFor(compiled, { buckets: createBuckets(compiled.table) }))
    const packet = packetOf("paced/x")
    const said = Array.from({ length: 6 }, () => say(compiled, cache.decide(flows, packet, 0, packet.length, 0)))
    assert.equal(said, [
      ...Array.from({ length: 3 }, () => "allowed paced"),
      ...Array.from({ length: 3 }, () => "rate paced"),
    ])
    assert.is(say(compiled, cache.decide(flows, packet, 0, packet.length, 1000)), "allowed paced")
  })

  test(`[CR 3.5] ${name}: every truncation and bit flip of a packet that is known is judged as by the uncached filter`, () => {
    const compiled = fresh()
    for (const version of [4, 5] as const) {
      const state = stateFor(compiled, { version })
      const cache = make({ seed, sets: 1 })
      for (const shape of [{}, { flags: 2 }, { payloadBytes: 100 }, { propertyBytes: 200 }]) {
        const packet = packetOf("plant/a/temperature", { ...shape, version })
        for (const bent of [...truncations(packet), ...bitFlips(packet)]) {
          const flows = cache.open(state)
          warm(cache, flows, packet)
          // The rest of the packet lies behind what is in hand, as after an unlucky read.
          const behind = Uint8Array.from([...bent, ...packet.subarray(bent.length), ...packet])
          for (const bytes of [bent, behind])
            for (let again = 0; again < 3; again++)
              assert.is(
                cache.decide(flows, bytes, 0, bent.length, 0),
                decide(compiled.table, state, bytes, 0, bent.length, 0),
                bent.join(" "),
              )
        }
      }
    }
  })

  test(`[CR 2.1] ${name}: each byte of topics of every length counts, also where all topics have one hash`, () => {
    const compiled = compilePolicy(makePolicy([makeRule({ id: "all", topics: ["#"] })]))
    const words = compiled.table.words.slice()
    for (let length = 1; length <= MAX_TOPIC + 3; length++) {
      for (const hash of [seed, blind]) {
        compiled.table.words.set(words)
        const cache = make({ seed: hash, sets: 1 })
        const flows = cache.open(stateFor(compiled))
        const packet = packetOf("x".repeat(length))
        const head = packet.length - length
        warm(cache, flows, packet)
        compiled.table.words.fill(0)
        const judge = () => say(compiled, cache.decide(flows, packet, 0, packet.length, 0))
        assert.is(judge(), length <= MAX_TOPIC ? "allowed all" : "no-rule")
        for (let at = head; at < packet.length; at++) {
          packet[at] = 0x79
          assert.is(judge(), "no-rule", `byte ${at - head} of ${length}`)
          packet[at] = 0x78
        }
      }
    }
  })

  test(`${name}: a flood of topics never seen soon passes the cache by, and what was in use is still known after it`, () => {
    const compiled = fresh()
    const cache = make({ seed, sets: 64 })
    const honest = cache.open(stateFor(compiled))
    const flood = cache.open(stateFor(compiled))
    const known = Array.from({ length: 100 }, (_, k) => packetOf(`plant/${k}/temperature`))
    for (const packet of known) warm(cache, honest, packet)
    let rested = 0
    for (let k = 0; k < 20_000; k++) {
      const packet = packetOf(`plant/x${k.toString(36)}/temperature`)
      if (flood.rest > 0) rested++
      cache.decide(flood, packet, 0, packet.length, 0)
    }
    assert.ok(rested > 17_000, `only ${rested} of 20,000 passed the cache by`)
    assert.is(honest.rest, 0)
    compiled.table.words.fill(0)
    const kept = known.filter((packet) => cache.decide(honest, packet, 0, packet.length, 0) !== 1)
    assert.ok(kept.length >= 95, `only ${kept.length} of 100 are still known`)
  })
}

test.run()
