import { PUBLISH, requiredFlags, type Version } from "./packet-type.ts"
import { PROPERTY, type PropertyVisitor, walkProperties } from "./properties.ts"
import { mqttError } from "./protocol-error.ts"
import { checkTopicName } from "./text.ts"
import {
  decodeVariableInteger,
  measureVariableInteger,
  readVariableInteger,
  variableIntegerSize,
} from "./variable-integer.ts"

/** What a peer's packets may measure; see `Limits` of the board file. */
export interface PacketBounds {
  readonly maxPacketBytes: number
  readonly maxControlBytes: number
}

/**
 * Finds where a packet ends and how much of it must be in hand before it can be decided, from as many bytes as there
 * are. One is kept per direction and its fields are overwritten by each `read`, so that scanning allocates nothing.
 *
 *     PUBLISH  +-------+-----------+-------+-----+------------+---------+
 *              | first | remaining | topic | id  | properties | payload |
 *              |       | length    |       | QoS | (5)        |         |
 *              +-------+-----------+-------+-----+------------+---------+
 *              |<------------- controlLength --------------->|
 *              |<-------------------- length ------------------------->|
 *     others   controlLength = length: they are decided whole
 *
 * Every check is made as soon as its bytes are there and in the order of the bytes: how a stream was cut into chunks
 * never changes what is found wrong with it. No byte at or beyond `end` is read.
 */
export class PacketScan implements PropertyVisitor {
  /** Packet types that may come now, as a `typeSet`. */
  accepted: number
  version: Version = 4
  /** Largest packet that the receiver has said it takes; its peer was told, so more is the peer's fault. */
  receiverMaxBytes = Infinity
  /** Packet type, 1..15, and the low nibble beside it. */
  type = 0
  flags = 0
  /** True if the remaining length is longer than it must be; refused in MQTT 5. */
  padded = false
  headerLength = 0
  length = 0
  controlLength = 0
  /** Of a PUBLISH: offsets of the topic in the bytes given to `read`, packet identifier or 0, topic alias. */
  topicStart = 0
  topicEnd = 0
  packetId = 0
  /** -1 if the packet has none, for 0 is an alias that a peer may send and must not. */
  topicAlias = -1

  readonly #bounds: PacketBounds
  readonly #fromClient: boolean

  constructor(accepted: number, fromClient: boolean, bounds: PacketBounds) {
    this.accepted = accepted
    this.#fromClient = fromClient
    this.#bounds = bounds
  }

  /** Bytes of a PUBLISH behind its control part. */
  get payloadBytes(): number {
    return this.length - this.controlLength
  }

  get qos(): number {
    return (this.flags >> 1) & 3
  }

  /**
   * Scan the packet that starts at `start`, of which at least one byte is in hand. Returns 0 when its control part is in
   * hand and all fields are set; else how many bytes from `start` on are needed to get further, always more than there are.
   *
   * @throws ERR_MQTT_PACKET_TYPE, ERR_MQTT_PACKET_FLAGS, ERR_MQTT_LENGTH, ERR_MQTT_PACKET_TOO_LARGE; for a PUBLISH also the
   *   codes of its variable header.
   */
  read(bytes: Uint8Array, start: number, end: number): number {
    const first = bytes[start] as number
    this.type = first >> 4
    this.flags = first & 15
    if (((this.accepted >> this.type) & 1) === 0) {
      throw mqttError("ERR_MQTT_PACKET_TYPE", "a packet of this type must not come now", { type: this.type })
    }
    if (this.type === PUBLISH) this.#checkPublishFlags()
    else if (this.flags !== requiredFlags(this.type)) {
      throw mqttError("ERR_MQTT_PACKET_FLAGS", "reserved flags of a packet are wrong", { type: this.type })
    }

    const size = measureVariableInteger(bytes, start + 1, end)
    if (size === 0) return end - start + 1
    const remaining = decodeVariableInteger(bytes, start + 1, size)
    this.padded = size !== variableIntegerSize(remaining)
    if (this.padded && this.version === 5) throw mqttError("ERR_MQTT_LENGTH", "a remaining length is padded")
    this.headerLength = 1 + size
    this.length = this.headerLength + remaining
    this.#bound(this.length, this.receiverMaxBytes)
    if (this.type === PUBLISH) return this.#readPublish(bytes, start, end)

    this.#bound(this.length, this.#bounds.maxControlBytes)
    this.controlLength = this.length
    return end - start < this.length ? this.length : 0
  }

  /** The topic alias among the properties of a PUBLISH; told by `walkProperties`. */
  property(id: number, value: number): void {
    if (id === PROPERTY.topicAlias) this.topicAlias = value
    else if (id === PROPERTY.subscriptionIdentifier && this.#fromClient) {
      // Section 3.3.4 (MQTT-3.3.4-6): it says why a message is delivered, so only a broker has one to say.
      throw mqttError("ERR_MQTT_PROPERTY", "a client's PUBLISH bears a subscription identifier")
    }
  }

  #checkPublishFlags(): void {
    if (this.qos === 3) throw mqttError("ERR_MQTT_QOS", "a PUBLISH has QoS 3")
    if (this.qos === 0 && (this.flags & 8) !== 0) throw mqttError("ERR_MQTT_DUP", "a PUBLISH of QoS 0 is marked DUP")
  }

  #readPublish(bytes: Uint8Array, start: number, end: number): number {
    this.#bound(this.length, this.#bounds.maxPacketBytes)
    const have = end - start
    const idBytes = this.qos === 0 ? 0 : 2
    const topicStart = start + this.headerLength + 2
    this.#inside(this.headerLength + 2)
    if (have < this.headerLength + 2) return this.headerLength + 2

    const topicLength = ((bytes[topicStart - 2] as number) << 8) | (bytes[topicStart - 1] as number)
    let control = this.headerLength + 2 + topicLength + idBytes
    let propertiesLength = 0
    if (this.version === 5) {
      this.#inside(control + 1)
      this.#bound(control + 1, this.#bounds.maxControlBytes)
      if (have < control + 1) return control + 1
      const size = measureVariableInteger(bytes, start + control, Math.min(end, start + this.length))
      if (size === 0) {
        this.#inside(have + 1)
        return have + 1
      }
      propertiesLength = readVariableInteger(bytes, start + control, start + control + size)
      control += size + propertiesLength
    }
    this.#inside(control)
    this.#bound(control, this.#bounds.maxControlBytes)
    if (have < control) return control

    this.controlLength = control
    this.topicStart = topicStart
    this.topicEnd = topicStart + topicLength
    this.packetId = 0
    if (idBytes === 2) {
      this.packetId = ((bytes[this.topicEnd] as number) << 8) | (bytes[this.topicEnd + 1] as number)
      if (this.packetId === 0) throw mqttError("ERR_MQTT_PACKET_ID", "a packet identifier is zero")
    }
    this.topicAlias = -1
    if (propertiesLength > 0) {
      walkProperties(PUBLISH, bytes, start + control - propertiesLength, start + control, this)
    }
    // An empty topic stands for an alias (MQTT 5.0 section 3.3.2.3.4).
    if (topicLength > 0 || this.topicAlias < 0) checkTopicName(bytes, this.topicStart, this.topicEnd)
    return 0
  }

  #inside(needed: number): void {
    if (needed > this.length) throw mqttError("ERR_MQTT_TRUNCATED", "a PUBLISH is shorter than its fields")
  }

  #bound(size: number, max: number): void {
    if (size > max) {
      throw mqttError("ERR_MQTT_PACKET_TOO_LARGE", "a packet is larger than this gateway takes", { size, max })
    }
  }
}
