/**
 * Stands in for a broker that is lost, towards the session of one client that only publishes.
 *
 * The session has judged what comes in here, as it does for the true broker. A QoS 1 or 2 message is acknowledged when it is
 * on disk; QoS 0 is dropped; subscriptions are refused.
 *
 * @see MQTT 5.0 sections 3.2, 3.4, 3.5, 3.8, 3.9; MQTT 3.1.1 the same
 */
import { encodeAcknowledgement, parseAcknowledgement, acknowledgedId } from "./acknowledgement.ts"
import { encodeConnack, refuseConnect } from "./connack.ts"
import { parseConnect, type Will } from "./connect.ts"
import { encodeDisconnect, parseDisconnect } from "./disconnect.ts"
import {
  CONNECT,
  DISCONNECT,
  FROM_CLIENT,
  PINGREQ,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBSCRIBE,
  typeSet,
  UNSUBACK,
  UNSUBSCRIBE,
  type Version,
} from "./packet-type.ts"
import type { PacketScan } from "./packet-scan.ts"
import { PROPERTY, WILL, withoutProperties } from "./properties.ts"
import { faultOf } from "./protocol-error.ts"
import { Reader, copyOf } from "./reader.ts"
import { CODE, RETURN_CODE } from "./reason-code.ts"
import { encodeSuback, parseSubscribe } from "./subscription-packets.ts"
import { WholePackets } from "./whole-packets.ts"
import { Writer } from "./writer.ts"

/** Messages of one client that may wait for the disk: what it is told as Receive Maximum, and where it is no longer read. */
export const MAX_STORING = 64

/** Why a message was not kept. */
export type StoreOutcome = "stored" | "full" | "failed"

/** What a stored message is, but for who sent it. */
export interface Storable {
  readonly version: Version
  readonly clientId: string
  /** The whole PUBLISH. */
  readonly packet: Uint8Array
}

/** What it asks of the shell around it. */
export interface BufferBrokerPort {
  reply(bytes: Uint8Array): void
  /** Keep it; `settled` is called once, later, in the order of the calls. */
  store(message: Storable, settled: (outcome: StoreOutcome) => void): void
  /** A message of QoS 0 was dropped. */
  dropped(): void
  /** End the connection after what was replied has gone out. */
  close(): void
  /** Room again for what had to wait. */
  readable(): void
  after(delayMs: number, action: () => void): () => void
}

/** One client's broker of necessity. */
export class BufferBroker {
  readonly #port: BufferBrokerPort
  readonly #packets: WholePackets
  readonly #scan: PacketScan
  #version: Version = 4
  #clientId = ""
  #will: Will | null = null
  #keepAliveMs = 0
  #cancelKeepAlive = (): void => undefined
  #closed = false
  #storing = 0
  /** QoS 2 identifiers: on their way to the disk, or acknowledged by PUBREC and not yet released. */
  readonly #receiving = new Map<number, "storing" | "received">()

  constructor(port: BufferBrokerPort, newScan: (accepted: number) => PacketScan) {
    this.#port = port
    this.#scan = newScan(typeSet(CONNECT))
    this.#packets = new WholePackets(this.#scan, (bytes, start, end, scan) => this.#packet(bytes, start, end, scan))
  }

  /** True while so much waits for the disk that no more is to be read. */
  get isFull(): boolean {
    return this.#storing >= MAX_STORING
  }

  feed(chunk: Uint8Array): void {
    if (this.#closed) return
    this.#watch()
    try {
      this.#packets.feed(chunk)
    } catch (error) {
      // The session lets nothing malformed through; what is larger than this end takes still may come.
      if (faultOf(error) === null) throw error
      this.#close()
    }
  }

  /**
   * The true broker can be had again: the client is sent away to come back to it, unless something of it is on its way to
   * the disk. Its will is not a message then: it comes back with one.
   */
  leave(): void {
    if (this.#closed || this.#storing > 0) return
    this.#will = null
    if (this.#version === 5) this.#port.reply(encodeDisconnect(CODE.administrativeAction, 5))
    this.#close()
  }

  /** The client is gone, or was cut off, without a word: its will is a message like any other. */
  ended(): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelKeepAlive()
    const will = this.#will
    if (will === null) return
    if (will.qos === 0) this.#port.dropped()
    else this.#port.store(this.#storable(encodeWill(will, this.#version)), () => undefined)
  }

  #packet(bytes: Uint8Array, start: number, end: number, scan: PacketScan): void {
    if (this.#closed) return
    const body = start + scan.headerLength
    switch (scan.type) {
      case CONNECT:
        return this.#connect(bytes, body, end)
      case PUBLISH:
        return this.#publish(bytes, start, end, scan)
      case PUBREL: {
        const id = acknowledgedId(parseAcknowledgement(PUBREL, bytes, body, end, this.#version))
        const known = this.#receiving.delete(id)
        return this.#answer(PUBCOMP, id, known ? CODE.success : CODE.packetIdentifierNotFound)
      }
      case SUBSCRIBE: {
        const { packetId, filters } = parseSubscribe(bytes, body, end, this.#version)
        const code = this.#version === 5 ? CODE.implementationSpecific : RETURN_CODE.subscribeFailure
        const codes = new Uint8Array(filters.length).fill(code)
        return this.#port.reply(encodeSuback({ packetId, properties: new Uint8Array(0), codes }, this.#version))
      }
      case UNSUBSCRIBE:
        return this.#unsubscribe(bytes, body, end)
      case PINGREQ:
        return this.#port.reply(Uint8Array.of(PINGRESP << 4, 0))
      case DISCONNECT: {
        const code = parseDisconnect(bytes, body, end, this.#version, "client")
        if (code !== CODE.disconnectWithWill) this.#will = null
        this.ended()
        return this.#port.close()
      }
    }
  }

  #connect(bytes: Uint8Array, body: number, end: number): void {
    const packet = parseConnect(bytes, body, end)
    this.#version = this.#scan.version = packet.version
    if (!packet.cleanStart) {
      const code = packet.version === 5 ? CODE.serverUnavailable : RETURN_CODE.serverUnavailable
      this.#port.reply(refuseConnect(code, packet.version))
      return this.#close()
    }
    this.#clientId = new TextDecoder().decode(packet.clientId)
    this.#will = packet.will === null ? null : keptWill(packet.will)
    this.#keepAliveMs = packet.keepAliveSeconds * 1500
    this.#scan.accepted = FROM_CLIENT
    this.#watch()
    this.#port.reply(encodeConnack({ sessionPresent: false, code: 0, properties: this.#terms() }, packet.version))
  }

  /** Its session ends with the connection, and it keeps to what the disk can follow. */
  #terms(): Uint8Array {
    if (this.#version === 4) return new Uint8Array(0)
    const { sessionExpiry, receiveMaximum } = PROPERTY
    return copyOf(new Writer().u8(sessionExpiry).u32(0).u8(receiveMaximum).u16(MAX_STORING).body())
  }

  #publish(bytes: Uint8Array, start: number, end: number, scan: PacketScan): void {
    const { qos, packetId } = scan
    if (qos === 0) return this.#port.dropped()
    const known = qos === 2 ? this.#receiving.get(packetId) : undefined
    if (known === "received") this.#answer(PUBREC, packetId, CODE.success)
    if (known !== undefined) return
    if (qos === 2) this.#receiving.set(packetId, "storing")
    this.#storing++
    this.#port.store(this.#storable(copyOf(bytes.subarray(start, end))), (outcome) => {
      const wasFull = this.isFull
      this.#storing--
      if (wasFull) this.#port.readable()
      this.#settled(outcome, qos, packetId)
    })
  }

  #settled(outcome: StoreOutcome, qos: number, packetId: number): void {
    if (qos === 2) {
      if (outcome === "stored") this.#receiving.set(packetId, "received")
      else this.#receiving.delete(packetId)
    }
    if (this.#closed) return
    if (outcome === "stored") return this.#answer(qos === 2 ? PUBREC : PUBACK, packetId, CODE.success)
    // 3.1.1 has no word for "not taken"; a client that hears nothing and is cut off still has its message.
    if (outcome === "failed" || this.#version === 4) return this.#close()
    this.#answer(qos === 2 ? PUBREC : PUBACK, packetId, CODE.quotaExceeded)
  }

  #unsubscribe(bytes: Uint8Array, body: number, end: number): void {
    const reader = new Reader(bytes, body, end)
    const writer = new Writer().u16(reader.packetId())
    if (this.#version === 5) {
      reader.propertyList()
      writer.propertyList(new Uint8Array(0))
      for (; reader.at < end; reader.binary()) writer.u8(CODE.noSubscriptionExisted)
    }
    this.#port.reply(writer.packet(UNSUBACK << 4))
  }

  #answer(type: number, id: number, code: number): void {
    this.#port.reply(encodeAcknowledgement(type, id, code, this.#version))
  }

  #storable(packet: Uint8Array): Storable {
    return { version: this.#version, clientId: this.#clientId, packet }
  }

  /** As a broker would: a client that is silent for one and a half times its keep-alive is gone. */
  #watch(): void {
    this.#cancelKeepAlive()
    if (this.#keepAliveMs === 0) return
    this.#cancelKeepAlive = this.#port.after(this.#keepAliveMs, () => {
      this.ended()
      this.#port.close()
    })
  }

  /** Without the will being taken back: as a broker that ends a connection. */
  #close(): void {
    this.ended()
    this.#port.close()
  }
}

function keptWill(will: Will): Will {
  const { topic, payload, properties } = will
  return { ...will, topic: copyOf(topic), payload: copyOf(payload), properties: copyOf(properties) }
}

/** The PUBLISH that a will becomes. Its delay is over: nobody could take it back any more. */
function encodeWill(will: Will, version: Version): Uint8Array {
  const writer = new Writer().binary(will.topic).u16(1)
  if (version === 5) writer.propertyList(withoutProperties(WILL, will.properties, [PROPERTY.willDelay]).body())
  return writer.raw(will.payload).packet((PUBLISH << 4) | (will.qos << 1) | (will.retain ? 1 : 0))
}
