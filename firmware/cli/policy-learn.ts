import { parseArgs } from "node:util"
import { LockgateError } from "../../policy/base/errors.ts"
import { DEFAULT_WILD, learn } from "../../policy/analysis/learn.ts"
import { writeLearnt } from "../../policy/analysis/learn-text.ts"
import { POLICY_LIMITS, parsePolicy } from "../../policy/language/parse-policy.ts"
import { readText } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"
import { tellError, tellFaults, writeWhole } from "./policy-file.ts"
import { readRecordings } from "./recording-files.ts"
import { localTime, thousands } from "./text.ts"

const USAGE =
  "lockgate policy learn <recording>... [--base <policy.yaml>] [--wild <2..1000>] [--include-denied] [-o <file>]"

const OPTIONS = {
  base: { type: "string" },
  wild: { type: "string" },
  "include-denied": { type: "boolean" },
  out: { type: "string", short: "o" },
} as const

/** `lockgate policy learn`: a policy that admits what was recorded and little else, with what else it admits at its end. */
export async function policyLearn(args: readonly string[], io: CliIo): Promise<number> {
  const read = readFiles(args, io)
  if (read === null) return 2
  const { values, positionals } = read
  const given = values.wild ?? String(DEFAULT_WILD)
  const wild = /^\d{1,4}$/.test(given) ? Number(given) : 0
  if (wild < 2 || wild > 1_000) {
    io.err("--wild takes 2..1000: as many different words in one place become +\n")
    return 2
  }
  const text = values.base === undefined ? null : await readText(values.base, POLICY_LIMITS.maxJsonBytes)
  const parsed = text === null ? null : text.ok ? parsePolicy(text.value, values.base ?? "") : text
  if (parsed !== null && !parsed.ok) return tellFaults(parsed.faults, io)
  const recordings = await readRecordings(positionals, io)
  if (recordings === null) return 2
  try {
    const includeDenied = values["include-denied"] === true
    const learnt = learn(recordings, { base: parsed?.value ?? null, includeDenied, wild })
    const document = writeLearnt(learnt, (at) => localTime(at, 0))
    if (values.out === undefined) io.out(document)
    else if (!(await writeWhole(document, values.out, io))) return 1
    if (parsed === null)
      io.err("note: without --base, levels, authorities and the zones behind conduits are yours to fill in\n")
    const { size } = learnt.notLearnt
    if (size > 0) io.err(`note: ${thousands(size)} kinds of traffic could not be learnt: see the end of the proposal\n`)
    return 0
  } catch (error) {
    if (!(error instanceof LockgateError)) throw error
    return tellError(values.base ?? "recording", error, io)
  }
}

function readFiles(args: readonly string[], io: CliIo) {
  try {
    const read = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true })
    if (read.positionals.length >= 1) return read
    io.err(`usage: ${USAGE}\n`)
  } catch (error) {
    io.err(`${error instanceof Error ? error.message : String(error)}\nusage: ${USAGE}\n`)
  }
  return null
}
