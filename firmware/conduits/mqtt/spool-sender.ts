/**
 * Brings one subject's buffered messages to the broker, in order, in a session of its own that outlives connections.
 *
 *     CONNECT -> [PUBREL of what an earlier connection left] -> batch -> batch ... -> DISCONNECT
 *     batch:     PUBLISH all -> every PUBACK / PUBREC -> written down -> PUBREL -> every PUBCOMP
 *
 * Packet identifiers follow from the numbers of the messages, so that a QoS 2 message that is sent again after a crash bears
 * the identifier by which the broker knows it. A PUBREL goes out only when it is written down that its message has arrived.
 *
 * The broker's bytes are hostile. Pure: bytes in, bytes and wishes out.
 *
 * @see MQTT 5.0 sections 4.3, 4.4; MQTT 3.1.1 sections 4.3, 4.4
 */
import { acknowledgedCode, acknowledgedId, encodeAcknowledgement, parseAcknowledgement } from "./acknowledgement.ts"
import { parseConnack } from "./connack.ts"
import { encodeConnect } from "./connect.ts"
import { encodeDisconnect } from "./disconnect.ts"
import { CONNACK, FROM_BROKER, PUBACK, PUBCOMP, PUBREC, PUBREL, typeSet, type Version } from "./packet-type.ts"
import type { PacketScan } from "./packet-scan.ts"
import { numericProperties, PROPERTY } from "./properties.ts"
import { faultOf } from "./protocol-error.ts"
import { CODE } from "./reason-code.ts"
import { measureVariableInteger } from "./variable-integer.ts"
import { WholePackets } from "./whole-packets.ts"
import { Writer } from "./writer.ts"

/** Messages that may be with the broker unanswered. */
export const SENDER_WINDOW = 32
const SESSION_EXPIRY_SECONDS = 7 * 24 * 3600

/** The next message, as it is to be sent. */
export interface Sendable {
  readonly seq: number
  /** The whole PUBLISH at QoS 1 or 2; null: it is not sent any more. */
  readonly packet: Uint8Array | null
}

/** How far it has come. */
export interface Progress {
  readonly through: number
  readonly release: readonly number[]
}

/** Where a connection takes up. */
export interface SenderStart {
  readonly version: Version
  readonly clientId: string
  readonly progress: Progress
  /** Messages up to this number may have been sent by an earlier connection. */
  readonly sentBefore: number
}

/** What the sender asks of the shell around it. */
export interface SpoolSenderPort {
  toBroker(bytes: Uint8Array): void
  /** Answered by `give`; with nothing when nothing waits. */
  fetch(max: number): void
  /** Write it down; answered by `settled`. */
  settle(progress: Progress): void
  /** The broker would not have this message. */
  refused(seq: number, code: number): void
  /** The end, in order (null) or for a reason; nothing further will be asked. */
  finished(failure: string | null): void
}

type Phase = "connack" | "releasing" | "fetching" | "sending" | "settling" | "closed"

/** One connection of a subject's spool to the broker. */
export class SpoolSender {
  readonly #port: SpoolSenderPort
  readonly #version: Version
  readonly #clientId: string
  readonly #scan: PacketScan
  readonly #packets: WholePackets
  #phase: Phase = "connack"
  #release: Set<number>
  #window = SENDER_WINDOW
  #maxPacketBytes = Infinity
  #through: number
  /** Of the batch under way: identifiers that are not answered, each with its message. */
  #unanswered = new Map<number, { readonly seq: number; readonly qos: 1 | 2 }>()
  #received: number[] = []
  #batchEnd = 0
  #finishing = false
  readonly #sentBefore: number
  #sent = 0

  constructor(port: SpoolSenderPort, from: SenderStart, newScan: (accepted: number) => PacketScan) {
    this.#port = port
    this.#version = from.version
    this.#clientId = from.clientId
    this.#release = new Set(from.progress.release)
    this.#through = from.progress.through
    this.#sentBefore = from.sentBefore
    this.#scan = newScan(typeSet(CONNACK))
    this.#scan.version = from.version
    this.#packets = new WholePackets(this.#scan, (bytes, start, end, scan) => this.#packet(bytes, start, end, scan))
  }

  /** The highest number that any connection may have sent. */
  get sentThrough(): number {
    return Math.max(this.#sent, this.#sentBefore)
  }

  start(): void {
    const five = this.#version === 5
    const properties = five
      ? new Writer().u8(PROPERTY.sessionExpiry).u32(SESSION_EXPIRY_SECONDS).body()
      : new Uint8Array(0)
    this.#port.toBroker(
      encodeConnect({
        version: this.#version,
        cleanStart: false,
        keepAliveSeconds: 0,
        properties,
        clientId: new TextEncoder().encode(this.#clientId),
        will: null,
        userName: null,
        password: null,
      }),
    )
  }

  fromBroker(chunk: Uint8Array): void {
    if (this.#phase === "closed") return
    try {
      this.#packets.feed(chunk)
    } catch (error) {
      const fault = faultOf(error)
      if (fault === null) throw error
      this.#end(fault.code)
    }
  }

  /** The connection is lost. */
  brokerEnded(): void {
    this.#end("lost")
  }

  /** What `fetch` asked for, in order. */
  give(messages: readonly Sendable[]): void {
    if (this.#phase !== "fetching") return
    const last = messages.at(-1)
    if (last === undefined) return this.#finish()
    this.#phase = "sending"
    this.#batchEnd = last.seq
    this.#received = []
    const out: Uint8Array[] = []
    for (const { seq, packet } of messages) {
      if (packet === null) continue
      if (packet.length > this.#maxPacketBytes) {
        this.#port.refused(seq, CODE.packetTooLarge)
        continue
      }
      const id = packetIdOf(seq)
      this.#unanswered.set(id, { seq, qos: qosOf(packet) })
      out.push(numbered(packet, id, seq <= this.#sentBefore))
      this.#sent = Math.max(this.#sent, seq)
    }
    if (out.length > 0) this.#port.toBroker(Buffer.concat(out))
    this.#answered()
  }

  /** What `settle` asked for is on disk. */
  settled(): void {
    if (this.#phase !== "settling") return
    if (this.#finishing) {
      this.#port.toBroker(encodeDisconnect(0, this.#version))
      return this.#end(null)
    }
    this.#releaseAll()
  }

  #packet(bytes: Uint8Array, start: number, end: number, scan: PacketScan): void {
    if (this.#phase === "closed") return
    const body = start + scan.headerLength
    if (scan.type === CONNACK) return this.#connack(bytes, body, end)
    if (scan.type !== PUBACK && scan.type !== PUBREC && scan.type !== PUBCOMP) {
      return this.#end(`unexpected packet ${scan.type}`)
    }
    const ack = parseAcknowledgement(scan.type, bytes, body, end, this.#version)
    const id = acknowledgedId(ack)
    if (scan.type === PUBCOMP) {
      this.#release.delete(id)
      if (this.#phase === "releasing" && this.#release.size === 0) this.#fetch()
      return
    }
    const message = this.#unanswered.get(id)
    if (message === undefined) return
    if ((message.qos === 2) !== (scan.type === PUBREC)) return this.#end("wrong acknowledgement")
    this.#unanswered.delete(id)
    if (acknowledgedCode(ack) >= 0x80) this.#port.refused(message.seq, acknowledgedCode(ack))
    else if (message.qos === 2) this.#received.push(id)
    this.#answered()
  }

  #connack(bytes: Uint8Array, body: number, end: number): void {
    const packet = parseConnack(bytes, body, end, this.#version)
    if (packet.code !== 0) return this.#end(`connack ${packet.code}`)
    if (this.#version === 5) {
      const numbers = numericProperties(CONNACK, packet.properties)
      this.#window = Math.min(SENDER_WINDOW, numbers.get(PROPERTY.receiveMaximum) ?? SENDER_WINDOW)
      this.#maxPacketBytes = numbers.get(PROPERTY.maximumPacketSize) ?? Infinity
    }
    this.#scan.accepted = FROM_BROKER[this.#version]
    // A broker that has forgotten the session has nothing to release.
    if (!packet.sessionPresent) this.#release.clear()
    this.#releaseAll()
  }

  #releaseAll(): void {
    if (this.#release.size === 0) return this.#fetch()
    this.#phase = "releasing"
    const packets = [...this.#release].map((id) => encodeAcknowledgement(PUBREL, id, 0, this.#version))
    this.#port.toBroker(Buffer.concat(packets))
  }

  #fetch(): void {
    this.#phase = "fetching"
    this.#port.fetch(this.#window)
  }

  /** An answer came, or none is awaited: go on when the whole batch is answered. */
  #answered(): void {
    if (this.#phase !== "sending" || this.#unanswered.size > 0) return
    this.#through = this.#batchEnd
    this.#release = new Set(this.#received)
    this.#settle()
  }

  #finish(): void {
    this.#finishing = true
    this.#settle()
  }

  #settle(): void {
    this.#phase = "settling"
    this.#port.settle({ through: this.#through, release: [...this.#release] })
  }

  #end(failure: string | null): void {
    if (this.#phase === "closed") return
    this.#phase = "closed"
    this.#port.finished(failure)
  }
}

function packetIdOf(seq: number): number {
  return (seq % 65_535) + 1
}

function qosOf(packet: Uint8Array): 1 | 2 {
  return ((packet[0] ?? 0) & 6) === 4 ? 2 : 1
}

/** A copy of the PUBLISH with this identifier, marked if it may have been sent before. */
function numbered(packet: Uint8Array, id: number, sentBefore: boolean): Uint8Array {
  const copy = Uint8Array.from(packet)
  copy[0] = ((copy[0] ?? 0) & 0xf7) | (sentBefore ? 8 : 0)
  const topicAt = 1 + measureVariableInteger(copy, 1, copy.length)
  const idAt = topicAt + 2 + (((copy[topicAt] ?? 0) << 8) | (copy[topicAt + 1] ?? 0))
  copy[idAt] = id >> 8
  copy[idAt + 1] = id & 0xff
  return copy
}
