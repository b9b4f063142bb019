/**
 * How far an export came, in a file beside it: `{ "format": 1, "gateway": "gw-7", "next": 1234, "last": "<hash, hex>" }`.
 *
 * `last` is the hash of entry `next - 1`, so that a log that was rewound, or that of another gateway, is not taken for one that has
 * nothing new.
 */
import { InputError } from "../../base/errors.ts"

/** Everything before `next` was exported. */
export interface ExportCursor {
  readonly gateway: string
  readonly next: number
  /** Leaf hash of entry `next - 1`, hex; null at the start of a log. */
  readonly last: string | null
}

/** The file's text, with a line end. */
export function encodeCursor({ gateway, next, last }: ExportCursor): string {
  return `${JSON.stringify({ format: 1, gateway, next, last })}\n`
}

/** @throws InputError `ERR_CURSOR` */
export function parseCursor(text: string): ExportCursor {
  const wrong = new InputError("ERR_CURSOR", "the cursor file is damaged; remove it to export everything again")
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    throw wrong
  }
  if (typeof found !== "object" || found === null) throw wrong
  const { format, gateway, next, last } = found as Readonly<Record<string, unknown>>
  const isCount = typeof next === "number" && Number.isSafeInteger(next) && next >= 0
  const isHash = last === null ? next === 0 : typeof last === "string" && /^[0-9a-f]{64}$/.test(last)
  if (format !== 1 || typeof gateway !== "string" || !isCount || !isHash) throw wrong
  return { gateway, next, last: last as string | null }
}
