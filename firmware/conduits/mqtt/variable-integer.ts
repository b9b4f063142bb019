import { mqttError } from "./protocol-error.ts"

/** The largest value that four bytes hold, and thereby the longest "remaining length". */
export const MAX_VARIABLE_INTEGER = 268_435_455

/** Bytes that the shortest form of `value` (0..MAX_VARIABLE_INTEGER) takes. */
export function variableIntegerSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4
}

/** Write `value` in its shortest form; returns the offset behind it. */
export function writeVariableInteger(bytes: Uint8Array, at: number, value: number): number {
  let rest = value
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

/**
 * How many bytes (1..4) the integer at `at` takes, or 0 if `end` cuts it off.
 *
 * @throws ERR_MQTT_LENGTH if a fourth byte announces a fifth.
 * @see MQTT 5.0 section 1.5.5, MQTT 3.1.1 section 2.2.3
 */
export function measureVariableInteger(bytes: Uint8Array, at: number, end: number): number {
  for (let count = 1; count <= 4; count++) {
    if (at + count > end) return 0
    if ((bytes[at + count - 1] as number) < 0x80) return count
  }
  throw mqttError("ERR_MQTT_LENGTH", "a variable byte integer is longer than four bytes")
}

/** The value of the `count` bytes that `measureVariableInteger` found at `at`. */
export function decodeVariableInteger(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let i = count - 1; i >= 0; i--) value = (value << 7) | ((bytes[at + i] as number) & 0x7f)
  return value
}

/**
 * The integer at `at`, which must be whole before `end` and in its shortest form; the caller goes on at
 * `at + variableIntegerSize(value)`.
 *
 * @throws ERR_MQTT_TRUNCATED, ERR_MQTT_LENGTH
 * @see MQTT 5.0 section 1.5.5 (MQTT-1.5.5-1)
 */
export function readVariableInteger(bytes: Uint8Array, at: number, end: number): number {
  const count = measureVariableInteger(bytes, at, end)
  if (count === 0) throw mqttError("ERR_MQTT_TRUNCATED", "a variable byte integer runs past its packet")
  const value = decodeVariableInteger(bytes, at, count)
  if (count !== variableIntegerSize(value)) throw mqttError("ERR_MQTT_LENGTH", "a variable byte integer is padded")
  return value
}
