import { classOf, createBuckets, createFilterState, decide } from "../filter/decide.ts"
import { decideSubscription } from "../filter/contain.ts"
import { isAllowed, reasonName, ruleOf, type Verdict } from "../filter/verdict.ts"
import type { CompiledPolicy } from "../filter/table.ts"
import type { Policy } from "../language/policy.ts"
import { judge, type Judgement } from "./judge.ts"
import type { MessageQuestion, Question } from "./question.ts"

const text = new TextEncoder()

/** Longest payload that is laid out in bytes; of longer ones only the length is. */
const MAX_LAID_OUT = 1024 * 1024

/** What the compiled filter answers, its token buckets full. */
export function askFilter(policy: Policy, compiled: CompiledPolicy, question: Question): Judgement {
  if (question.kind === "modbus") return judge(policy, question)
  const { who, essentialOnly } = question
  const state = createFilterState(compiled.table, {
    classIndex: classOf(compiled, who.conduit, who.roles),
    action: question.kind,
    protocolVersion: 4,
    name: text.encode(who.name),
    clientId: text.encode(who.clientId),
    buckets: createBuckets(compiled.table),
    essentialOnly,
  })
  if (question.kind === "subscribe") {
    const filter = text.encode(question.filter)
    return judgementOf(decideSubscription(compiled.table, state, filter, 0, filter.length, question.qos))
  }
  const packet = packetOf(question)
  return judgementOf(decide(compiled.table, state, packet, 0, packet.length, 0))
}

function judgementOf(verdict: Verdict): Judgement {
  return { allowed: isAllowed(verdict), reason: reasonName(verdict), rule: ruleOf(verdict) }
}

/** The PUBLISH of MQTT 3.1.1 that a client would send; a payload of which only the length is known is made of zeros, or not there. */
function packetOf({ topic, qos, retain, payload, payloadBytes }: MessageQuestion): Uint8Array {
  const name = text.encode(topic)
  const body = payload ?? (payloadBytes <= MAX_LAID_OUT ? new Uint8Array(payloadBytes) : new Uint8Array())
  const head = [(name.length >> 8) & 0xff, name.length & 0xff]
  const id = qos === 0 ? [] : [0, 1]
  const length: number[] = []
  for (let left = head.length + name.length + id.length + payloadBytes; ;) {
    const digit = left % 128
    left = (left - digit) / 128
    length.push(left > 0 ? digit | 0x80 : digit)
    if (left === 0) break
  }
  const front = [0x30 | (qos << 1) | Number(retain), ...length, ...head]
  const packet = new Uint8Array(front.length + name.length + id.length + body.length)
  packet.set(front)
  packet.set(name, front.length)
  packet.set(id, front.length + name.length)
  packet.set(body, front.length + name.length + id.length)
  return packet
}
