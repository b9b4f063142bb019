import { areCases, parseCases } from "../../policy/analysis/cases.ts"
import { formatFinding, type Finding } from "../../policy/analysis/finding.ts"
import { lintPolicy } from "../../policy/analysis/lint.ts"
import type { Policy } from "../../policy/language/policy.ts"
import { POLICY_LIMITS, parsePolicy } from "../../policy/language/parse-policy.ts"
import { postureTable } from "../../policy/posture.ts"
import { readText } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"
import { parseKnown } from "./known-options.ts"
import { tellFaults } from "./policy-file.ts"
import { printable } from "./text.ts"

const USAGE = "usage: lockgate policy check [--strict] [--posture] <file>...\n"
const OPTIONS = { strict: { type: "boolean" }, posture: { type: "boolean" } } as const

/**
 * `lockgate policy check <file>...`: every fault of every file on one line each, or `ok`, what is in it, and then what its
 * author may not have meant. `--posture` prints which conditions close what.
 *
 * Resolves to the exit code: 0 if all are good, 2 if one has faults, 1 if one has a finding that is an error, or with
 * `--strict` a warning. Never rejects.
 */
export async function policyCheck(args: readonly string[], io: CliIo): Promise<number> {
  const read = readFiles(args)
  if (read === null) {
    io.err(USAGE)
    return 2
  }
  const { strict = false, posture = false } = read.values
  let exitCode = 0
  for (const file of read.positionals) exitCode = Math.max(exitCode, await checkFile(file, strict, io))
  if (posture) io.out(`\n${postureTable().join("\n")}\n`)
  return exitCode
}

function readFiles(args: readonly string[]) {
  try {
    const read = parseKnown({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true })
    return read.positionals.length === 0 ? null : read
  } catch {
    // parseArgs throws nothing but faults of usage.
    return null
  }
}

async function checkFile(file: string, strict: boolean, io: CliIo): Promise<number> {
  const text = await readText(file, POLICY_LIMITS.maxJsonBytes)
  if (text.ok && areCases(text.value)) return checkCases(text.value, file, io)
  const parsed = text.ok ? parsePolicy(text.value, file) : text
  if (!parsed.ok) return tellFaults(parsed.faults, io)
  const findings = lintPolicy(parsed.value)
  io.out(`${file}: ok: ${summary(parsed.value)}\n`)
  for (const finding of findings) io.out(`  ${printable(formatFinding(finding))}\n`)
  const has = (severity: Finding["severity"]): boolean => findings.some((finding) => finding.severity === severity)
  return has("error") || (strict && has("warning")) ? 1 : 0
}

/** Whoever checks a whole folder has the cases among the policies. */
function checkCases(text: string, file: string, io: CliIo): number {
  const parsed = parseCases(text, file)
  if (!parsed.ok) return tellFaults(parsed.faults, io)
  io.out(`${file}: ok: ${count(parsed.value.cases, "case")}; ask them with: lockgate policy test\n`)
  return 0
}

function summary(policy: Policy): string {
  const { zones, roles, subjects, conduits, rules } = policy
  const subjectEntries = subjects.length === 1 ? "1 subject entry" : `${subjects.length} subject entries`
  const counts = [
    count(zones, "zone"),
    count(roles, "role"),
    subjectEntries,
    count(conduits, "conduit"),
    count(rules, "rule"),
  ]
  return counts.join(", ")
}

function count(list: readonly unknown[], what: string): string {
  return `${list.length} ${what}${list.length === 1 ? "" : "s"}`
}
