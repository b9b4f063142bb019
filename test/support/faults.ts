import * as assert from "uvu/assert"
import type { Fault, Parsed } from "../../policy/language/fault.ts"
import { formatFault } from "../../policy/language/fault.ts"

/** Marks the place of a fault in a document of a test; taken out before the document is read. */
export const MARK = "¦"

/** A document without its marks, and the place of each. */
export function unmark(marked: string): { text: string; places: { line: number; column: number }[] } {
  const places: { line: number; column: number }[] = []
  let text = ""
  for (const part of marked.split(MARK)) {
    text += part
    const lines = text.split("\n")
    places.push({ line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 })
  }
  places.pop()
  return { text, places }
}

/** What one fault should be: its path, and words that its message and hint hold. */
export type Expected = readonly [path: string, message: string, hint?: string]

/** Asserts that reading `marked` gives exactly these faults, in order, each at its mark. */
export function faulty<T>(read: (text: string) => Parsed<T>, marked: string, expected: readonly Expected[]): void {
  const { text, places } = unmark(marked)
  assert.is(places.length, expected.length, "as many marks as faults")
  const parsed = read(text)
  const faults: readonly Fault[] = parsed.ok ? [] : parsed.faults
  const shown = faults.map(formatFault).join("\n")
  assert.is(faults.length, expected.length, `expected ${expected.length} faults:\n${shown}\n`)
  for (const [i, [path, message, hint]] of expected.entries()) {
    const fault = faults[i]!
    const at = { line: fault.line, column: fault.column, path: fault.path }
    assert.equal(at, { ...places[i]!, path }, `fault ${i}:\n${shown}\n`)
    assert.ok(fault.message.includes(message), `"${fault.message}" should hold "${message}"`)
    if (hint !== undefined) assert.ok(fault.hint?.includes(hint), `"${fault.hint}" should hold "${hint}"`)
  }
}

/** The value; fails with all faults if there is none. */
export function good<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) assert.unreachable(parsed.faults.map(formatFault).join("\n"))
  return (parsed as { value: T }).value
}
