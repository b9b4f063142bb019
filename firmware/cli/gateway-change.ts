/**
 * What every command shares that changes something about people: rehearse it, ask whether it is meant, give it, tell what came of it.
 */
import type { CommandRequest } from "../../policy/command/port.ts"
import { askGateway, GATEWAY_OPTIONS, requestFault, WAITS, type Asked, type GatewayOptions } from "./gateway-call.ts"
import type { CliIo } from "./handler.ts"
import { printable } from "./text.ts"

/** Options of a command that changes something. */
export const CHANGE_OPTIONS = {
  ...GATEWAY_OPTIONS,
  json: { type: "boolean" },
  yes: { type: "boolean" },
  "dry-run": { type: "boolean" },
} as const
export const CHANGE_USAGE =
  "[--dry-run] [--yes] [--json] (--config <gateway.yaml> | --socket <path>) [--as <account> --key <key.pem>]"

/** How it is to be done. */
export interface ChangeOptions extends GatewayOptions {
  readonly json?: boolean | undefined
  readonly yes?: boolean | undefined
  readonly "dry-run"?: boolean | undefined
}

/** One change. */
export interface Change<Result> {
  readonly request: CommandRequest
  /** Lines that say what will be otherwise; looked up when they are shown. */
  readonly would: () => Promise<readonly string[]>
  /** What cannot be taken back, in a sentence; null: nothing. */
  readonly danger: string | null
  /** Done last before the gateway is asked; the exit code if it could not be, after it was told. */
  readonly prepare?: () => Promise<number | null>
  readonly done: (result: Result) => readonly string[]
}

/** What the gateway says before anything is asked of it. */
interface Foretold {
  readonly refused: string | null
  readonly waitsFor: string | null
}

/** Carry it out, or with `--dry-run` tell what would come of it; resolves to what the gateway answered, or to an exit code alone. */
export async function change<Result>(
  options: ChangeOptions,
  { request, would, danger, prepare, done }: Change<Result>,
  io: CliIo,
): Promise<Asked> {
  const faulty = requestFault(request, io)
  if (faulty !== null) return faulty
  if (options["dry-run"] === true) return { exitCode: await rehearse(options, request.command, await would(), io) }
  if (danger !== null && options.yes !== true) {
    const meant = await isMeant(danger, io)
    if (meant !== null) return { exitCode: meant }
  }
  const unready = (await prepare?.()) ?? null
  if (unready !== null) return { exitCode: unready }
  const answer = await askGateway(options, request, io)
  if ("exitCode" in answer) {
    if (options.json === true && answer.answer !== undefined) io.out(JSON.stringify(answer.answer) + "\n")
    return answer
  }
  if (options.json === true) io.out(JSON.stringify(answer.result, null, 2) + "\n")
  else io.out(printable(done(answer.result as Result).join("\n")) + "\n")
  return answer
}

/** The exit code of what `change` resolved to. */
export function exitCodeOf(answer: Asked): number {
  return "exitCode" in answer ? answer.exitCode : 0
}

/** What the gateway would say to this command now, or null after the reason was told. Nothing is asked, nothing waits. */
export async function foretell(options: GatewayOptions, command: string, io: CliIo): Promise<Foretold | null> {
  const answer = await askGateway(options, { command: "approval.needed", arguments: { command } }, io)
  return "exitCode" in answer ? null : (answer.result as Foretold)
}

/** The answer to a question that changes nothing, or null if it is not to be had without a second person, or not at all. */
export async function look(options: GatewayOptions, request: CommandRequest, io: CliIo): Promise<unknown> {
  const silent = { ...io, err: () => undefined }
  const said = await foretell(options, request.command, silent)
  if (said === null || said.refused !== null || said.waitsFor !== null) return null
  const answer = await askGateway(options, request, silent)
  return "exitCode" in answer ? null : answer.result
}

const WAITING: Readonly<Record<string, string>> = {
  ERR_APPROVAL_NEEDED: "it would wait for a second person, who approves it by its hash",
  ERR_SECOND_FACTOR: "it would be refused: it asks for a second factor",
  ERR_NOT_PRESENT: "it would be refused: it asks for a person at the gateway, and its inputs do not show one",
}

async function rehearse(options: ChangeOptions, command: string, lines: readonly string[], io: CliIo): Promise<number> {
  const said = await foretell(options, command, io)
  if (said === null) return 1
  const { refused, waitsFor } = said
  const verdict =
    refused !== null
      ? `it would be refused: this is not permitted to who asks (${refused})`
      : waitsFor === null
        ? "it would be done at once"
        : (WAITING[waitsFor] ?? `it would be refused (${waitsFor})`)
  if (options.json === true) io.out(JSON.stringify({ dryRun: true, command, would: lines, refused, waitsFor }) + "\n")
  else io.out(printable([...lines, verdict, "nothing was changed (--dry-run)"].join("\n")) + "\n")
  if (waitsFor === "ERR_APPROVAL_NEEDED") return WAITS
  return refused === null && waitsFor === null ? 0 : 1
}

/** Null if a person says yes; else the exit code, after it was told. */
async function isMeant(danger: string, io: CliIo): Promise<number | null> {
  if (io.input?.isTTY !== true) {
    io.err(printable(`${danger}: nobody is at a terminal to be asked; --yes says it is meant\n`))
    return 2
  }
  const said = await io.input.ask(printable(`${danger}. Go on? Type yes: `))
  if (said?.trim().toLowerCase() === "yes") return null
  io.err("nothing was changed\n")
  return 1
}
