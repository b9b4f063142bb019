import { MAX_INSPECTED_BYTES } from "../../../policy/language/payload-form.ts"
import { isAllowed, REASON, reasonOf, type Verdict, verdict } from "../../../policy/filter/verdict.ts"
import { type Acknowledgement, acknowledgedCode, acknowledgedId, encodeAcknowledgement } from "./acknowledgement.ts"
import { OUTCOME, type Outcome } from "./boundary.ts"
import type { Direction } from "./judge.ts"
import { ID_STATE, PacketIds, stepOf } from "./packet-ids.ts"
import { PUBACK, PUBCOMP, PUBREC } from "./packet-type.ts"
import type { PacketScan } from "./packet-scan.ts"
import { mqttError } from "./protocol-error.ts"
import { PublishRun, UNSEEN } from "./publish-run.ts"
import { Recording } from "./recording.ts"
import { CODE, publishRefusal } from "./reason-code.ts"
import type { SessionContext } from "./session-context.ts"
import { printable } from "./text.ts"
import { TopicAliases } from "./topic-aliases.ts"
import { MAX_VARIABLE_INTEGER, variableIntegerSize, writeVariableInteger } from "./variable-integer.ts"

const TOO_LARGE = verdict(REASON["payload-size"], -1)
const OTHER_FORM = verdict(REASON["payload-form"], -1)

/**
 * The PUBLISH packets of one direction with all that belongs to them: verdict, aliases, packet identifiers, and the
 * answers that the gateway gives in place of a receiver that never saw the message.
 *
 * A verdict falls on a PUBLISH and on nothing else. What follows it (PUBACK, PUBREC, PUBREL, PUBCOMP) goes the way that
 * was recorded for its identifier, whatever the policy says by then.
 */
export class PublishPath {
  readonly aliases: TopicAliases
  readonly ids = new PacketIds()
  readonly recording: Recording
  readonly run: PublishRun
  /** Largest packet that the receiver takes. */
  receiverMaxBytes = Infinity
  /** Messages let through, ever. */
  passedMessages = 0

  readonly #context: SessionContext
  readonly #up: boolean

  constructor(context: SessionContext, direction: Direction) {
    this.#context = context
    this.#up = direction === "up"
    this.recording = new Recording(context)
    this.run = new PublishRun(context, direction, this.ids)
    this.aliases = new TopicAliases(context.deps.limits.maxControlBytes)
  }

  /**
   * Decide one PUBLISH, whose control part is [start, end); with `whole`, its payload is in hand behind it. Without, the
   * outcome is `hold` if the verdict hangs on the payload: nothing has happened then but that an alias was learnt.
   *
   * @throws ERR_MQTT_PACKET_ID_IN_USE, and what aliases throw.
   */
  publish(bytes: Uint8Array, start: number, end: number, scan: PacketScan, whole: boolean): Outcome {
    if (scan.topicAlias >= 0) return this.#aliased(bytes, start, end, scan, whole)
    const judged = final(this.#judge(bytes, start, scan, whole), scan, whole)
    if (judged === HOLD) return OUTCOME.hold
    const payloadAt = whole ? end : -1
    return this.#settle(judged, scan, bytes, scan.topicStart, scan.topicEnd, bytes, payloadAt)
  }

  /** Pass over the packets from `start` on that pass as they are; returns where the first stands that needs more. */
  passOver(bytes: Uint8Array, start: number, end: number): number {
    const next = this.run.advance(bytes, start, end)
    if (next > start) this.passedMessages += this.run.passed
    return next
  }

  /** A PUBACK, PUBREC or PUBCOMP of the receiver; true if it goes on to the sender. */
  acknowledge(type: number, ack: Acknowledgement): boolean {
    const id = acknowledgedId(ack)
    const state = this.ids.get(id)
    if (state === ID_STATE.refused) return false
    const over = type !== PUBREC || acknowledgedCode(ack) >= 0x80
    if (over && state === ID_STATE.forwarded) this.ids.set(id, ID_STATE.free)
    return true
  }

  /**
   * A PUBREL of the sender; true if it goes on to the receiver. For an identifier that was refused it does not, and the
   * gateway answers: success where it had said PUBREC, else that nothing by that identifier is known.
   */
  release(ack: Acknowledgement): boolean {
    const id = acknowledgedId(ack)
    const state = this.ids.get(id)
    if (state !== ID_STATE.refused && state !== ID_STATE.settled) return true
    this.ids.set(id, ID_STATE.settled)
    this.#answer(PUBCOMP, id, state === ID_STATE.refused ? CODE.success : CODE.packetIdentifierNotFound)
    return false
  }

  #judge(bytes: Uint8Array, start: number, scan: PacketScan, whole: boolean): Verdict {
    const { judge, nowMs } = this.#context
    const end = start + (whole ? scan.length : scan.controlLength)
    const found = this.run.found(bytes, start)
    if (found !== UNSEEN && judge.ahead !== undefined) {
      const place = this.run.placeOf(start)
      return judge.ahead.settle(this.#up ? "up" : "down", found, place, place + scan.length, nowMs)
    }
    return this.#up ? judge.publish(bytes, start, end, nowMs) : judge.receive(bytes, start, end, nowMs)
  }

  #aliased(bytes: Uint8Array, start: number, end: number, scan: PacketScan, whole: boolean): Outcome {
    const { aliases } = this
    const alias = scan.topicAlias
    aliases.check(alias)
    const named = scan.topicEnd > scan.topicStart
    const topic = named ? aliases.mean(alias, bytes, scan.topicStart, scan.topicEnd) : aliases.meant(alias)
    const rewrite = !named && !aliases.agree(alias)
    const said = named ? this.#judge(bytes, start, scan, whole) : this.#judgeTopic(topic, scan, bytes, whole ? end : -1)
    let judged = final(said, scan, whole)
    if (judged === HOLD) return OUTCOME.hold
    if (rewrite && isAllowed(judged) && rewrittenLength(scan, topic) > this.receiverMaxBytes) judged = TOO_LARGE
    const outcome = this.#settle(judged, scan, topic, 0, topic.length, bytes, whole ? end : -1)
    if (outcome !== OUTCOME.pass) return outcome
    aliases.pass(alias)
    if (!rewrite) return outcome
    this.#context.replace(this.#up ? "up" : "down", withTopic(bytes, start, end, scan, topic))
    return OUTCOME.replaced
  }

  #judgeTopic(topic: Uint8Array, scan: PacketScan, bytes: Uint8Array, payloadAt: number): Verdict {
    const { judge, nowMs } = this.#context
    const direction = this.#up ? "up" : "down"
    return judge.topic(direction, topic, 0, topic.length, scan.flags, scan.payloadBytes, nowMs, bytes, payloadAt)
  }

  /** Turn a verdict into what becomes of the packet; topic and payload as `Judge.topic` is told of them. */
  #settle(
    judged: Verdict,
    scan: PacketScan,
    topic: Uint8Array,
    start: number,
    end: number,
    payload: Uint8Array,
    payloadAt: number,
  ): Outcome {
    const allowed = isAllowed(judged)
    const { tap } = this.#context.deps
    if (tap?.on === true) {
      const action = this.#up ? "publish" : "receive"
      tap.judged(action, judged, topic, start, end, scan.flags, scan.payloadBytes, false)
    }
    if (!allowed) {
      this.#context.port.denied(this.#up ? "publish" : "receive", judged, printable(topic, start, end), false)
    }
    if (scan.qos === 0) {
      if (allowed) this.#pass(judged, scan, topic, start, end, payload, payloadAt)
      return allowed ? OUTCOME.pass : OUTCOME.drop
    }
    const before = this.ids.get(scan.packetId)
    switch (stepOf(before, allowed, scan.qos, (scan.flags & 8) !== 0)) {
      case "forward":
        this.ids.set(scan.packetId, ID_STATE.forwarded)
        // Sent again, it may say another thing than at first: nobody here knows which of both the receiver goes by.
        this.#pass(judged, scan, topic, start, end, payload, before === ID_STATE.forwarded ? -1 : payloadAt)
        return OUTCOME.pass
      case "silent":
        return OUTCOME.drop
      case "in-use":
        throw mqttError("ERR_MQTT_PACKET_ID_IN_USE", "a packet identifier is used again too early")
      case "refuse":
        return this.#refuse(judged, scan)
    }
  }

  #pass(
    judged: Verdict,
    scan: PacketScan,
    topic: Uint8Array,
    start: number,
    end: number,
    payload: Uint8Array,
    payloadAt: number,
  ): void {
    this.passedMessages++
    const { judge } = this.#context
    judge.hear?.(topic, start, end, payload, payloadAt, scan.payloadBytes)
    const wish = judge.record(judged)
    if (wish === null) return
    this.recording.begin(wish, this.#up ? "publish" : "receive", topic, start, end, scan.payloadBytes)
  }

  /** Drop a message of QoS 1 or 2 and answer for the receiver. */
  #refuse(judged: Verdict, scan: PacketScan): Outcome {
    const { deps, version } = this.#context
    if (this.#up && version === 4 && deps.conduit.onDeny === "close") {
      this.#context.endAfter("denied", "ERR_MQTT_DENIED")
      return OUTCOME.stop
    }
    // Towards the broker a message that the peer must not see is taken as received: an error would be the broker's to
    // act on, and nothing is wrong with it.
    const code = this.#up && version === 5 ? publishRefusal(judged) : CODE.success
    if (scan.qos === 2) this.ids.set(scan.packetId, code === CODE.success ? ID_STATE.refused : ID_STATE.settled)
    this.#answer(scan.qos === 2 ? PUBREC : PUBACK, scan.packetId, code)
    return OUTCOME.drop
  }

  /** Answers run against the direction of the messages. */
  #answer(type: number, id: number, code: number): void {
    const packet = encodeAcknowledgement(type, id, code, this.#context.version)
    this.#context.inject(this.#up ? "down" : "up", packet)
  }
}

/** In place of a verdict that is not final. No verdict is negative. */
const HOLD = -1

/** What a verdict means that may be `incomplete`: hold the packet, unless it is whole already or more than we hold. */
function final(judged: Verdict, scan: PacketScan, whole: boolean): Verdict {
  if (reasonOf(judged) !== REASON.incomplete) return judged
  if (whole) return OTHER_FORM
  return scan.payloadBytes > MAX_INSPECTED_BYTES ? TOO_LARGE : HOLD
}

/** Length of the whole packet with its topic written out; Infinity if no packet can be that long. */
function rewrittenLength(scan: PacketScan, topic: Uint8Array): number {
  const remaining = scan.length - scan.headerLength + topic.length
  return remaining > MAX_VARIABLE_INTEGER ? Infinity : 1 + variableIntegerSize(remaining) + remaining
}

/** The control part of a PUBLISH whose topic is empty, with `topic` put in. The alias stays, and is thereby set anew. */
function withTopic(bytes: Uint8Array, start: number, end: number, scan: PacketScan, topic: Uint8Array): Uint8Array {
  const remaining = scan.length - scan.headerLength + topic.length
  const rest = bytes.subarray(scan.topicEnd, end)
  const packet = new Uint8Array(1 + variableIntegerSize(remaining) + 2 + topic.length + rest.length)
  packet[0] = bytes[start] as number
  let at = writeVariableInteger(packet, 1, remaining)
  packet[at++] = topic.length >> 8
  packet[at++] = topic.length & 0xff
  packet.set(topic, at)
  packet.set(rest, at + topic.length)
  return packet
}
