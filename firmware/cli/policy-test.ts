import { areCases, parseCases, rulesNotExercised, runCases, type CaseResult } from "../../policy/analysis/cases.ts"
import { MAX_CASES_LENGTH } from "../../policy/bundle/statement.ts"
import { compilePolicy } from "../../policy/compile/compile.ts"
import type { Policy } from "../../policy/language/policy.ts"
import { readText } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"
import { casesFileOf, tellError, tellFaults } from "./policy-file.ts"
import { readPolicyFile } from "./policy-source.ts"
import { printable } from "./text.ts"

/**
 * `lockgate policy test <policy> [<cases>...]`: ask the compiled policy every case; without files those of
 * `<policy>.cases.yaml` beside it. Prints what fails and why, and the rules that no case was decided by.
 *
 * Resolves to the exit code: 0 if all pass, 1 if one fails, 2 for faults in a file.
 */
export async function policyTest(args: readonly string[], io: CliIo): Promise<number> {
  const [file, ...others] = args
  if (file === undefined || args.some((arg) => arg.startsWith("-"))) {
    io.err("usage: lockgate policy test <policy.yaml> [<cases.yaml>...]\n")
    return 2
  }
  const policy = await readPolicyFile(file, io)
  if (policy === null) return 2
  const results: CaseResult[] = []
  try {
    const compiled = compilePolicy(policy)
    for (const casesFile of others.length > 0 ? others : [casesFileOf(file)]) {
      const text = await readText(casesFile, MAX_CASES_LENGTH)
      if (text.ok && isPolicy(text.value)) {
        io.err(`${casesFile}: this is a policy, not cases; policies are tested one at a time\n`)
        return 2
      }
      const parsed = text.ok ? parseCases(text.value, casesFile) : text
      if (!parsed.ok) {
        tellFaults(parsed.faults, io)
        if (!text.ok && others.length === 0) io.err(`${file}: write its cases there, or name the file that has them\n`)
        return 2
      }
      const ran = runCases(policy, compiled, parsed.value)
      for (const result of ran) if (!result.passed) io.out(failure(casesFile, result))
      results.push(...ran)
    }
  } catch (error) {
    return tellError(file, error, io)
  }
  io.out(closing(policy, results))
  return results.every(({ passed }) => passed) ? 0 : 1
}

function isPolicy(text: string): boolean {
  return /^["']?lockgate-policy["']?\s*:/m.test(text) && !areCases(text)
}

function failure(file: string, { case: one, lines }: CaseResult): string {
  const text = [`FAILED  ${file}:${one.line}: ${one.name}`, ...lines.map((line) => `        ${line}`)].join("\n")
  return `${printable(text)}\n\n`
}

function closing(policy: Policy, results: readonly CaseResult[]): string {
  const passed = results.filter((result) => result.passed).length
  const failed = results.length - passed
  const idle = rulesNotExercised(policy, results)
  const rules = policy.rules.length
  const lines = [
    `${results.length} case${results.length === 1 ? "" : "s"}: ${passed} passed, ${failed} failed`,
    `${rules - idle.length} of ${rules} rules decided a case${idle.length === 0 ? "" : `; none was decided by ${idle.join(", ")}`}`,
  ]
  return `${printable(lines.join("\n"))}\n`
}
