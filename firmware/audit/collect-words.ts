/** What a collector tells people of a log, where it is not simply up to date. */
import type { IntegrityError } from "../../policy/base/errors.ts"
import type { Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import type { Refusal } from "../../policy/audit/witness/cosigner.ts"
import { nodeSha256 } from "./note-functions.ts"

/** The log shown is another one than the one that is held. */
export function forkText({ size }: Pick<Checkpoint, "size">): string {
  return `FORKED: the log shown, of ${size} entries, does not begin with the entries that this copy holds`
}

/** The oldest entries of a copy were taken out of the store. */
export function lostText(from: number, first: number): string {
  return `entries ${from} to ${first - 1} were in this copy, and are gone from the store: find out who took them away`
}

/** Entries are gone before anybody had them. */
export function gapText(error: IntegrityError, size: number, gateway: string): string {
  return (
    `the gateway has given up entries after ${size} that nobody had collected (${error.message}): this copy ends there. ` +
    `Move logs/${gateway} and known/${gateway} of the store elsewhere to begin another one`
  )
}

/** Why a checkpoint was not taken. */
export function refusalText(reason: Refusal, keys: readonly NoteKey[]): string {
  const names = keys.map((key) => encodeNoteKey(nodeSha256, key).slice(0, 60)).join(", ")
  switch (reason) {
    case "malformed":
      return "what the broker shows is no checkpoint"
    case "other-log":
      return "the broker shows the checkpoint of another log"
    case "unknown-key":
      return `the checkpoint is not signed by the key that was given (${names}...): was the key changed?`
    case "bad-signature":
      return "the signature of the checkpoint is wrong"
    case "proof-missing":
    case "proof-invalid":
      return "the tiles shown do not prove that the log only grew"
    case "rewind":
    case "fork":
      return "the log does not go on from what was known"
  }
}

/** What was published is not to be read there. */
export function unheardText(entries: string, topic: string): string {
  return `${entries} are here, and nobody hears of it: the broker drops what is published at ${topic}. Let this collector write there (lockgate audit acl --collector)`
}
