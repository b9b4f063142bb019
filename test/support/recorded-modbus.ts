import { compilePolicy } from "../../policy/compile/compile.ts"
import { classOf } from "../../policy/filter/decide.ts"
import { setGates } from "../../policy/filter/gates.ts"
import { createModbusBuckets, createModbusState, decideModbus } from "../../policy/filter/modbus/decide.ts"
import { readRequest } from "../../policy/filter/modbus/reference-request.ts"
import type { Policy } from "../../policy/language/policy.ts"
import { Recorder, recordedPeer, type ModbusSeen } from "../../policy/recording/recorder.ts"
import type { Recording } from "../../policy/recording/recording.ts"
import { NAMES, type Chooser } from "./filter-cases.ts"
import { randomRequest } from "./modbus-cases.ts"
import { makeFacts, makeRecording } from "./recordings.ts"

const CONDUITS = ["field", "line", "inward", "outward"]
const ROLE_SETS = [["operator"], ["engineer"], ["engineer", "operator"], []]

/** What a request is recorded as; null for one of several files, which no flow can tell. */
export function seenIn(request: Uint8Array): ModbusSeen | null {
  const [unit = 0, code = 0] = request
  const bare = { unit, function: code, sub: null, range: null, written: null }
  const read = readRequest([...request])
  if (read === null) return bare
  const [first, second, third] = read.accesses
  if (first === undefined) return { ...bare, sub: read.sub }
  const range = { from: first.from, to: first.to }
  if (first.of === "file") return second === undefined ? { ...bare, sub: first.file, range } : null
  return third === undefined ? { ...bare, range, written: second === undefined ? null : { from: second.from, to: second.to } } : null // prettier-ignore
}

/** What random peers ask under a policy, as a gateway would record it: real filter, real buckets, a clock that runs. */
export function recordRandomModbus(choose: Chooser, policy: Policy, requests: number): Recording {
  const compiled = compilePolicy(policy)
  const { modbus } = compiled
  const rules = policy.rules.filter((rule) => rule.protocol === "modbus")
  const recorder = new Recorder()
  const at = Date.UTC(2026, 10, 23) + choose.below(7 * 86_400_000)
  setGates(modbus, { earliestAt: at, latestAt: at }, new Set())
  const buckets = new Map(NAMES.map((name) => [name, createModbusBuckets(modbus)]))
  const peers = Array.from({ length: 3 }, () => {
    return { name: choose.pick(NAMES), roles: [...choose.pick(ROLE_SETS)], conduit: choose.pick(CONDUITS) }
  })
  // The same requests again and again, so that rates matter.
  const known = Array.from({ length: 12 }, () => randomRequest(choose, rules))
  let nowMs = choose.below(1_000)
  for (let k = 0; k < requests; k++) {
    nowMs += choose.chance(0.7) ? choose.below(50) : choose.below(3_000)
    const { name, roles, conduit } = choose.pick(peers)
    const bytes = choose.chance(0.6) ? choose.pick(known) : randomRequest(choose, rules)
    const seen = seenIn(bytes)
    if (seen === null) continue
    const classIndex = classOf(compiled, conduit, roles)
    const state = createModbusState(modbus, { classIndex, buckets: buckets.get(name)!, essentialOnly: false })
    const facts = { conduit, zone: "plant", roles, clientId: "", names: { sanUri: [], sanDns: [], commonName: null } }
    const place = recorder.peer(makeFacts(name, facts))
    recorder.modbus(place, seen, decideModbus(modbus, state, bytes, 0, bytes.length, nowMs), nowMs)
  }
  return makeRecording(recorder.peers.map(recordedPeer), { messages: recorder.messages })
}
