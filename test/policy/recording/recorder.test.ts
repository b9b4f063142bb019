import { suite } from "uvu"
import * as assert from "uvu/assert"
import { REASON, verdict } from "../../../policy/filter/verdict.ts"
import { encodeRecording } from "../../../policy/recording/encode.ts"
import { parseRecording } from "../../../policy/recording/parse.ts"
import { Recorder, recordedPeer, RECORDER_LIMITS, type OpenPeer } from "../../../policy/recording/recorder.ts"
import { MAX_RECORDING_BYTES, type MqttFlow } from "../../../policy/recording/recording.ts"
import { makeFacts, makeRecording, sha256 } from "../../support/recordings.ts"

const test = suite("policy/recording/recorder")
const OK = verdict(REASON.allowed, 0)
const NO = verdict(REASON["no-rule"], -1)

function publish(recorder: Recorder, peer: OpenPeer | null, topic: string, atMs: number, v = OK, flags = 0, size = 10) {
  const bytes = new TextEncoder().encode(`..${topic}`)
  recorder.mqtt(peer, "publish", v, bytes, 2, bytes.length, flags, size, false, atMs)
}
const flowsOf = (peer: OpenPeer): readonly MqttFlow[] =>
  recordedPeer(peer).flows.filter((flow): flow is MqttFlow => flow.kind === "mqtt")

test("messages of one topic are one flow with sizes, times and the busiest second", () => {
  const recorder = new Recorder()
  const peer = recorder.peer(makeFacts("s-1"))!
  for (const [atMs, size] of [
    [100, 4],
    [1_100, 9],
    [1_500, 2],
    [1_999, 5],
    [2_000, 5],
  ] as const)
    // prettier-ignore
    publish(recorder, peer, "a/b", atMs, OK, 0, size)
  const [flow] = flowsOf(peer)
  assert.equal(
    { ...flow },
    {
      kind: "mqtt", action: "publish", topic: "a/b", qos: 0, retain: false, will: false, minBytes: 2, maxBytes: 9,
      verdict: "allowed", count: 5, busiest: 3, firstMs: 100, lastMs: 2_000,
    }, // prettier-ignore
  )
})

test("what a policy could tell apart is kept apart: verdict, QoS, retain, will; of deliveries only the topic", () => {
  const recorder = new Recorder()
  const peer = recorder.peer(makeFacts("s-1"))!
  publish(recorder, peer, "a", 0)
  publish(recorder, peer, "a", 0, NO)
  publish(recorder, peer, "a", 0, OK, 2)
  publish(recorder, peer, "a", 0, OK, 2 | 8)
  publish(recorder, peer, "a", 0, OK, 1)
  const bytes = new TextEncoder().encode("a")
  recorder.mqtt(peer, "publish", OK, bytes, 0, 1, 0, 1, true, 0)
  for (const flags of [0, 1, 2, 4]) recorder.mqtt(peer, "receive", OK, bytes, 0, 1, flags, 1, false, 0)
  recorder.mqtt(peer, "subscribe", OK, bytes, 0, 1, 2 << 1, 0, false, 0)
  const seen = flowsOf(peer).map(
    (f) => `${f.action} ${f.verdict} ${f.qos}${f.retain ? "r" : ""}${f.will ? "w" : ""} ${f.count}`,
  )
  assert.equal(seen, [
    "publish allowed 0 1",
    "publish no-rule 0 1",
    "publish allowed 1 2",
    "publish allowed 0r 1",
    "publish allowed 0w 1",
    "receive allowed 0 4",
    "subscribe allowed 2 1",
  ])
})

test("the busiest second of a peer adds up its allowed messages, up and down apart", () => {
  const recorder = new Recorder()
  const peer = recorder.peer(makeFacts("s-1"))!
  const bytes = new TextEncoder().encode("x")
  for (let k = 0; k < 5; k++) publish(recorder, peer, `a/${k}`, 1_000 + k)
  for (let k = 0; k < 9; k++) publish(recorder, peer, `a/${k}`, 2_000 + k, NO)
  for (let k = 0; k < 3; k++) recorder.mqtt(peer, "receive", OK, bytes, 0, 1, 0, 1, false, 3_000)
  const { busiestUp, busiestDown } = recordedPeer(peer)
  assert.equal([busiestUp, busiestDown], [5, 3])
})

test("a peer that comes back is the same one; with other roles it is another", () => {
  const recorder = new Recorder()
  const peer = recorder.peer(makeFacts("s-1"))
  assert.is(recorder.peer(makeFacts("s-1")), peer)
  assert.is.not(recorder.peer(makeFacts("s-1", { roles: ["pump"] })), peer)
  assert.is(recorder.peers.length, 2)
})

test("[CR 7.1] bounded in flows; denied ones have a quarter of the room and a peer half; the rest is counted", () => {
  const recorder = new Recorder({ ...RECORDER_LIMITS, maxFlows: 100 })
  const rogue = recorder.peer(makeFacts("rogue"))!
  for (let k = 0; k < 1_000; k++) publish(recorder, rogue, `x/${k}`, k, NO)
  assert.is(rogue.flows.size, 25)
  for (let k = 0; k < 1_000; k++) publish(recorder, rogue, `y/${k}`, k)
  assert.is(rogue.flows.size, 50)
  const honest = recorder.peer(makeFacts("s-1"))!
  for (let k = 0; k < 60; k++) publish(recorder, honest, `z/${k}`, k)
  assert.equal([honest.flows.size, honest.missed, rogue.missed], [50, 10, 1_950])
  assert.equal([recorder.messages, recorder.missed], [100, 1_960])
})

test("[CR 7.1] bounded in peers; those without room are counted, and so are their messages", () => {
  const recorder = new Recorder({ ...RECORDER_LIMITS, maxPeers: 2 })
  for (const name of ["a", "b", "c", "d", "c"]) publish(recorder, recorder.peer(makeFacts(name)), "t", 0)
  assert.equal([recorder.peers.length, recorder.missedPeers, recorder.messages, recorder.missed], [2, 2, 2, 3])
})

test("[CR 7.1] a full recorder's file fits the format's bounds and parses", () => {
  const recorder = new Recorder()
  const names = {
    sanUri: Array.from({ length: 500 }, (_, k) => `urn:${"x".repeat(400)}:${k}`),
    sanDns: [],
    commonName: "n\u0000n",
  }
  for (let p = 0; p < 3; p++) {
    const peer = recorder.peer(makeFacts(`s-${p}`, { names }))!
    for (let k = 0; k < 15_000; k++) publish(recorder, peer, `${'"'.repeat(k % 1_000)}/${k}`, k)
  }
  assert.ok(recorder.missed > 0)
  const bytes = encodeRecording(
    makeRecording(recorder.peers.map(recordedPeer), { messages: recorder.messages }),
    sha256,
  )
  assert.ok(bytes.length < MAX_RECORDING_BYTES, String(bytes.length))
  const { peers } = parseRecording(bytes, sha256)
  assert.ok(peers.length >= 2 && peers.every((peer) => peer.flows.length > 1_000))
})

test("[CR 3.5] what is no topic is kept without its bytes, or counted as missed", () => {
  const recorder = new Recorder()
  const peer = recorder.peer(makeFacts("s-1"))!
  const bad = Uint8Array.of(0x61, 0xff, 0x00, 0x1b)
  recorder.mqtt(peer, "publish", verdict(REASON["bad-topic"], -1), bad, 0, 4, 0, 1, false, 0)
  recorder.mqtt(peer, "publish", NO, bad, 0, 4, 0, 1, false, 0)
  recorder.mqtt(peer, "publish", NO, new Uint8Array(2_000).fill(0x61), 0, 2_000, 0, 1, false, 0)
  assert.equal(flowsOf(peer).map((flow) => flow.topic), [""]) // prettier-ignore
  assert.is(peer.missed, 2)
})

test("Modbus requests are told apart by everything but their values", () => {
  const recorder = new Recorder()
  const peer = recorder.peer(makeFacts("plc", { clientId: "" }))!
  const seen = { unit: 1, function: 16, sub: null, range: { from: 4, to: 7 }, written: null }
  recorder.modbus(peer, seen, OK, 10)
  recorder.modbus(peer, seen, OK, 20)
  recorder.modbus(peer, { ...seen, unit: 2 }, NO, 20)
  assert.equal(recordedPeer(peer).flows.map((f) => [f.verdict, f.count]), [["allowed", 2], ["no-rule", 1]]) // prettier-ignore
})

test.run()
