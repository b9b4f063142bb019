import { realpath } from "node:fs/promises"
import { formatPolicy } from "../../policy/language/policy-format.ts"
import { POLICY_LIMITS } from "../../policy/language/parse-policy.ts"
import { readText } from "../config/read-text.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { tellFaults, writeBundle } from "./policy-file.ts"

const USAGE = "lockgate policy fmt <policy.yaml> [--check | --write]"

/**
 * `lockgate policy fmt <file> [--check | --write]`: the policy in canonical layout, to standard output or into its file;
 * `--check` only tells whether it is so already. A faulty policy is left as it is. Resolves to the exit code: 0; 1 if
 * `--check` found another layout or the file cannot be written; 2 for faults and wrong usage.
 */
export async function policyFmt(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { check: { type: "boolean" }, write: { type: "boolean" } }, 1, USAGE, io)
  if (read === null) return 2
  const { check = false, write = false } = read.values
  const [file = ""] = read.positionals
  if (check && write) {
    io.err(`--check only looks, --write writes: one of both\nusage: ${USAGE}\n`)
    return 2
  }
  const text = await readText(file, POLICY_LIMITS.maxJsonBytes)
  const formatted = text.ok ? formatPolicy(text.value, file) : text
  if (!formatted.ok) return tellFaults(formatted.faults, io)
  const isCanonical = text.ok && text.value === formatted.value
  if (check) {
    if (!isCanonical) io.err(`${file}: not in canonical layout; mend it with: lockgate policy fmt --write ${file}\n`)
    return isCanonical ? 0 : 1
  }
  if (!write) {
    io.out(formatted.value)
    return 0
  }
  if (isCanonical) {
    io.out(`${file}: is in canonical layout\n`)
    return 0
  }
  // What a link points to is written, and the link stays.
  if (!(await writeBundle(formatted.value, await realpath(file), io))) return 1
  io.out(`${file}: laid out\n`)
  return 0
}
