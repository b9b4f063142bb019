import type { DocNode } from "./document.ts"
import type { Rate } from "./policy.ts"
import type { Shape } from "./shape.ts"
import { mismatch } from "./shape.ts"

function textOf(node: DocNode): string {
  return node.kind === "scalar" && typeof node.value === "string" && node.value.length <= 64 ? node.value : ""
}

const BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 * 1024 }

/** A number of bytes: `4KiB`, `1MiB`, `512B`, or a plain number. */
export function size(min: number, max: number): Shape<number> {
  const expected = `a size ${sizeText(min)}..${sizeText(max)}, such as 4KiB, 1MiB or a number of bytes`
  const pattern = /^[0-9]{1,10}(B|KiB|MiB)$/
  return {
    expected,
    read(node, path, report) {
      const written = textOf(node)
      const unit = pattern.exec(written)?.[1]
      const value =
        node.kind === "scalar" && typeof node.value === "number"
          ? node.value
          : unit === undefined
            ? NaN
            : parseInt(written, 10) * (BYTES[unit] ?? NaN)
      if (Number.isSafeInteger(value) && value >= min && value <= max) return value + 0
      const near = /^([0-9]{1,10}) ?([kKmM])?(?:i?[bB])?$/.exec(written)
      const hint = near?.[2] === undefined ? null : `write ${near[1] ?? ""}${near[2].toUpperCase()}iB`
      return mismatch(node, path, report, expected, unit === undefined ? hint : null)
    },
    schema: () => ({
      anyOf: [
        { type: "integer", minimum: min, maximum: max },
        { type: "string", pattern: pattern.source },
      ],
    }),
  }
}

/** `65536` as `64KiB`. */
export function sizeText(bytes: number): string {
  if (bytes >= 1024 * 1024 && bytes % (1024 * 1024) === 0) return `${bytes / 1024 / 1024}MiB`
  if (bytes >= 1024 && bytes % 1024 === 0) return `${bytes / 1024}KiB`
  return `${bytes}B`
}

/** A share: `80%`. */
export function percent(min: number, max: number): Shape<number> {
  const expected = `a share ${min}%..${max}%`
  const pattern = /^[0-9]{1,3}%$/
  return {
    expected,
    read(node, path, report) {
      const written = textOf(node)
      const value = pattern.test(written) ? parseInt(written, 10) : NaN
      if (value >= min && value <= max) return value
      const bare = node.kind === "scalar" && typeof node.value === "number" ? `write ${node.source}%` : null
      return mismatch(node, path, report, expected, bare)
    },
    schema: () => ({ type: "string", pattern: pattern.source }),
  }
}

const PER_SECOND: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600 }
const MAX_RATE = 1_000_000

/**
 * A rate: `100/s`, `6/min`, `1/h`, or with a burst: `100/s burst 500`. Without, the burst is what one second may bring,
 * at least 1.
 */
export function rate(): Shape<Rate> {
  const expected = `a rate such as 100/s, 6/min, 1/h or 100/s burst 500, each number 1..${MAX_RATE}`
  const pattern = /^([1-9][0-9]{0,6})\/(s|min|h)(?: burst ([1-9][0-9]{0,6}))?$/
  return {
    expected,
    read(node, path, report) {
      const written = textOf(node)
      const [, count, unit, burst] = pattern.exec(written) ?? []
      if (count === undefined || unit === undefined || Number(count) > MAX_RATE || Number(burst ?? 1) > MAX_RATE) {
        const near = /^([0-9]{1,7}) ?(?:\/|per) ?(s|m|h)/i.exec(written)
        const unitHint = near?.[2]?.toLowerCase() === "m" ? "min" : near?.[2]?.toLowerCase()
        const hint = near === null || pattern.test(written) ? null : `write ${near[1] ?? ""}/${unitHint ?? "s"}`
        return mismatch(node, path, report, expected, hint)
      }
      const perSecond = Number(count) / (PER_SECOND[unit] ?? 1)
      return { perSecond, burst: burst === undefined ? Math.max(1, Math.ceil(perSecond)) : Number(burst) }
    },
    schema: () => ({ type: "string", pattern: pattern.source }),
  }
}

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }

/** A time span in milliseconds: `500ms`, `10s`, `5min`, `24h`. */
export function duration(minMs: number, maxMs: number): Shape<number> {
  const expected = `a time ${durationText(minMs)}..${durationText(maxMs)}, such as 500ms, 10s, 5min or 2h`
  const pattern = /^[0-9]{1,9}(ms|s|min|h)$/
  return {
    expected,
    read(node, path, report) {
      const written = textOf(node)
      const unit = pattern.exec(written)?.[1] ?? ""
      const value = parseInt(written, 10) * (MILLISECONDS[unit] ?? NaN)
      if (value >= minMs && value <= maxMs) return value
      const bare = node.kind === "scalar" && typeof node.value === "number" ? "name the unit: ms, s, min or h" : null
      return mismatch(node, path, report, expected, bare)
    },
    schema: () => ({ type: "string", pattern: pattern.source }),
  }
}

/** `300000` as `5min`. */
export function durationText(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}min`
  if (ms >= 1000 && ms % 1000 === 0) return `${ms / 1000}s`
  return `${ms}ms`
}
