import { MODBUS_FUNCTIONS } from "../../language/modbus-rule.ts"

/** What a function's addresses count, or what it is told apart by; functions with the same can share intervals. */
export type Space =
  "none" | "coils" | "discreteInputs" | "registers" | "inputRegisters" | "fifos" | "files" | "diagnostics" | "mei"

const SPACES: Readonly<Record<number, Space>> = {
  1: "coils",
  2: "discreteInputs",
  3: "registers",
  4: "inputRegisters",
  5: "coils",
  6: "registers",
  8: "diagnostics",
  15: "coils",
  16: "registers",
  20: "files",
  21: "files",
  22: "registers",
  23: "registers",
  24: "fifos",
  43: "mei",
}

/** The space of a function code; `none` for a function without addresses and one that the standard does not define. */
export function spaceOf(code: number): Space {
  return SPACES[code] ?? "none"
}

/** Only brings data from the unit; changes nothing there. */
export const READS = 1
/** Only takes data to the unit: the answer holds nothing but what was sent. What may be broadcast. */
export const WRITES = 2
/** Not in the standard: nobody knows. */
export const OPAQUE = 4

const KINDS = new Uint8Array(256)
KINDS.fill(OPAQUE, 1, 128)
for (const code of Object.values(MODBUS_FUNCTIONS)) KINDS[code] = 0
for (const code of [1, 2, 3, 4, 7, 11, 12, 17, 20, 24]) KINDS[code] = READS
for (const code of [5, 6, 15, 16, 21, 22]) KINDS[code] = WRITES

/**
 * `READS`, `WRITES`, `OPAQUE`, or 0 for what does both or neither. `sub` counts for functions 8 and 43 only.
 *
 * Of the diagnostics those read that return a register or a counter (2, 11..18). Sub-function 0 is none of them: it
 * carries data of the asker's choosing. Of the encapsulated ones only 14 (device identification) reads.
 */
export function kindOf(code: number, sub: number): number {
  if (code === 8) return sub === 2 || (sub >= 11 && sub <= 18) ? READS : 0
  if (code === 43) return sub === 14 ? READS : 0
  return KINDS[code] ?? 0
}

/** Whether unit 0 may be asked this on a serial line: what only writes, and what nobody knows. */
export function isBroadcast(code: number): boolean {
  return ((KINDS[code] ?? 0) & (WRITES | OPAQUE)) !== 0
}

/** Whether unit 0, if it is everybody, could do with this what a deny keeps from another unit: all but what only reads. */
export function reachesAll(code: number): boolean {
  return code !== 43 && ((KINDS[code] ?? 0) & READS) === 0
}
