/** MQTT packets byte by byte, right or wrong: for tests that must say what no encoder will write. */

/** Bytes of a text or of numbers. */
export type Raw = string | readonly number[] | Uint8Array

export const raw = (part: Raw): Uint8Array => (typeof part === "string" ? Buffer.from(part) : Uint8Array.from(part))
export const join = (...parts: readonly Raw[]): Uint8Array => new Uint8Array(Buffer.concat(parts.map(raw)))
export const u16 = (value: number): readonly number[] => [(value >> 8) & 255, value & 255]
/** Two bytes of length, then the text. */
export const text = (value: Raw): Uint8Array => join(u16(raw(value).length), value)

/** A variable byte integer, of any size: longer than four bytes if the value wants it. */
export function variable(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...variable(Math.floor(value / 128))]
}

/** Fixed header with the true remaining length, and the parts. */
export function packet(first: number, ...parts: readonly Raw[]): Uint8Array {
  const body = join(...parts)
  return join([first], variable(body.length), body)
}

/** What a CONNECT says beside its version; whatever is asked for is encoded, sound or not. */
export interface ConnectBytes {
  readonly id?: Raw
  readonly level?: number
  readonly protocol?: string
  readonly clean?: boolean
  readonly will?: { readonly topic: Raw; readonly payload: Raw; readonly retain?: boolean; readonly qos?: number }
  readonly user?: string
  readonly password?: string
  /** Encoded properties; those of version 5 have none by default. */
  readonly properties?: Raw
}

/** A CONNECT, byte for byte as asked for. */
export function connect(version: number, given: ConnectBytes = {}): Uint8Array {
  const { id = "", level = version, protocol = "MQTT", clean = true, will, user, password, properties = [] } = given
  const flags =
    (clean ? 2 : 0) |
    (will === undefined ? 0 : 4 | ((will.qos ?? 0) << 3) | (will.retain === true ? 32 : 0)) |
    (password === undefined ? 0 : 64) |
    (user === undefined ? 0 : 128)
  const parts: Raw[] = [text(protocol), [level, flags], u16(0)]
  if (version === 5) parts.push(variable(raw(properties).length), properties)
  parts.push(text(id))
  if (will !== undefined) parts.push(version === 5 ? [0] : [], text(will.topic), text(will.payload))
  if (user !== undefined) parts.push(text(user))
  if (password !== undefined) parts.push(text(password))
  return packet(0x10, ...parts)
}

/** What a PUBLISH says beside topic and payload. */
export interface PublishBytes {
  readonly qos?: number
  readonly dup?: boolean
  readonly retain?: boolean
  readonly packetId?: number
  readonly properties?: Raw
}

/** A PUBLISH, byte for byte as asked for: QoS 3 and a missing packet id too. */
export function publish(version: number, topic: Raw, payload: Raw, given: PublishBytes = {}): Uint8Array {
  const { qos = 0, dup = false, retain = false, packetId, properties = [] } = given
  const parts: Raw[] = [text(topic)]
  if (packetId !== undefined) parts.push(u16(packetId))
  if (version === 5) parts.push(variable(raw(properties).length), properties)
  return packet(0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0), ...parts, payload)
}

/** A SUBSCRIBE to `filters`, each with QoS 1. */
export function subscribe(version: number, packetId: number, ...filters: readonly Raw[]): Uint8Array {
  const properties: Raw = version === 5 ? [0] : []
  return packet(0x82, u16(packetId), properties, ...filters.flatMap((filter): Raw[] => [text(filter), [1]]))
}

export const alias = (value: number): readonly number[] => [0x23, ...u16(value)]
export const pubrel = (packetId: number): Uint8Array => packet(0x62, u16(packetId))
export const PING: Uint8Array = Uint8Array.of(0xc0, 0)
export const DISCONNECT: Uint8Array = Uint8Array.of(0xe0, 0)
