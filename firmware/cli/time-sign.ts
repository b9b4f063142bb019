import { NONCE } from "../../policy/time/signed-time.ts"
import { readText } from "../config/read-text.ts"
import { approveTime, MAX_SIGNED_TIME_LENGTH, readSignedTime, signTime } from "../time/statement.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { readKeyFile, tellError, tellFaults, writeBundle } from "./policy-file.ts"
import { printable } from "./text.ts"
import { iso, span } from "./time-text.ts"

const USAGE =
  "lockgate time sign <nonce or signed time> --key (<pem> | pkcs11:<token> [--pin-file <file>]) [--within <seconds>] [--at <time>] [--lower] [--out <file>]"
const OPTIONS = {
  key: { type: "string" },
  "pin-file": { type: "string" },
  within: { type: "string" },
  at: { type: "string" },
  lower: { type: "boolean" },
  out: { type: "string" },
} as const
const WITHIN_SECONDS = 5

/**
 * `lockgate time sign`: this machine's time, signed in answer to a gateway's nonce; of a signed time, a second signature over
 * the very same bytes, after it was told what they say. Needs no gateway: it happens where the key is.
 */
export async function timeSign(args: readonly string[], io: CliIo, nowAt = () => Date.now()): Promise<number> {
  const read = readArguments(args, OPTIONS, 1, USAGE, io)
  if (read === null) return 2
  const { key: keyFile, within = String(WITHIN_SECONDS), at, lower = false, out } = read.values
  const file = read.positionals[0] ?? ""
  const seconds = /^\d{1,5}(\.\d{1,3})?$/.test(within) ? Number(within) : NaN
  const givenAt = at === undefined ? null : Date.parse(at)
  if (keyFile === undefined || !(seconds <= 86_400) || Number.isNaN(givenAt)) {
    const fault = keyFile === undefined ? "--key is needed" : Number.isNaN(givenAt) ? "--at is no time such as 2026-11-23T09:30:00Z" : "--within takes 0..86400 seconds" // prettier-ignore
    io.err(`${fault}\nusage: ${USAGE}\n`)
    return 2
  }
  const text = await readText(file, MAX_SIGNED_TIME_LENGTH)
  if (!text.ok) return tellFaults(text.faults, io)
  const key = await readKeyFile(keyFile, io, read.values["pin-file"])
  if (key === null) return 2
  try {
    const asked = nonceIn(text.value)
    let signed: string
    if (asked === null) {
      const { gateway, at: statedAt, withinMs, purpose } = readSignedTime(text.value)
      const offMs = nowAt() - statedAt
      const off = `this machine's clock is ${span(Math.abs(offMs))} ${offMs < 0 ? "before" : "after"} that`
      io.err(
        printable(`approving for ${gateway}: ${purpose} ${iso(statedAt)}, give or take ${span(withinMs)}; ${off}\n`),
      )
      signed = await approveTime(text.value, key)
    } else {
      const purpose = lower ? "lower" : "set"
      // Read last: what is signed is the time now.
      const statement = { ...asked, withinMs: seconds * 1000, purpose, at: givenAt ?? nowAt() } as const
      signed = await signTime(statement, key)
      io.err(
        printable(
          `signed for ${asked.gateway}: ${purpose} ${iso(statement.at)}, give or take ${span(seconds * 1000)}\n`,
        ),
      )
    }
    return (await writeBundle(signed, out, io)) ? 0 : 1
  } catch (error) {
    return tellError(file, error, io)
  }
}

/** Gateway and nonce as `lockgate time nonce` wrote them; null if it is something else. */
function nonceIn(text: string): { readonly gateway: string; readonly nonce: string } | null {
  try {
    const value = JSON.parse(text) as { gateway?: unknown; nonce?: unknown }
    const { gateway, nonce } = value
    return typeof gateway === "string" && typeof nonce === "string" && NONCE.test(nonce) ? { gateway, nonce } : null
  } catch {
    return null
  }
}
