import { LockgateError } from "../../policy/base/errors.ts"
import { describeSimulation } from "../../policy/analysis/simulate-text.ts"
import { simulate } from "../../policy/analysis/simulate.ts"
import { POLICY_LIMITS, parsePolicy } from "../../policy/language/parse-policy.ts"
import { readText } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"
import { tellError, tellFaults } from "./policy-file.ts"
import { readRecordings } from "./recording-files.ts"
import { localTime, printable } from "./text.ts"
import { parseKnown } from "./known-options.ts"

const USAGE = "lockgate policy simulate <candidate.yaml> <recording>... [--json]"

/**
 * `lockgate policy simulate`: replay recordings against a policy that is not in force. Exit code 1 if something that passed
 * would be denied; what only may be denied is told and does not count.
 */
export async function policySimulate(args: readonly string[], io: CliIo): Promise<number> {
  const read = readFiles(args, io)
  if (read === null) return 2
  const [candidate = "", ...files] = read.positionals
  const text = await readText(candidate, POLICY_LIMITS.maxJsonBytes)
  const parsed = text.ok ? parsePolicy(text.value, candidate) : text
  if (!parsed.ok) return tellFaults(parsed.faults, io)
  const recordings = await readRecordings(files, io)
  if (recordings === null) return 2
  try {
    const simulation = simulate(parsed.value, recordings)
    if (read.values.json === true) io.out(`${JSON.stringify(simulation, null, 2)}\n`)
    else for (const line of describeSimulation(simulation, (at) => localTime(at, 0))) io.out(printable(`${line}\n`))
    return simulation.totals.changed.denied.flows > 0 ? 1 : 0
  } catch (error) {
    if (!(error instanceof LockgateError)) throw error
    return tellError(candidate, error, io)
  }
}

function readFiles(args: readonly string[], io: CliIo) {
  try {
    const options = { json: { type: "boolean" } } as const
    const read = parseKnown({ args: [...args], options, allowPositionals: true, strict: true })
    if (read.positionals.length >= 2) return read
    io.err(`usage: ${USAGE}\n`)
  } catch (error) {
    io.err(`${error instanceof Error ? error.message : String(error)}\nusage: ${USAGE}\n`)
  }
  return null
}
