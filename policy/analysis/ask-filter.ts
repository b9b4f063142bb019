import { NO_INPUTS } from "../filter/inputs.ts"
import { classOf, createBuckets, createFilterState, decide } from "../filter/decide.ts"
import { decideSubscription } from "../filter/contain.ts"
import { gateState } from "../filter/gates.ts"
import { createModbusBuckets, createModbusState, decideModbus } from "../filter/modbus/decide.ts"
import type { Verdict } from "../filter/verdict.ts"
import type { CompiledPolicy, Gate } from "../filter/table.ts"
import { judgementOf, type Judgement } from "./judge.ts"
import { encodeRequest } from "./modbus-request.ts"
import type { MessageQuestion, ModbusQuestion, Question, SubscribeQuestion } from "./question.ts"

const text = new TextEncoder()

/** What the compiled filter answers, its token buckets full and its gates as the question says; `compiled` stays as it is. */
export function askFilter(compiled: CompiledPolicy, question: Question): Judgement {
  return judgementOf(question.kind === "modbus" ? askModbus(compiled, question) : askMqtt(compiled, question))
}

function askMqtt(compiled: CompiledPolicy, question: MessageQuestion | SubscribeQuestion): Verdict {
  const { who, essentialOnly } = question
  const table = { ...compiled.table, gateStates: gatesOf(compiled.table.gates, question) }
  const state = createFilterState(table, {
    classIndex: classOf(compiled, who.conduit, who.roles),
    action: question.kind,
    protocolVersion: 4,
    name: text.encode(who.name),
    clientId: text.encode(who.clientId),
    buckets: createBuckets(table),
    essentialOnly,
  })
  if (question.kind === "subscribe") {
    const filter = text.encode(question.filter)
    return decideSubscription(table, state, filter, 0, filter.length, question.qos ?? 0)
  }
  const packet = packetOf(question)
  return decide(table, state, packet, 0, packet.length, 0)
}

function askModbus(compiled: CompiledPolicy, question: ModbusQuestion): Verdict {
  const { who, essentialOnly, request } = question
  const table = { ...compiled.modbus, gateStates: gatesOf(compiled.modbus.gates, question) }
  const classIndex = classOf(compiled, who.conduit, who.roles)
  const state = createModbusState(table, { classIndex, buckets: createModbusBuckets(table), essentialOnly })
  const bytes = encodeRequest(request)
  return decideModbus(table, state, bytes, 0, bytes.length, 0)
}

function gatesOf(gates: readonly Gate[], { at, emergencies, inputs = NO_INPUTS }: Question): Uint8Array {
  const time = { earliestAt: at ?? -Infinity, latestAt: at ?? Infinity }
  const on = new Set(emergencies)
  return Uint8Array.from(gates, (gate) => gateState(gate, time, on, inputs))
}

/** The PUBLISH of MQTT 3.1.1 that a client would send; a payload of which only the length is known is not in hand. */
function packetOf({ topic, payload, ...rest }: MessageQuestion): Uint8Array {
  const qos = rest.qos ?? 0
  const payloadBytes = rest.payloadBytes ?? 0
  const name = text.encode(topic)
  const body = payload ?? new Uint8Array()
  const head = [(name.length >> 8) & 0xff, name.length & 0xff]
  const id = qos === 0 ? [] : [0, 1]
  const length: number[] = []
  for (let left = head.length + name.length + id.length + payloadBytes; ;) {
    const digit = left % 128
    left = (left - digit) / 128
    length.push(left > 0 ? digit | 0x80 : digit)
    if (left === 0) break
  }
  const front = [0x30 | (qos << 1) | Number(rest.retain ?? false), ...length, ...head]
  const packet = new Uint8Array(front.length + name.length + id.length + body.length)
  packet.set(front)
  packet.set(name, front.length)
  packet.set(id, front.length + name.length)
  packet.set(body, front.length + name.length + id.length)
  return packet
}
