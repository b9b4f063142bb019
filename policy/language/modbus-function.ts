import type { ModbusFunction } from "./modbus-rule.ts"

/** Functions that only read, whatever their data. */
const READING: ReadonlySet<number> = new Set([1, 2, 3, 4, 7, 11, 12, 17, 20, 24])
/** Sub-functions that only read: counters, the diagnostic register; a device's identification. An echo carries the asker's data. */
const READING_SUBS: Readonly<Record<number, ReadonlySet<number>>> = {
  8: new Set([2, 11, 12, 13, 14, 15, 16, 17, 18]),
  43: new Set([14]),
}

/**
 * Whether a request of this function may change something in a unit or carry data to it. A code of which nothing is known
 * may. The filter holds the same of single requests: `policy/filter/modbus/functions.ts`.
 *
 * @see MODBUS Application Protocol 1.1b3 section 6
 */
export function mayWrite({ code, sub }: ModbusFunction): boolean {
  const subs = READING_SUBS[code]
  if (subs === undefined) return !READING.has(code)
  return sub?.every((one) => subs.has(one)) !== true
}
