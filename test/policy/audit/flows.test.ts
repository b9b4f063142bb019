import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { createFlowLog, type AllowedFlow } from "../../../policy/audit/flows.ts"

const test = suite("policy/audit/flows")
const FLOW: AllowedFlow = {
  conduit: "field",
  subject: "pump-1",
  action: "publish",
  rule: "setpoint",
  object: "plant/pump-1/set",
  fingerprint: "ab12",
  payloadBytes: 4,
  record: "each",
}
const total = (events: readonly (AuditEvent | null)[]): number =>
  events.reduce((sum, event) => sum + (event === null ? 0 : (event.count ?? 1)), 0)

test("[CR 2.12 RE(1)] an allowed action is one event with subject, fingerprint, rule, object and size", () => {
  assert.equal(createFlowLog().add(FLOW, 5), {
    id: "flow.allowed",
    outcome: "success",
    source: "conduit/field",
    subject: "pump-1",
    conduit: "field",
    object: "plant/pump-1/set",
    rule: "setpoint",
    detail: { action: "publish", fingerprint: "ab12", payloadBytes: 4, record: "each" },
  })
})

test("[CR 7.1] of one subject and rule 16 a second are written; the rest is counted, and the count written", () => {
  const log = createFlowLog()
  const added = Array.from({ length: 100 }, (_, k) => log.add(FLOW, k))
  assert.is(added.filter((event) => event !== null).length, 16)
  assert.equal(log.flush(999), [])
  assert.equal(log.flush(1000), [
    {
      id: "flow.allowed",
      outcome: "success",
      source: "conduit/field",
      subject: "pump-1",
      conduit: "field",
      object: "*",
      rule: "setpoint",
      reason: "left-out",
      count: 84,
      detail: { action: "publish", fingerprint: "ab12" },
    },
  ])
  assert.equal(log.flush(5000), [])
  assert.ok(log.add(FLOW, 5000) !== null, "the next second begins anew")
})

test("[CR 7.1] a loud subject does not hide another; many subjects are bounded together", () => {
  const log = createFlowLog()
  for (let k = 0; k < 1000; k++) log.add(FLOW, 0)
  assert.ok(log.add({ ...FLOW, subject: "pump-2" }, 0) !== null)
  const many = Array.from({ length: 500 }, (_, k) => log.add({ ...FLOW, subject: `s${k}` }, 1))
  assert.is(many.filter((event) => event !== null).length, 64 - 17)
  const counts = log.flush(1001)
  assert.is(total(counts), 1000 - 16 + 500 - 47)
  assert.is(counts.at(-1)?.rule, "*")
  assert.ok(counts.length <= 65)
})

test("nothing is lost in the sums", () => {
  const flows = fc.record({ subject: fc.constantFrom("a", "b", "c", "d"), rule: fc.constantFrom("r", "s") })
  fc.assert(
    fc.property(fc.array(fc.tuple(flows, fc.nat(700)), { maxLength: 60 }), (given) => {
      const log = createFlowLog({ maxEntries: 3, maxEntriesOfOne: 2, maxKeys: 3 })
      const events: (AuditEvent | null)[] = []
      let nowMs = 0
      for (const [flow, ms] of given) {
        nowMs += ms
        events.push(...log.flush(nowMs), log.add({ ...FLOW, ...flow }, nowMs))
      }
      assert.is(total([...events, ...log.flush(nowMs, true)]), given.length)
    }),
  )
})

test.run()
