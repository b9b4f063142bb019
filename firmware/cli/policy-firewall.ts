import { addressKind } from "../../policy/export/ends.ts"
import { writeFirewall } from "../../policy/export/firewall.ts"
import { endsOf } from "../config/ends.ts"
import { readBoardFile } from "./board-file.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { tellError } from "./policy-file.ts"
import { readPolicyFile } from "./policy-source.ts"
import { printable } from "./text.ts"

const USAGE =
  "lockgate policy firewall <policy.yaml> --config <gateway.yaml> [--address <name>=<address>]... [--sysctl]"

/**
 * `lockgate policy firewall`: what the policy means for nftables on this board, or with `--sysctl` for the kernel. It is
 * printed, not applied. What a person must see to goes to standard error.
 */
export async function policyFirewall(args: readonly string[], io: CliIo): Promise<number> {
  const options = {
    config: { type: "string" },
    address: { type: "string", multiple: true },
    sysctl: { type: "boolean" },
  } as const
  const read = readArguments(args, options, 1, USAGE, io)
  if (read === null) return 2
  const [file = ""] = read.positionals
  const policy = await readPolicyFile(file, io)
  const config = await readBoardFile(read.values.config, io)
  const addresses = addressesOf(read.values.address ?? [], io)
  if (policy === null || config === null || addresses === null) return 2
  try {
    const { ruleset, sysctl, notes } = writeFirewall(policy, endsOf(config), { addresses })
    io.out(read.values.sysctl === true ? sysctl : ruleset)
    for (const note of notes) io.err(printable(`note: ${note}\n`))
    return 0
  } catch (error) {
    return tellError(read.values.config ?? "", error, io)
  }
}

/** `name=address` given once or more a name; null after a fault was told. */
function addressesOf(given: readonly string[], io: CliIo): Readonly<Record<string, readonly string[]>> | null {
  const found: Record<string, string[]> = Object.create(null) as Record<string, string[]>
  for (const one of given) {
    const [name = "", address = "", ...rest] = one.split("=")
    if (name === "" || rest.length > 0 || addressKind(address) === null) {
      io.err(printable(`--address ${one}: expected <name>=<address>, such as broker.example=192.0.2.7\n`))
      return null
    }
    found[name] = [...(found[name] ?? []), address]
  }
  return found
}
