import { writeAuditAcl } from "../../policy/export/audit-acl.ts"
import { readBoardFile } from "./board-file.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { commonNames, given } from "./policy-broker.ts"
import { tellError } from "./policy-file.ts"

const USAGE =
  "lockgate audit acl --config <gateway.yaml> [--operator <common name>]... [--collector <common name>[=<cosigner>]]... [--witness <common name>[=<cosigner>]]... [--person <common name>[=<account>]]... [--identity <credential>=<common name>]..."

/**
 * `lockgate audit acl`: who may read this gateway's audit at its broker, as a mosquitto `acl_file`. Whoever is not named gets nothing.
 *
 * @see IEC 62443-4-2 CR 3.9, CR 6.1
 */
export async function auditAcl(args: readonly string[], io: CliIo): Promise<number> {
  const options = {
    config: { type: "string" },
    operator: { type: "string", multiple: true },
    collector: { type: "string", multiple: true },
    witness: { type: "string", multiple: true },
    person: { type: "string", multiple: true },
    identity: { type: "string", multiple: true },
  } as const
  const read = readArguments(args, options, 0, USAGE, io)
  if (read === null) return 2
  const { config: file = "", operator = [], collector = [], witness = [], person = [], identity = [] } = read.values
  const config = await readBoardFile(file, io)
  if (config === null) return 2
  const { mqtt } = config.management
  if (mqtt === null) {
    io.err(`${file}: names no broker for the log: add management: mqtt\n`)
    return 2
  }
  const names = { ...(await commonNames(config)), ...given(identity) }
  const own = names[mqtt.credential]
  if (own === undefined) {
    io.err(
      `the certificate of credential ${mqtt.credential} is not here: give --identity ${mqtt.credential}=<its common name>\n`,
    )
    return 2
  }
  try {
    const readers = { operators: operator, collectors: collector, witnesses: witness, people: person }
    io.out(writeAuditAcl(config.gateway, own, readers))
    if (operator.length + collector.length === 0)
      io.err(
        "nobody may read it yet: name them with --operator and --collector, by the common names of their certificates\n",
      )
    return 0
  } catch (error) {
    return tellError(file, error, io)
  }
}
