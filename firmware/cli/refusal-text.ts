import { openReadOnlyStorage } from "../../hal/linux/storage.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import type { Entry } from "../../policy/audit/entry.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import type { CommandAnswer, CommandErrorCode } from "../../policy/command/port.ts"
import { createLogReader } from "../audit/reader.ts"
import { printable } from "./text.ts"

/** What a code means to the person who reads it; the log has the rest. */
const MEANING: Readonly<Record<CommandErrorCode, string>> = {
  ERR_COMMAND_MALFORMED: "the gateway could not read the request",
  ERR_COMMAND_UNKNOWN: "the gateway has no such command: it may be of another version",
  ERR_COMMAND_ARGUMENT: "the gateway does not take these arguments",
  ERR_NOT_AUTHENTICATED: "the gateway does not know who asks",
  ERR_NOT_PERMITTED: "this is not permitted to who asks",
  ERR_COMMAND_FAILED: "the gateway failed; `lockgate status` shows what holds now",
  ERR_COMMAND_STATE: "this is not possible now",
  ERR_SECOND_FACTOR: "this asks for a second factor: a key on a token, or a key and a password",
  ERR_NOT_PRESENT: "this asks for a person at the gateway, and its inputs do not show one",
  ERR_APPROVAL_NEEDED: "this waits for a second person",
  ERR_ANSWER_TOO_LARGE: "it was done, but the answer is too large for this way: ask at the gateway itself",
  ERR_POLICY_REFUSED: "the gateway refused the policy; nothing has changed",
}

/**
 * Why a gateway refused, in a line. The answer itself holds a code alone; whoever may read the log in `stateFolder` reads
 * the sentence there.
 *
 * @see IEC 62443-4-2 CR 3.7
 */
export async function refusalText(
  answer: Extract<CommandAnswer, { ok: false }>,
  stateFolder: string | null,
): Promise<string> {
  const meaning = Object.hasOwn(MEANING, answer.code) ? MEANING[answer.code] : "the gateway refused"
  if (answer.entry === null) return `${meaning} (${answer.code})\n`
  const entry = stateFolder === null ? null : await entryAt(stateFolder, answer.entry)
  const text = entry?.detail?.["text"]
  if (typeof text === "string") {
    return printable(`${meaning}: ${text} (${answer.code}, entry ${answer.entry} of the audit log)`) + "\n"
  }
  const where = entry === null ? ": lockgate audit tail --config <gateway.yaml>" : ""
  return `${meaning} (${answer.code}); entry ${answer.entry} of the audit log says why${where}\n`
}

/** That entry of a log, or null if this user cannot read it. */
async function entryAt(stateFolder: string, seq: number): Promise<Entry | null> {
  try {
    const { entries } = await createLogReader(openReadOnlyStorage(stateFolder)).bundle(Math.floor(seq / BUNDLE_ENTRIES))
    return entries.find(({ entry }) => entry.seq === seq)?.entry ?? null
  } catch (error) {
    if (error instanceof LockgateError && error.kind !== "invariant") return null
    throw error
  }
}
