import type { Range } from "./modbus-rule.ts"
import type { Shape } from "./shape.ts"
import { FAULTY, mismatch } from "./shape.ts"
import { oneOrMore } from "./group-shapes.ts"

/** One number, or two with a `-` between: `7` or `100-199`, both ends inclusive. */
function range(min: number, max: number): Shape<Range> {
  const expected = `a number ${min}..${max}, or a range such as ${min}-${Math.min(max, min + 9)}`
  const pattern = /^[0-9]{1,5} ?- ?[0-9]{1,5}$/
  return {
    expected,
    read(node, path, report) {
      const value = node.kind === "scalar" ? node.value : null
      const isRange = typeof value === "string" && pattern.test(value)
      const [from = NaN, to = from] = isRange ? value.split("-").map(Number) : typeof value === "number" ? [value] : []
      if (from > to) {
        report.add(node.at, path, `the range ends before it begins: ${from}-${to}`, `write ${to}-${from}`)
        return FAULTY
      }
      if (Number.isInteger(from) && from >= min && to <= max) return { from: from + 0, to: to + 0 }
      const unquoted = typeof value === "string" && /^[0-9]+$/.test(value) ? "write it without quotes" : null
      return mismatch(node, path, report, expected, unquoted)
    },
    schema: () => ({
      anyOf: [
        { type: "integer", minimum: min, maximum: max },
        { type: "string", pattern: pattern.source },
      ],
    }),
  }
}

/** One range or a list of them, in the order of the document: see `mergeRanges`. */
export function ranges(min: number, max: number, count: number): Shape<readonly Range[]> {
  return oneOrMore(range(min, max), count)
}

/** The same numbers in ranges that are sorted, disjoint and do not touch. */
export function mergeRanges(list: readonly Range[]): Range[] {
  const merged: Range[] = []
  for (const { from, to } of list.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last === undefined || from > last.to + 1) merged.push({ from, to })
    else if (to > last.to) merged[merged.length - 1] = { from: last.from, to }
  }
  return merged
}
