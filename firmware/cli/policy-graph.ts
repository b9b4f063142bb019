import { drawPolicy } from "../../policy/export/graph.ts"
import { POLICY_LIMITS, parsePolicy } from "../../policy/language/parse-policy.ts"
import { readText } from "../config/read-text.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { tellFaults, writeWhole } from "./policy-file.ts"

const USAGE = "lockgate policy graph <policy.yaml> [-o <file.svg>]"

/** `lockgate policy graph`: zones, conduits and who may do what as a picture, to standard output or whole to a file. */
export async function policyGraph(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { out: { type: "string", short: "o" } }, 1, USAGE, io)
  if (read === null) return 2
  const [file = ""] = read.positionals
  const text = await readText(file, POLICY_LIMITS.maxJsonBytes)
  const parsed = text.ok ? parsePolicy(text.value, file) : text
  if (!parsed.ok) return tellFaults(parsed.faults, io)
  const picture = drawPolicy(parsed.value)
  if (read.values.out !== undefined) return (await writeWhole(picture, read.values.out, io)) ? 0 : 1
  io.out(picture)
  return 0
}
