import { areCases, parseCases } from "../../policy/analysis/cases.ts"
import { formatFinding, type Finding } from "../../policy/analysis/finding.ts"
import { lintPolicy } from "../../policy/analysis/lint.ts"
import type { Policy } from "../../policy/language/policy.ts"
import { POLICY_LIMITS, parsePolicy } from "../../policy/language/parse-policy.ts"
import { postureTable } from "../../policy/posture.ts"
import { readText } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"
import { tellFaults } from "./policy-file.ts"
import { printable } from "./text.ts"

const USAGE = "usage: lockgate policy check [--strict] [--posture] <file>...\n"
const FLAGS = ["--strict", "--posture"]

/**
 * `lockgate policy check <file>...`: every fault of every file on one line each, or `ok`, what is in it, and then what its
 * author may not have meant. `--posture` prints which conditions close what.
 *
 * Resolves to the exit code: 0 if all are good, 2 if one has faults, 1 if one has a finding that is an error, or with
 * `--strict` a warning. Never rejects.
 */
export async function policyCheck(args: readonly string[], io: CliIo): Promise<number> {
  const files = args.filter((arg) => !FLAGS.includes(arg))
  if (files.length === 0 || files.some((arg) => arg.startsWith("-"))) {
    io.err(USAGE)
    return 2
  }
  let exitCode = 0
  for (const file of files) exitCode = Math.max(exitCode, await checkFile(file, args.includes("--strict"), io))
  if (args.includes("--posture")) io.out(`\n${postureTable().join("\n")}\n`)
  return exitCode
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
