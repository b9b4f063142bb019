import type { ModbusRequest } from "./modbus-request.ts"

/** Who a change is about: a conduit, and the roles that a peer on it has by either policy; null if it is nobody there. */
export interface ChangedClass {
  readonly conduit: string
  readonly before: readonly string[] | null
  readonly after: readonly string[] | null
}

/** One thing that a policy changes against another. */
export interface Change {
  /**
   * `allowed`, `denied`: what was not, or is no more. `terms`: allowed by both, on other terms. `place`: zones, conduits,
   * roles, subjects. `unknown`: too much to compare; what differs in the text of the rules is told instead.
   */
  readonly kind: "allowed" | "denied" | "terms" | "place" | "unknown"
  /** One line for a person. */
  readonly text: string
  /** Those that it is about; empty for a place. */
  readonly classes: readonly ChangedClass[]
  /** `publish`, `receive`, `subscribe`, `share:<group>`, `modbus`; null for a place. */
  readonly action: string | null
  /** One topic (with the name of who uses it, null if any) or one request that the change is about. */
  readonly example:
    | { readonly topic: string; readonly name: string | null; readonly clientId: string | null }
    | { readonly request: ModbusRequest }
    | null
  /** Ids of the rules that decide it. */
  readonly before: readonly string[]
  readonly after: readonly string[]
}

const SIGN: Readonly<Record<Change["kind"], string>> = {
  allowed: "+",
  denied: "-",
  terms: "~",
  place: "*",
  unknown: "?",
}

/** A change in lines: what, for whom, an example, by which rules. */
export function changeLines(change: Change): readonly string[] {
  const lines = [`${SIGN[change.kind]} ${change.text}`]
  if (change.classes.length > 0) lines.push(`    for       ${change.classes.map(classText).join("; ")}`)
  const { example } = change
  if (example !== null && "topic" in example) {
    const name = example.name === null ? "" : ` by ${example.name}`
    const client =
      example.clientId === null || example.clientId === example.name ? "" : ` as client ${example.clientId}`
    lines.push(`    example   ${example.topic}${name}${client}`)
  }
  if (change.before.length > 0 || change.after.length > 0) {
    lines.push(`    rules     ${ruleList(change.before)} -> ${ruleList(change.after)}`)
  }
  return lines
}

function ruleList(ids: readonly string[]): string {
  return ids.length === 0 ? "none" : ids.length > 4 ? `${ids.slice(0, 4).join(", ")}, ...` : ids.join(", ")
}

/** `sensor on telemetry`; `pump, so far sensor+pump, on telemetry` where the roles change as well. */
export function classText({ conduit, before, after }: ChangedClass): string {
  const [old, now] = [before, after].map((roles) => (roles === null ? "nobody" : roles.join("+") || "no role"))
  return old === now ? `${now ?? ""} on ${conduit}` : `${now ?? ""}, so far ${old ?? ""}, on ${conduit}`
}
