import { LockgateError } from "../../policy/base/errors.ts"
import { crlTextOf, readCrlBytes } from "../trust/crl-source.ts"
import type { Reloaded, TakenList } from "../trust/keeper.ts"
import type { TrustReport } from "../trust/trust-report.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { printable, thousands } from "./text.ts"

const CRL = `lockgate trust crl <file> ${GATEWAY_USAGE}`
const RELOAD = `lockgate trust reload ${GATEWAY_USAGE}`
const STATUS = `lockgate trust status [--json] ${GATEWAY_USAGE}`

/** `lockgate trust crl`: hand a newer list of revoked certificates over. */
export async function trustCrl(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 1, CRL, io)
  if (read === null) return 2
  let list: string
  try {
    list = crlTextOf(await readCrlBytes(read.positionals[0] ?? ""))
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    io.err(`${error.message} (${String(error.code)})\n`)
    return 2
  }
  const answer = await askGateway(read.values, { command: "trust.crl", arguments: { list } }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { lists } = answer.result as { lists: readonly TakenList[] }
  if (lists.length === 0) io.out("the gateway has this list already; nothing changed\n")
  for (const line of lists.map(listTaken)) io.out(printable(line) + "\n")
  return 0
}

/** `lockgate trust reload`: have the gateway read its credentials, authorities and lists anew. */
export async function trustReload(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 0, RELOAD, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "trust.reload", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { certificates, authorities, lists } = answer.result as Reloaded
  for (const use of certificates) io.out(printable(`${use} has a new certificate`) + "\n")
  for (const name of authorities) io.out(printable(`${name} has other certificates than before`) + "\n")
  for (const line of lists.map(listTaken)) io.out(printable(line) + "\n")
  if (certificates.length + authorities.length + lists.length === 0) io.out("nothing in the files has changed\n")
  return 0
}

/** `lockgate trust status`: whom the gateway believes, who is revoked, and how long its own certificates last. */
export async function trustStatus(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, json: { type: "boolean" } }, 0, STATUS, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "trust.status", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  if (read.values.json === true) io.out(JSON.stringify(answer.result, null, 2) + "\n")
  else io.out(printable(renderTrust(answer.result as TrustReport).join("\n")) + "\n")
  return 0
}

const FRESHNESS = {
  no: "fresh",
  uncertain: "PERHAPS STALE: the clock cannot say",
  yes: "STALE: fetch a newer one",
} as const

/** The report in lines of text. */
export function renderTrust({ authorities, own }: TrustReport): string[] {
  const lines: string[] = []
  for (const { name, certificates, lists } of authorities) {
    for (const { subject, notAfterAt } of certificates)
      lines.push(`authority  ${name}  ${subject}, until ${day(notAfterAt)}`)
    for (const { issuer, number, entries, remembered, nextUpdateAt, stale } of lists) {
      const more = remembered === 0 ? "" : ` and ${thousands(remembered)} by earlier lists`
      lines.push(`  revoked  ${thousands(entries)}${more}, list ${number} of ${issuer}`)
      lines.push(`           next list by ${day(nextUpdateAt)}: ${FRESHNESS[stale]}`)
    }
    if (lists.length === 0) lines.push("  revoked  nobody: no list is known")
  }
  for (const { use, subject, notAfterAt, stage } of own) {
    const left =
      stage === "good" ? "" : stage === "expired" ? "  EXPIRED: renew it" : `  ENDS SOON (${stage}): renew it`
    lines.push(`own        ${use}  ${subject}, until ${day(notAfterAt)}${left}`)
  }
  return lines
}

function listTaken({ authority, issuer, number, entries }: TakenList): string {
  return `${authority}: list ${number} of ${issuer} is in force, ${thousands(entries)} revoked`
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace("T", " ") + " UTC"
}
