import { InvariantError } from "../../../../policy/base/errors.ts"
import { crc16 } from "./crc.ts"

/** Function and data of one request or answer. */
export const MAX_PDU_BYTES = 253
/** Unit, those, and the checksum. */
export const MAX_FRAME_BYTES = MAX_PDU_BYTES + 3
/** An exception: unit, function, code, checksum. */
export const MIN_FRAME_BYTES = 5

/**
 * A frame as it goes onto the line.
 *
 *      +------+-----+---- - - ----+---------+----------+
 *      | unit | fn  | data        | CRC low | CRC high |
 *      | 1    | 1   | 0..252      | 1       | 1        |
 *      +------+-----+---- - - ----+---------+----------+
 *
 * @throws InvariantError `ERR_RTU_FRAME` if unit or length cannot be: it was checked before it came here
 * @see MODBUS over Serial Line 1.02 section 2.5.1
 */
export function encodeFrame(unit: number, pdu: Uint8Array): Uint8Array {
  if (!(unit >= 0 && unit <= 255) || pdu.length < 1 || pdu.length > MAX_PDU_BYTES) {
    throw new InvariantError("ERR_RTU_FRAME", "not a Modbus request", { detail: { unit, bytes: pdu.length } })
  }
  const frame = new Uint8Array(pdu.length + 3)
  frame[0] = unit
  frame.set(pdu, 1)
  const crc = crc16(frame, 0, pdu.length + 1)
  frame[pdu.length + 1] = crc & 0xff
  frame[pdu.length + 2] = crc >> 8
  return frame
}
