import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { FromEngine } from "../../../firmware/conduits/messages.ts"
import { PeerTap, TrafficRecording } from "../../../firmware/conduits/traffic-tap.ts"
import { joinParts, type RecordedPart } from "../../../policy/recording/recorder.ts"
import type { MqttFlow } from "../../../policy/recording/recording.ts"
import { makeFacts } from "../../support/recordings.ts"

const test = suite("firmware/conduits/traffic-tap")

/** An engine's recording with a clock of its own; `collect` runs its slices to the end. */
function setUp() {
  let nowMs = 5_000
  const recording = new TrafficRecording(() => nowMs)
  const collect = (stop: boolean) => {
    const parts: RecordedPart[] = []
    let slices = 0
    let totals: Extract<FromEngine, { kind: "recorded" }>["totals"] = null
    const take = (message: FromEngine): void => {
      if (message.kind !== "recorded") return
      parts.push(...message.parts)
      slices++
      if (message.last) totals = message.totals
    }
    recording.collect(1, stop, take, (act) => act())
    return { peers: joinParts(parts), slices, totals: totals as { messages: number } | null }
  }
  const say = (tap: PeerTap, topic: string): void => {
    const bytes = new TextEncoder().encode(topic)
    if (tap.on) tap.judged("publish", 0, bytes, 0, bytes.length, 0, 3, false)
  }
  return { recording, collect, say, pass: (ms: number) => (nowMs += ms) }
}

test("nothing is recorded before it starts, nor after it stopped", () => {
  const { recording, collect, say, pass } = setUp()
  const tap = new PeerTap(recording, makeFacts("s-1"))
  say(tap, "before")
  assert.is(collect(false).totals, null)
  recording.start()
  pass(1_500)
  say(tap, "a")
  const { peers, totals } = collect(true)
  assert.is(totals?.messages, 1)
  assert.equal(peers[0]?.flows.map((f) => [(f as MqttFlow).topic, f.firstMs]), [["a", 1_500]]) // prettier-ignore
  assert.is(tap.on, false)
  assert.is(collect(true).totals, null)
})

test("a connection that was there before, and one whose roles change, are told apart", () => {
  const { recording, collect, say } = setUp()
  const tap = new PeerTap(recording, makeFacts("s-1", { clientId: "" }))
  tap.become({ clientId: "c-1" })
  recording.start()
  say(tap, "a")
  tap.become({ roles: ["pump"] })
  say(tap, "a")
  recording.start()
  say(tap, "b")
  say(new PeerTap(recording, makeFacts("s-1", { clientId: "c-1", roles: ["pump"] })), "c")
  const { peers } = collect(true)
  assert.equal(peers.map((p) => [p.clientId, p.roles, p.flows.length]), [["c-1", ["pump"], 2]]) // prettier-ignore
})

test("[CR 7.1] what was collected travels in slices, and is whole again at the other end", () => {
  const { recording, collect, say } = setUp()
  recording.start()
  for (let p = 0; p < 5; p++) {
    const tap = new PeerTap(recording, makeFacts(`s-${p}`))
    for (let k = 0; k < p * 200; k++) say(tap, `t/${k}`)
    if (p === 0) say(tap, "one")
  }
  const { peers, slices, totals } = collect(false)
  assert.ok(slices >= 2_000 / 256)
  assert.equal(peers.map((p) => p.flows.length), [1, 200, 400, 600, 800]) // prettier-ignore
  assert.is(totals?.messages, 2_001)
  assert.not(Object.hasOwn(peers[4]!.flows[0]!, "inSecond"))
})

test.run()
