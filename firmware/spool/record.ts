import { IntegrityError } from "../../policy/base/errors.ts"

/** A message that was acknowledged to its sender and waits for the broker. */
export interface SpoolRecord {
  /** MQTT version that its sender spoke. */
  readonly version: 4 | 5
  readonly clientId: string
  /** What of the sender's certificate can name it: who it is, is asked anew when the message goes on. */
  readonly names: SenderNames
  /** The gateway's wall clock when it was taken, Unix milliseconds. */
  readonly storedAt: number
  /** The whole PUBLISH, without topic alias. */
  readonly packet: Uint8Array
}

/** What names a sender. */
export interface SenderNames {
  readonly sanUri: readonly string[]
  readonly sanDns: readonly string[]
  readonly commonName: string | null
  /** Of a sender in clear text, which has no certificate; else null. */
  readonly address: string | null
}

const FORMAT = 1
const HEAD_BYTES = 4

/**
 * The record as bytes, to be encrypted.
 *
 *     +-------------------+-------------+--------+
 *     | length of the head| head (JSON) | packet |
 *     | 4 bytes           |             |        |
 *     +-------------------+-------------+--------+
 */
export function encodeRecord(record: SpoolRecord): Uint8Array {
  const { packet, ...facts } = record
  const head = new TextEncoder().encode(JSON.stringify({ format: FORMAT, ...facts }))
  const bytes = new Uint8Array(HEAD_BYTES + head.length + packet.length)
  new DataView(bytes.buffer).setUint32(0, head.length)
  bytes.set(head, HEAD_BYTES)
  bytes.set(packet, HEAD_BYTES + head.length)
  return bytes
}

/** The inverse of `encodeRecord`. @throws IntegrityError `ERR_SPOOL_RECORD` */
export function decodeRecord(bytes: Uint8Array): SpoolRecord {
  const fail = (cause?: unknown): IntegrityError =>
    new IntegrityError("ERR_SPOOL_RECORD", "a stored message is not one", { cause })
  if (bytes.length < HEAD_BYTES) throw fail()
  const packetAt = HEAD_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (packetAt > bytes.length) throw fail()
  let head: unknown
  try {
    head = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(HEAD_BYTES, packetAt)))
  } catch (cause) {
    throw fail(cause)
  }
  const facts = factsOf(head)
  if (facts === null) throw fail()
  return { ...facts, packet: bytes.slice(packetAt) }
}

function factsOf(head: unknown): Omit<SpoolRecord, "packet"> | null {
  if (!isMap(head) || head["format"] !== FORMAT || !isMap(head["names"])) return null
  const { version, clientId, storedAt } = head
  const { sanUri, sanDns, commonName, address } = head["names"]
  if ((version !== 4 && version !== 5) || typeof clientId !== "string" || typeof storedAt !== "number") return null
  if (!areTexts(sanUri) || !areTexts(sanDns) || !isTextOrNull(commonName) || !isTextOrNull(address)) return null
  return { version, clientId, storedAt, names: { sanUri, sanDns, commonName, address } }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string"
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string")
}
