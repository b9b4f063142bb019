import type { RowResult } from "../assess/run.ts"
import type { ProbeResult } from "../../policy/requirements/control.ts"
import { postureTable } from "../../policy/posture.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { printable } from "./text.ts"

const USAGE = `lockgate assess run [--json] ${GATEWAY_USAGE}`

/**
 * `lockgate assess run`: let the gateway run its probes, and print what they say of each row.
 *
 * Exit code 1 when a row is `not met`. Rows that nobody answers yet are listed, not hidden.
 */
export async function assessRun(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, json: { type: "boolean" } }, 0, USAGE, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "assess", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const rows = answer.result as readonly RowResult[]
  if (read.values.json === true) io.out(`${JSON.stringify(rows, null, 2)}\n`)
  else io.out(`${printable([...renderRows(rows), "", ...renderPosture()].join("\n"))}\n`)
  return rows.some((row) => row.result === "not met") ? 1 : 0
}

/** The rows in lines of text: those that somebody answers, then how many of each kind. */
export function renderRows(rows: readonly RowResult[]): string[] {
  const lines: string[] = []
  for (const row of rows.filter((r) => r.claim !== null)) {
    lines.push(`${row.result.padEnd(10)} ${row.requirement.padEnd(13)} ${row.title} (from SL ${row.minLevel})`)
    for (const { id, result } of row.probes) {
      lines.push(`           ${result.outcome === "passed" ? "+" : "-"} ${id}: ${explain(result)}`)
    }
  }
  const count = (result: RowResult["result"]): number => rows.filter((row) => row.result === result).length
  const counts = `${count("met")} met, ${count("not met")} not met, ${count("not tested")} not tested`
  const open = rows.filter((row) => row.claim === null).map((row) => row.requirement)
  const rest = open.length === 0 ? [] : ["", "not tested:", ...wrapped(open)]
  return [
    ...lines,
    ...rest,
    "",
    `${rows.length} rows apply to a network component that is an embedded device: ${counts}`,
  ]
}

/** The posture table: an assessor asks first what the gateway does when something is wrong. */
export function renderPosture(): string[] {
  return ["who wins when something is wrong, by class of flow:", ...postureTable().map((line) => `           ${line}`)]
}

/** Words in lines of at most 100 characters, set in. */
function wrapped(words: readonly string[]): string[] {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < 98) lines[lines.length - 1] = `${last}, ${word}`
    else lines.push(`           ${word}`)
  }
  return lines
}

function explain(result: ProbeResult): string {
  switch (result.outcome) {
    case "passed":
      return result.evidence
    case "failed":
      return `expected ${result.expected}; seen: ${result.seen}`
    case "not-tested":
      return result.why
  }
}
