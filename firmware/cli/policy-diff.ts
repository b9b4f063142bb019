import type { parseArgs } from "node:util"
import { changeLines, type Change } from "../../policy/analysis/change.ts"
import { diffPolicies } from "../../policy/analysis/diff.ts"
import type { CliIo } from "./handler.ts"
import { readPolicyFile, readPolicyInForce, STATE_OPTIONS, STATE_USAGE, stateFolder, type NamedPolicy } from "./policy-source.ts" // prettier-ignore
import { printable } from "./text.ts"
import { parseKnown } from "./known-options.ts"

const USAGE = `lockgate policy diff (<old.yaml> | ${STATE_USAGE}) <new.yaml> [--all]`
const OPTIONS = { ...STATE_OPTIONS, all: { type: "boolean" } } as const

/** So many changes are printed, unless all are wanted. */
const SHOWN = 100

/**
 * `lockgate policy diff`: what the new policy allows or denies that the old one, or the one in force at a gateway, does not,
 * for whom, with an example for each change.
 *
 * Resolves to the exit code as `diff` has it: 0 if nobody could tell them apart, 1 if they differ, 2 for wrong usage or
 * faults in a file.
 */
export async function policyDiff(args: readonly string[], io: CliIo): Promise<number> {
  const read = readOptions(args, io)
  if (read === null) return 2
  const { values, positionals } = read
  const inForce = values.state !== undefined || values.config !== undefined
  const [first, second] = positionals
  const newer = inForce ? first : second
  if (first === undefined || newer === undefined || positionals.length !== (inForce ? 1 : 2)) {
    io.err(`usage: ${USAGE}\n`)
    return 2
  }
  const before = inForce ? await policyInForce(values, io) : await policyOf(first, io)
  const after = await policyOf(newer, io)
  if (before === null || after === null) return 2
  const changes = diffPolicies(before.policy, after.policy)
  io.out(`${printable(report(changes, before.label, after.label, values.all === true).join("\n"))}\n`)
  return changes.length === 0 ? 0 : 1
}

function readOptions(
  args: readonly string[],
  io: CliIo,
): ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>> | null {
  try {
    return parseKnown({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true })
  } catch (error) {
    // parseArgs throws nothing but faults of usage, and words them for people.
    io.err(`${error instanceof Error ? printable(error.message) : ""}\nusage: ${USAGE}\n`)
    return null
  }
}

async function policyOf(file: string, io: CliIo): Promise<NamedPolicy | null> {
  const policy = await readPolicyFile(file, io)
  return policy === null ? null : { policy, label: file }
}

async function policyInForce(
  options: { readonly state?: string | undefined; readonly config?: string | undefined },
  io: CliIo,
): Promise<NamedPolicy | null> {
  const state = await stateFolder(options, io)
  return state === null ? null : readPolicyInForce(state, io)
}

function report(changes: readonly Change[], before: string, after: string, all: boolean): readonly string[] {
  const head = `${before} -> ${after}`
  if (changes.length === 0) return [`${head}: no change: nobody could tell them apart`]
  const count = (kind: Change["kind"], words: string): string[] => {
    const number = changes.filter((change) => change.kind === kind).length
    return number === 0 ? [] : [`${number} ${words}`]
  }
  const counts = [
    ...count("unknown", "not compared"),
    ...count("allowed", "now allowed"),
    ...count("denied", "no longer allowed"),
    ...count("terms", "on other terms"),
    ...count("place", "of zones, conduits, roles, subjects or people"),
  ]
  const shown = all ? changes : changes.slice(0, SHOWN)
  const rest = changes.length - shown.length
  const closing = rest === 0 ? [] : [`${rest} more: --all prints them`]
  return [`${head}: ${counts.join(", ")}`, ...shown.flatMap(changeLines), ...closing]
}
