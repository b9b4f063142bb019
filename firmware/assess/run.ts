import { catalogue } from "../../policy/requirements/catalogue.ts"
import type { Control, ProbeResult } from "../../policy/requirements/control.ts"
import type { GatewayProbe, ProbeContext } from "./probe-context.ts"

/** Longest that one probe may take before it counts as failed. */
const PROBE_TIMEOUT_MS = 10_000

/** One row of the answer. Nothing is `met` but by probes that ran and passed. */
export interface RowResult {
  readonly requirement: string
  readonly title: string
  readonly minLevel: number
  readonly result: "met" | "not met" | "not tested"
  readonly claim: string | null
  readonly probes: readonly { readonly id: string; readonly result: ProbeResult }[]
}

/**
 * Run every probe once and answer every row of the catalogue for a network component and the embedded device that it is.
 *
 * A row is `met` when all its probes passed, `not met` when one failed or threw, `not tested` when nobody owns it yet or
 * a probe had nothing to run on.
 */
export async function assess(
  controls: readonly Control[],
  probes: readonly GatewayProbe[],
  context: ProbeContext,
): Promise<readonly RowResult[]> {
  const results = new Map<string, ProbeResult>()
  for (const probe of probes) results.set(probe.id, await runProbe(probe, context))
  return catalogue()
    .filter((row) => row.types.includes("network") || row.types.includes("embedded"))
    .map((row) => {
      const own = controls.filter((control) => control.requirement === row.id)
      const ids = [...new Set(own.flatMap((control) => control.probes))]
      const found = ids.map((id) => ({ id, result: results.get(id) ?? missing(id) }))
      return {
        requirement: row.id,
        title: row.title,
        minLevel: row.minLevel,
        result: verdict(found.map((f) => f.result)),
        claim: own.length === 0 ? null : own.map((control) => control.claim).join(" "),
        probes: found,
      }
    })
}

function verdict(results: readonly ProbeResult[]): RowResult["result"] {
  if (results.some((r) => r.outcome === "failed")) return "not met"
  if (results.length === 0 || results.some((r) => r.outcome === "not-tested")) return "not tested"
  return "met"
}

function missing(id: string): ProbeResult {
  return { outcome: "failed", expected: `a probe ${id}`, seen: "no such probe" }
}

/** One probe's result; throwing or taking longer than 10 s is a failure. */
export async function runProbe(probe: GatewayProbe, context: ProbeContext): Promise<ProbeResult> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<ProbeResult>((resolve) => {
    timer = setTimeout(() => {
      resolve({ outcome: "failed", expected: `an answer in ${PROBE_TIMEOUT_MS} ms`, seen: "none" })
    }, PROBE_TIMEOUT_MS)
  })
  const run = probe.run(context).catch((error: unknown): ProbeResult => {
    return { outcome: "failed", expected: "the probe to run", seen: error instanceof Error ? error.message : "a throw" }
  })
  const result = await Promise.race([run, timeout])
  clearTimeout(timer)
  return result
}
