import type { Fault } from "./fault.ts"
import { quote } from "./characters.ts"

/** So many faults of one document are listed; the rest is counted. */
export const MAX_FAULTS = 100

/**
 * Collects the faults of one document, and knows its lines.
 *
 * Offsets are UTF-16 indices into `text`, which is the document without a leading byte order mark. Lines end at LF;
 * columns count UTF-16 units from 1, as most editors do.
 */
export class Report {
  readonly file: string
  readonly text: string
  readonly #faults: Fault[] = []
  #dropped = 0
  #lineStarts: number[] | null = null

  constructor(file: string, text: string) {
    this.file = file
    this.text = text.startsWith("\ufeff") ? text.slice(1) : text
  }

  /** Add one fault. Beyond `MAX_FAULTS` it is only counted. */
  add(offset: number, path: string, message: string, hint: string | null = null): void {
    if (this.full) {
      this.#dropped++
      return
    }
    this.#faults.push({ file: this.file, ...this.position(offset), path, message, hint })
  }

  /** No further fault will be listed: a reader may stop. */
  get full(): boolean {
    return this.#faults.length >= MAX_FAULTS
  }

  /** Nothing wrong so far. */
  get clean(): boolean {
    return this.#faults.length === 0
  }

  /** Line and column of an offset, both 1-based. */
  position(offset: number): { readonly line: number; readonly column: number } {
    this.#lineStarts ??= lineStarts(this.text)
    const starts = this.#lineStarts
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? Infinity) <= offset) low = middle
      else high = middle
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
  }

  /** The faults in the order of the document; at least one is there when this is called. */
  failure(): { readonly ok: false; readonly faults: readonly Fault[] } {
    const faults = this.#faults.toSorted((a, b) => a.line - b.line || a.column - b.column)
    const last = faults.at(-1)
    if (this.#dropped > 0 && last !== undefined) {
      faults.push({ ...last, path: "", message: `${this.#dropped} further faults are not listed`, hint: null })
    }
    return { ok: false, faults }
  }
}

function lineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  return starts
}

/** `path` of a member: `zones.field`, or `zones["a.b"]` when the key would be unclear. */
export function memberPath(path: string, key: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(key)) return `${path}[${quote(key)}]`
  return path === "" ? key : `${path}.${key}`
}

/** `path` of an item, 0-based: `rules[3]`. */
export function itemPath(path: string, index: number): string {
  return `${path}[${index}]`
}
