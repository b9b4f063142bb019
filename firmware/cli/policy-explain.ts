import type { parseArgs } from "node:util"
import { explain } from "../../policy/analysis/explain.ts"
import { explainEntry, isDenial } from "../../policy/analysis/explain-entry.ts"
import { parseRequestText } from "../../policy/analysis/modbus-request.ts"
import type { Circumstances, Question } from "../../policy/analysis/question.ts"
import { findWho, type Found, type Who } from "../../policy/analysis/who.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import type { Entry } from "../../policy/audit/entry.ts"
import type { Policy } from "../../policy/language/policy.ts"
import { CONDITIONS, posture, type Condition } from "../../policy/posture.ts"
import { openReadOnlyStorage } from "../../hal/linux/storage.ts"
import { createLogReader } from "../audit/reader.ts"
import type { CliIo } from "./handler.ts"
import { entryText } from "./entry-text.ts"
import { tellError } from "./policy-file.ts"
import { readPolicyFile, readPolicyInForce, STATE_OPTIONS, STATE_USAGE, stateFolder } from "./policy-source.ts"
import { printable } from "./text.ts"
import { parseKnown } from "./known-options.ts"

const USAGE =
  `lockgate policy explain (<policy.yaml> | ${STATE_USAGE}) --as <subject>\n` +
  "         (publish|receive|subscribe <topic> [--qos <n>] [--retain] [--size <bytes> | --text <payload> | --hex <bytes>]\n" +
  '          | --modbus "unit 3 write-single-register 107 = 1500")\n' +
  "         [--roles <a,b>] [--conduit <name>] [--client-id <id>] [--at <time>] [--posture <condition>]...\n" +
  "         [--emergency <name>]... [--input <name>=<state>]...\n" +
  `       lockgate policy explain --last ${STATE_USAGE} [<policy.yaml>] [--as <subject>]`

const OPTIONS = {
  ...STATE_OPTIONS,
  as: { type: "string" },
  roles: { type: "string" },
  conduit: { type: "string" },
  "client-id": { type: "string" },
  qos: { type: "string" },
  retain: { type: "boolean" },
  size: { type: "string" },
  text: { type: "string" },
  hex: { type: "string" },
  modbus: { type: "string" },
  at: { type: "string" },
  posture: { type: "string", multiple: true },
  emergency: { type: "string", multiple: true },
  input: { type: "string", multiple: true },
  last: { type: "boolean" },
} as const

type Read = ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS; allowPositionals: true }>>
type Values = Read["values"]

const ACTIONS = ["publish", "receive", "subscribe"] as const

function read(args: readonly string[], io: CliIo): Read | null {
  try {
    return parseKnown({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true })
  } catch (error) {
    // parseArgs throws nothing but faults of usage, and words them for people.
    io.err(`${error instanceof Error ? printable(error.message) : ""}\nusage: ${USAGE}\n`)
    return null
  }
}

/**
 * `lockgate policy explain`: what a policy (a file, or the one in force at a gateway) says to one message, request to
 * subscribe or Modbus request, by which rule, and what would have to be otherwise. `--last` explains the last denial in a
 * gateway's log.
 *
 * Resolves to the exit code: 0 if it was explained, whatever the verdict; 1 if there is nothing to explain; 2 for wrong
 * usage or faults in the policy.
 */
export async function policyExplain(args: readonly string[], io: CliIo): Promise<number> {
  const found = read(args, io)
  if (found === null) return 2
  const { values, positionals } = found
  if (values.last === true) return explainLast(values, positionals, io)
  const named = values.state !== undefined || values.config !== undefined
  const [file] = named ? [] : positionals
  const words = named ? positionals : positionals.slice(1)
  const wanted = values.modbus === undefined ? 2 : 0
  if ((!named && file === undefined) || values.as === undefined || words.length !== wanted) {
    io.err(`usage: ${USAGE}\n`)
    return 2
  }
  const policy = file === undefined ? await inForce(values, io) : await readPolicyFile(file, io)
  if (policy === null) return 2
  const question = questionOf(policy, values, words)
  if (!question.ok) {
    io.err(`${printable(question.why)}${question.hint === null ? "" : ` (${printable(question.hint)})`}\n`)
    return 2
  }
  io.out(`${printable(explain(policy, question.value).lines.join("\n"))}\n`)
  return 0
}

async function inForce(values: Values, io: CliIo): Promise<Policy | null> {
  const state = await stateFolder(values, io)
  return state === null ? null : ((await readPolicyInForce(state, io))?.policy ?? null)
}

async function explainLast(values: Values, positionals: readonly string[], io: CliIo): Promise<number> {
  const state = await stateFolder(values, io)
  if (state === null || positionals.length > 1) {
    if (state !== null) io.err(`usage: ${USAGE}\n`)
    return 2
  }
  const [file] = positionals
  const policy = file === undefined ? (await readPolicyInForce(state, io))?.policy : await readPolicyFile(file, io)
  if (policy === undefined || policy === null) return 2
  try {
    const entry = await lastDenial(state, values.as ?? null)
    if (entry === null) {
      io.err(
        `no denial${values.as === undefined ? "" : ` of ${printable(values.as)}`} in the log of ${printable(state)}\n`,
      )
      return 1
    }
    io.out(`${entryText(entry, io.isTTY)}\n`)
    const explained = explainEntry(policy, entry)
    if (explained.ok) io.out(`${printable(explained.value.lines.join("\n"))}\n`)
    else io.err(`${printable(explained.why)}\n`)
    return explained.ok ? 0 : 1
  } catch (error) {
    return tellError(state, error, io)
  }
}

/** The last denial in the log, of this subject if one is named; null if there is none. */
async function lastDenial(state: string, subject: string | null): Promise<Entry | null> {
  const reader = createLogReader(openReadOnlyStorage(state))
  const end = await reader.end()
  for (let index = Math.ceil(end / BUNDLE_ENTRIES) - 1; index >= 0; index--) {
    const { entries } = await reader.bundle(index)
    const own = entries.findLast(({ entry }) => isDenial(entry) && (subject === null || entry.subject === subject))
    if (own !== undefined) return own.entry
  }
  return null
}

function questionOf(policy: Policy, values: Values, words: readonly string[]): Found<Question> {
  const protocol = values.modbus === undefined ? "mqtt" : "modbus"
  const named = {
    as: values.as ?? "",
    roles: values.roles === undefined ? null : values.roles.split(/[, ]+/).filter((role) => role !== ""),
    conduit: values.conduit ?? null,
    clientId: values["client-id"] ?? null,
  }
  const who = findWho(policy, named, protocol)
  if (!who.ok) return who
  const circumstances = circumstancesOf(who.value, values)
  if (!circumstances.ok) return circumstances
  if (values.modbus !== undefined) {
    const request = parseRequestText(values.modbus)
    return request.ok
      ? { ok: true, value: { ...circumstances.value, kind: "modbus", request: request.value } }
      : request
  }
  const [action = "", topic = ""] = words
  const kind = ACTIONS.find((own) => own === action)
  if (kind === undefined) return fail(`${action} is none of ${ACTIONS.join(", ")}`, null)
  const qos = Number(values.qos ?? "0")
  if (![0, 1, 2].includes(qos)) return fail("--qos takes 0, 1 or 2", null)
  if (kind === "subscribe") return { ok: true, value: { ...circumstances.value, kind, filter: topic, qos } }
  const payload = payloadOf(values)
  if (payload === "bad") return fail("--hex takes pairs of hexadecimal digits, such as 0a1b or '0a 1b'", null)
  if ([values.text, values.hex, values.size].filter((given) => given !== undefined).length > 1) {
    return fail("the payload is given more than once", "keep one of --size, --text and --hex")
  }
  const payloadBytes = payload?.length ?? sizeOf(values.size ?? "0")
  if (payloadBytes === null) return fail("--size takes a size such as 200, 200B, 4KiB or 1MiB", null)
  const retain = values.retain ?? false
  return { ok: true, value: { ...circumstances.value, kind, topic, qos, retain, payloadBytes, payload } }
}

function circumstancesOf(who: Who, values: Values): Found<Circumstances> {
  const at = values.at === undefined ? Date.now() : Date.parse(values.at)
  if (Number.isNaN(at)) return fail("--at takes a time such as 2026-01-31T09:00:00Z", null)
  const conditions = values.posture ?? []
  const unknown = conditions.find((name) => !CONDITIONS.includes(name as Condition))
  if (unknown !== undefined) return fail(`there is no condition ${unknown}`, `known are ${CONDITIONS.join(", ")}`)
  const { normal, essential, because } = posture(new Set(conditions as Condition[]))
  if (essential === "closed") return fail(`with ${because.join(", ")} every flow is closed, whatever the policy`, null)
  const emergencies = values.emergency ?? []
  const inputs = (values.input ?? []).map((text) => /^([^=]+)=([^=]+)$/.exec(text))
  if (inputs.includes(null)) return fail("--input takes a name and a state, such as key-switch=maintenance", null)
  const known = new Map(inputs.map((found) => [found?.[1] ?? "", { state: found?.[2] ?? "" }]))
  return { ok: true, value: { who, at, emergencies, inputs: known, essentialOnly: normal === "closed" } }
}

function payloadOf({ text, hex }: Values): Uint8Array | "bad" | null {
  if (text !== undefined) return new TextEncoder().encode(text)
  if (hex === undefined) return null
  const digits = hex.replaceAll(" ", "")
  return /^([0-9a-f]{2})*$/i.test(digits) ? new Uint8Array(Buffer.from(digits, "hex")) : "bad"
}

function sizeOf(text: string): number | null {
  const [, count, unit = "B"] = /^(\d{1,9})(B|KiB|MiB)?$/.exec(text) ?? []
  if (count === undefined) return null
  return Number(count) * (unit === "MiB" ? 1024 * 1024 : unit === "KiB" ? 1024 : 1)
}

function fail(
  why: string,
  hint: string | null,
): { readonly ok: false; readonly why: string; readonly hint: string | null } {
  return { ok: false, why, hint }
}
