import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { createDenialAggregator, type DenialKey } from "../../../policy/audit/aggregate.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { peerPrefix } from "../../../policy/audit/peer-prefix.ts"

const test = suite("policy/audit/aggregate")
const KEY: DenialKey = { conduit: "field", subject: "pump-1", action: "publish", rule: "r1", reason: "deny-rule" }
const total = (events: readonly AuditEvent[]): number => events.reduce((sum, e) => sum + (e.count ?? 1), 0)

test("[CR 2.8] denials alike become one event a second, with count and the first object", () => {
  const denials = createDenialAggregator()
  for (let i = 0; i < 1000; i++) denials.add(KEY, `topic/${i}`, 100 + i / 10)
  denials.add({ ...KEY, rule: null, reason: "no-rule" }, "other", 150)
  assert.equal(denials.flush(1099), [])
  const events = denials.flush(1100)
  assert.is(events.length, 2)
  assert.equal(events[0], {
    id: "conduit.denied",
    outcome: "denied",
    source: "conduit/field",
    subject: "pump-1",
    conduit: "field",
    object: "topic/0",
    rule: "r1",
    reason: "deny-rule",
    count: 1000,
    detail: { action: "publish" },
  })
  assert.is(events[1]?.count, 1)
  assert.not(Object.hasOwn(events[1] ?? {}, "rule"))
  assert.equal(denials.flush(5000), [])
})

test("[CR 7.1] keys are bounded: what is over the bound is counted in one event", () => {
  const denials = createDenialAggregator()
  for (let i = 0; i < 500; i++) denials.add({ ...KEY, subject: `s${i}` }, "t", 0)
  const events = denials.flush(1000)
  assert.is(events.length, 65)
  assert.is(events[64]?.rule, "*")
  assert.is(events[64]?.count, 436)
})

test("no two keys are taken for one", () => {
  const denials = createDenialAggregator()
  denials.add({ ...KEY, subject: "a", action: "b" }, "t", 0)
  denials.add({ ...KEY, subject: "ab", action: "" }, "t", 0)
  denials.add({ ...KEY, subject: null }, "t", 0)
  assert.is(denials.flush(1000).length, 3)
})

test("peers are counted by network, with the facts of the first", () => {
  const denials = createDenialAggregator()
  for (const last of [1, 2, 3]) {
    const detail = { fingerprint: `f${last}` }
    denials.addPeer({ conduit: "field", address: `10.0.0.${last}`, reason: "unknown-issuer", detail }, 0)
  }
  assert.equal(denials.flush(1000), [
    {
      id: "conduit.peer-refused",
      outcome: "denied",
      source: "conduit/field",
      subject: null,
      conduit: "field",
      object: "10.0.0.0/24",
      reason: "unknown-issuer",
      count: 3,
      detail: { address: "10.0.0.1", fingerprint: "f1" },
    },
  ])
})

test("[CR 7.1] in a flood the largest networks are named and the interval grows 1, 10, 60 s, until it ends", () => {
  const denials = createDenialAggregator()
  const writtenAt: number[] = []
  let counted = 0
  let nowMs = 0
  const second = (flood: boolean): void => {
    if (flood) {
      for (let net = 0; net < 100; net++) {
        const times = net === 99 ? 50 : 1
        const peer = { conduit: "field", address: `10.0.${net}.1`, reason: "no-certificate" }
        for (let i = 0; i < times; i++) denials.addPeer(peer, nowMs)
      }
    }
    nowMs += 1000
    const events = denials.flush(nowMs)
    counted += total(events)
    if (events.length === 0) return
    writtenAt.push(nowMs / 1000)
    assert.is(events.length, 65)
    assert.is(events[0]?.object, "10.0.99.0/24")
  }
  for (let i = 0; i < 131; i++) second(true)
  assert.equal(writtenAt, [1, 11, 71, 131])
  assert.is(counted, 131 * 149)
  for (let i = 0; i < 60; i++) second(false)
  denials.addPeer({ conduit: "field", address: "10.0.99.1", reason: "no-certificate" }, nowMs)
  assert.is(denials.flush(nowMs + 1000).length, 1)
})

test("a few refusals are always written within the second", () => {
  const denials = createDenialAggregator()
  for (let at = 0; at < 100_000; at += 5000) {
    denials.addPeer({ conduit: "field", address: "10.0.0.1", reason: "expired" }, at)
    assert.is(denials.flush(at + 1000).length, 1)
  }
})

test("[CR 7.1] memory is bounded however many networks come", () => {
  const denials = createDenialAggregator()
  for (let i = 0; i < 50_000; i++) {
    const address = `2001:db8:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::1`
    denials.addPeer({ conduit: "field", address, reason: "no-certificate" }, 0)
  }
  const events = denials.flush(1000)
  assert.is(events.length, 65)
  assert.is(total(events), 50_000)
})

test("at the end everything is written, whether its interval is over or not", () => {
  const denials = createDenialAggregator()
  denials.add(KEY, "t", 0)
  denials.addPeer({ conduit: "field", address: "10.0.0.1", reason: "expired" }, 0)
  assert.is(denials.flush(1, true).length, 2)
})

test("whatever comes in whatever order, the counts add up", () => {
  const step = fc.record({
    kind: fc.constantFrom("add", "peer", "flush"),
    n: fc.nat(200),
    passMs: fc.nat(2000),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const denials = createDenialAggregator({ maxKeys: 4 })
      let [nowMs, put, got] = [0, 0, 0]
      for (const { kind, n, passMs } of steps) {
        nowMs += passMs
        if (kind === "flush") got += total(denials.flush(nowMs))
        else {
          put++
          if (kind === "add") denials.add({ ...KEY, subject: `s${n}` }, "t", nowMs)
          else denials.addPeer({ conduit: "c", address: `10.${n}.0.1`, reason: "r" }, nowMs)
        }
      }
      return got + total(denials.flush(nowMs, true)) === put
    }),
    { numRuns: 200 },
  )
})

test("prefixes", () => {
  const cases = [
    ["192.168.1.77", "192.168.1.0/24"],
    ["::ffff:192.168.1.77", "192.168.1.0/24"],
    ["::FFFF:10.0.0.1", "10.0.0.0/24"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8::1", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["", "unknown"],
    ["1::2::3", "unknown"],
    ["1:2:3", "unknown"],
    ["1:2:3:4:5:6:7:8:9", "unknown"],
    ["xyz::1", "unknown"],
    ["10.0.0.1\n", "unknown"],
  ] as const
  for (const [address, prefix] of cases) assert.is(peerPrefix(address), prefix, address)
})

test.run()
