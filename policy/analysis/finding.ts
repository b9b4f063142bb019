/** How much a finding matters. `error`: surely not what was meant. `warning`: a hole or a dead rule. `note`: to be known. */
export type Severity = "error" | "warning" | "note"

/** Where in the policy: what kind of thing, and its id or name. */
export interface Place {
  readonly kind: "policy" | "zone" | "role" | "subject" | "conduit" | "rule"
  readonly id: string
}

/** One thing in a faultless policy that its author should look at. */
export interface Finding {
  readonly severity: Severity
  /** Stable word for the kind of finding, for machines and tests. */
  readonly code: string
  readonly place: Place
  /** One sentence: what is so. */
  readonly message: string
  /** One sentence: what to do. */
  readonly advice: string
}

/** One line for a person: `warning  rule report: ... -> ...`. */
export function formatFinding({ severity, place, message, advice }: Finding): string {
  return `${severity.padEnd(7)}  ${placeText(place)}: ${message} -> ${advice}`
}

/** `rule report`; the policy as a whole is only `policy`. */
export function placeText({ kind, id }: Place): string {
  return kind === "policy" ? "policy" : `${kind} ${id}`
}
