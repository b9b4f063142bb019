import { compilePolicy } from "../../policy/compile/compile.ts"
import { decideSubscription } from "../../policy/filter/contain.ts"
import { classOf, createBuckets, createFilterState, decideMessage } from "../../policy/filter/decide.ts"
import { setGates } from "../../policy/filter/gates.ts"
import type { Action, Policy } from "../../policy/language/policy.ts"
import { Recorder, recordedPeer } from "../../policy/recording/recorder.ts"
import type { Recording } from "../../policy/recording/recording.ts"
import { CONDUITS, NAMES, randomTopic, ROLE_SETS, type Chooser } from "./filter-cases.ts"
import { makeFacts, makeRecording } from "./recordings.ts"

/** What random peers do under a policy, as a gateway would record it: real filter, real buckets, a clock that runs. */
export function recordRandomTraffic(
  choose: Chooser,
  policy: Policy,
  words: readonly string[],
  messages: number,
): Recording {
  const compiled = compilePolicy(policy)
  const { table } = compiled
  const recorder = new Recorder()
  const at = Date.UTC(2026, 10, 23) + choose.below(7 * 86_400_000)
  setGates(table, { earliestAt: at, latestAt: at }, new Set())
  const buckets = new Map(NAMES.map((name) => [name, createBuckets(table)]))
  const encoder = new TextEncoder()
  const peers = Array.from({ length: 3 }, () => ({
    name: choose.pick(NAMES),
    clientId: choose.pick(NAMES),
    roles: [...choose.pick(ROLE_SETS)].sort(),
    conduit: choose.pick(CONDUITS),
  }))
  let nowMs = choose.below(1_000)
  for (let k = 0; k < messages; k++) {
    nowMs += choose.chance(0.7) ? choose.below(50) : choose.below(3_000)
    const { name, clientId, roles, conduit } = choose.pick(peers)
    const action = choose.pick<Action>(["publish", "publish", "subscribe", "receive"])
    const input = { name: encoder.encode(name), clientId: encoder.encode(clientId), buckets: buckets.get(name)! }
    const classIndex = classOf(compiled, conduit, roles)
    const state = createFilterState(table, { classIndex, action, protocolVersion: 4, essentialOnly: false, ...input })
    const facts = { conduit, roles, clientId, names: { sanUri: [], sanDns: [], commonName: null } }
    const place = recorder.peer(makeFacts(name, facts))
    let topic = randomTopic(choose, words)
    if (action === "subscribe" && choose.chance(0.4)) topic += choose.pick(["/#", "/+"])
    if (action === "subscribe" && choose.chance(0.2)) topic = `$share/g/${topic}`
    const bytes = encoder.encode(topic)
    const qos = choose.below(3)
    if (action === "subscribe") {
      const verdict = decideSubscription(table, state, bytes, 0, bytes.length, qos)
      recorder.mqtt(place, action, verdict, bytes, 0, bytes.length, qos << 1, 0, false, nowMs)
      continue
    }
    const flags = (qos << 1) | choose.below(2)
    const payload = new Uint8Array(choose.pick([0, 5, 10, 11, 1_001])).fill(choose.chance(0.5) ? 0x61 : 0xff)
    const verdict = decideMessage(table, state, bytes, 0, bytes.length, flags, payload.length, nowMs, payload, 0)
    recorder.mqtt(place, action, verdict, bytes, 0, bytes.length, flags, payload.length, false, nowMs)
  }
  return makeRecording(recorder.peers.map(recordedPeer), { messages: recorder.messages })
}
