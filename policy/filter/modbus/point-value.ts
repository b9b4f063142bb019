import type { Point } from "../../language/modbus-rule.ts"

/** The value that register words make by the point's type and word order. 64-bit whole numbers are exact. */
export function pointValue({ type, words: order }: Point, registers: readonly number[]): number | bigint {
  const words = order === "high-first" ? registers : registers.toReversed()
  const view = new DataView(new ArrayBuffer(words.length * 2))
  words.forEach((word, k) => view.setUint16(k * 2, word))
  switch (type) {
    case "uint16":
      return view.getUint16(0)
    case "int16":
      return view.getInt16(0)
    case "uint32":
      return view.getUint32(0)
    case "int32":
      return view.getInt32(0)
    case "float32":
      return view.getFloat32(0)
    case "uint64":
      return view.getBigUint64(0)
    case "int64":
      return view.getBigInt64(0)
    case "float64":
      return view.getFloat64(0)
  }
}
