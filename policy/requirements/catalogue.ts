import rows from "./catalogue.json" with { type: "json" }
import type { Control } from "./control.ts"

/** One requirement of IEC 62443-4-2 in our own words. */
export interface Requirement {
  readonly id: string
  readonly title: string
  readonly statement: string
  /** Component types the row is for: `software`, `embedded`, `host`, `network`. */
  readonly types: readonly string[]
  /** Lowest security level that asks for it, 1..4. */
  readonly minLevel: number
}

/** All 122 rows: CR, EDR, NDR, HDR and SAR with their enhancements, in the standard's order. */
export function catalogue(): readonly Requirement[] {
  return rows.map((row) => ({
    id: row.id,
    title: row.title,
    statement: row.statement,
    types: row.type,
    minLevel: row.min_sl,
  }))
}

/** Faults in a list of controls: ids that the catalogue does not know, rows claimed without any probe, unknown probes. */
export function controlFaults(controls: readonly Control[], probeIds: ReadonlySet<string>): readonly string[] {
  const known = new Set(rows.map((row) => row.id))
  return controls.flatMap((control) => [
    ...(known.has(control.requirement) ? [] : [`${control.requirement} is not in the catalogue`]),
    ...(control.probes.length > 0 ? [] : [`${control.requirement} is claimed without a probe`]),
    ...control.probes
      .filter((id) => !probeIds.has(id))
      .map((id) => `${control.requirement} names probe ${id}, which does not exist`),
  ])
}
