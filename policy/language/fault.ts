/** One thing wrong in a document that a person wrote. All faults of a document are reported at once. */
export interface Fault {
  /** As the caller named it, e.g. `gateway.yaml`. */
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** 1-based. */
  readonly column: number
  /** Where in the document, e.g. `rules[3].topics[0]`; empty for the document itself. */
  readonly path: string
  /** What was expected and what stands there, in one sentence. */
  readonly message: string
  /** A suggestion, when there is a likely one (`did you mean "publish"?`). */
  readonly hint: string | null
}

/** A document read whole: its value, or every fault in it. */
export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly faults: readonly Fault[] }

/** One line for a person: `file:line:column path: message (hint)`. */
export function formatFault(fault: Fault): string {
  const path = fault.path === "" ? "" : ` ${fault.path}:`
  const hint = fault.hint === null ? "" : ` (${fault.hint})`
  return `${fault.file}:${fault.line}:${fault.column}:${path} ${fault.message}${hint}`
}
