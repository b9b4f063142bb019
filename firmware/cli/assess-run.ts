import type { RowResult } from "../assess/run.ts"
import type { CliIo } from "./io.ts"
import { callGateway } from "./call-gateway.ts"
import { clean } from "./clean-text.ts"

/**
 * `lockgate assess run`: ask the gateway to run its probes, and print every row.
 *
 * Exit code 0 when no row is `not met`, 1 otherwise; rows that are not tested yet are counted, not hidden.
 */
export async function assessRun(args: readonly string[], io: CliIo): Promise<number> {
  const answer = await callGateway(args, { command: "assess", arguments: {} }, io)
  if (answer === null) return 1
  const rows = answer as readonly RowResult[]
  if (args.includes("--json")) {
    io.out(`${JSON.stringify(rows, null, 2)}\n`)
  } else {
    for (const row of rows) {
      if (row.result === "not tested" && row.claim === null) continue
      io.out(`${row.result.padEnd(10)} ${row.requirement.padEnd(14)} ${row.title} (from SL ${row.minLevel})\n`)
      for (const { id, result } of row.probes) {
        const text =
          result.outcome === "passed"
            ? result.evidence
            : result.outcome === "failed"
              ? `expected ${result.expected}; seen ${result.seen}`
              : result.why
        io.out(`             ${result.outcome === "passed" ? "+" : "-"} ${id}: ${clean(text)}\n`)
      }
    }
    const count = (result: RowResult["result"]): number => rows.filter((row) => row.result === result).length
    io.out(
      `\n${rows.length} rows for a network component: ${count("met")} met, ${count("not met")} not met, ${count("not tested")} not tested\n`,
    )
  }
  return rows.some((row) => row.result === "not met") ? 1 : 0
}
