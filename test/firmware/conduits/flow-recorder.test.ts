import { suite } from "uvu"
import * as assert from "uvu/assert"
import { FlowRecorder, type RecordedFlow } from "../../../firmware/conduits/flow-recorder.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"

const test = suite("firmware/conduits/flow-recorder")

function recorder() {
  const events: AuditEvent[] = []
  const own = new FlowRecorder((event) => events.push(event))
  let nowMs = 0
  /** Notes a second later each time; true if it went into the log. */
  const note = (change: RecordedFlow["change"], over: Partial<RecordedFlow> = {}): boolean => {
    const before = events.length
    const flow = { conduit: "field", subject: "s1", action: "publish", rule: "r", object: "a/b" }
    own.flush((nowMs += 1000))
    own.note({ ...flow, fingerprint: "f1", payloadBytes: 3, change, ...over }, nowMs)
    return events.length > before
  }
  return { own, events, note }
}

test("[CR 2.12 RE(1)] each message is recorded where each is wanted", () => {
  const { note, events } = recorder()
  for (let k = 0; k < 3; k++) assert.ok(note(null))
  assert.equal(events[0]?.detail, { action: "publish", fingerprint: "f1", payloadBytes: 3, record: "each" })
})

test("[CR 2.12 RE(1)] of repetitions only the first is recorded, by conduit, subject, action and topic", () => {
  const { note, events } = recorder()
  const a = { topic: "t", payload: "1" }
  const b = { topic: "t", payload: "2" }
  assert.equal(
    [a, a, b, b, a, a].map((change) => note(change)),
    [true, false, true, false, true, false],
  )
  assert.ok(note(a, { subject: "s2" }))
  assert.ok(note(a, { conduit: "other" }))
  assert.ok(note(a, { action: "receive" }))
  assert.ok(note({ topic: "u", payload: "1" }))
  assert.not.ok(note(a))
  assert.is(events[0]?.detail?.["record"], "changes")
})

test("[CR 7.1] what is remembered is bounded: a topic unheard for longest counts as changed", () => {
  const { own, events } = recorder()
  const flow = {
    conduit: "c",
    subject: "s",
    action: "publish",
    rule: "r",
    object: "o",
    fingerprint: "f",
    payloadBytes: 0,
  }
  let nowMs = 0
  const note = (topic: number): boolean => {
    const before = events.length
    own.flush((nowMs += 1000))
    own.note({ ...flow, change: { topic: String(topic), payload: "same" } }, nowMs)
    return events.length > before
  }
  for (let k = 0; k < 10_000; k++) note(k)
  assert.not.ok(note(0))
  assert.ok(note(10_000))
  assert.not.ok(note(0), "heard lately")
  assert.ok(note(1), "unheard for longest")
})

test.run()
