import type { Policy } from "../../policy/language/policy.ts"
import { formatFault } from "../../policy/language/fault.ts"
import { POLICY_LIMITS, parsePolicy } from "../../policy/language/parse-policy.ts"
import { readText } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"

/**
 * `lockgate policy check <file>...`: every fault of every file on one line each, or `ok` and what is in it.
 * Resolves to the exit code: 0 if all are good, 2 otherwise. Never rejects.
 */
export async function policyCheck(args: readonly string[], io: CliIo): Promise<number> {
  if (args.length === 0 || args.some((arg) => arg.startsWith("-"))) {
    io.err("usage: lockgate policy check <file>...\n")
    return 2
  }
  let exitCode = 0
  for (const file of args) {
    const text = await readText(file, POLICY_LIMITS.maxJsonBytes)
    const parsed = text.ok ? parsePolicy(text.value, file) : text
    if (parsed.ok) {
      io.out(`${file}: ok: ${summary(parsed.value)}\n`)
      continue
    }
    exitCode = 2
    for (const fault of parsed.faults) io.err(`${formatFault(fault)}\n`)
  }
  return exitCode
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
