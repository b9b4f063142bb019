/**
 * A refusal: a cosigner says why it did not cosign, in a note signed with the same key.
 *
 *     lockgate-refusal/v1
 *     log <origin>
 *     reason <word>
 *     known <size> <root, base64>            or: known -
 *     shown <size> <root, base64>            or: shown -
 *     known-note <base64>                    both are there for `rewind` and `fork`: each signed by the log, together they
 *     shown-note <base64>                    convict it, whatever the cosigner is worth
 *
 *     — <cosigner> base64(key id || time || Ed25519), as for a cosignature
 *
 * The text can never be read as a checkpoint, for its second line is no number: no refusal is ever taken for a cosignature.
 */
import { InputError } from "../../base/errors.ts"
import { fromBase64, toBase64 } from "../tlog/base64.ts"
import type { Checkpoint } from "../tlog/checkpoint.ts"
import { HASH_BYTES, type Sha256 } from "../tlog/hash.ts"
import {
  cosignatureTime,
  encodeCosignature,
  encodeNote,
  keyIdOf,
  parseNote,
  verifyNote,
  type NoteKey,
} from "../tlog/note.ts"
import { isAccusation, REFUSALS, type NoteFunctions, type Refusal } from "./cosigner.ts"

const HEAD = "lockgate-refusal/v1"
/** Longer notes are not enclosed: a log's own have three lines or four. */
const MAX_ENCLOSED = 16 * 1024

/** A size and root as they are spoken of. */
export type TreeSaid = Pick<Checkpoint, "size" | "root">

/** What a refusal says. */
export interface RefusalStatement {
  /** Of the log. */
  readonly origin: string
  readonly reason: Refusal
  /** What the cosigner knew; null for nothing. */
  readonly known: TreeSaid | null
  /** What it was shown, if the log had signed it. */
  readonly shown: TreeSaid | null
  /** The signed notes that convict the log; null but for accusations. */
  readonly evidence: { readonly known: string; readonly shown: string } | null
}

/** A refusal that was verified. */
export interface ReadRefusal extends RefusalStatement {
  readonly by: NoteKey
  /** Milliseconds since 1970: at least so late it was. */
  readonly at: number
}

/** The text that a cosigner signs (with `cosignedMessage`). */
export function encodeRefusal({ origin, reason, known, shown, evidence }: RefusalStatement): string {
  const tree = (one: TreeSaid | null): string => (one === null ? "-" : `${one.size} ${toBase64(one.root)}`)
  const enclosed = (note: string): string => toBase64(new TextEncoder().encode(note))
  const lines = [HEAD, `log ${origin}`, `reason ${reason}`, `known ${tree(known)}`, `shown ${tree(shown)}`]
  const [first, second] = evidence === null ? ["", ""] : [evidence.known, evidence.shown]
  if (isAccusation(reason) && first !== "" && first.length <= MAX_ENCLOSED && second.length <= MAX_ENCLOSED)
    lines.push(`known-note ${enclosed(first)}`, `shown-note ${enclosed(second)}`)
  return `${lines.join("\n")}\n`
}

/** The note of a refusal; `ed25519` is over `cosignedMessage(text, atSeconds)`. */
export function signedRefusal(
  sha256: Sha256,
  text: string,
  key: NoteKey,
  atSeconds: number,
  ed25519: Uint8Array,
): string {
  const signature = encodeCosignature(atSeconds, ed25519)
  return encodeNote(text, [{ name: key.name, keyId: keyIdOf(sha256, key), signature }])
}

/**
 * A refusal by `cosigner` of a checkpoint of `origin`, verified; null if it bears no line by it or speaks of another log.
 *
 * @throws InputError `ERR_NOTE`, `ERR_NOTE_SIGNATURE`, `ERR_REFUSAL`
 */
export async function readRefusal(
  { sha256, verify }: NoteFunctions,
  origin: string,
  cosigner: NoteKey,
  text: string,
): Promise<ReadRefusal | null> {
  const note = parseNote(text)
  const [line] = await verifyNote(sha256, note, [cosigner], verify)
  const at = line === undefined ? null : cosignatureTime(line.signature)
  if (at === null || cosigner.type !== "cosignature") return null
  const said = parseRefusal(note.text)
  return said.origin === origin ? { ...said, by: cosigner, at: at * 1000 } : null
}

/** @throws InputError `ERR_REFUSAL` */
export function parseRefusal(text: string): RefusalStatement {
  const [head, log, why, known, shown, ...rest] = text.split("\n")
  const reason = REFUSALS.find((one) => why === `reason ${one}`)
  const origin = valueOf("log", log)
  if (head !== HEAD || reason === undefined || origin === "" || rest.at(-1) !== "") throw wrong()
  const said = { origin, reason, known: treeIn(valueOf("known", known)), shown: treeIn(valueOf("shown", shown)) }
  if (rest.length === 1) return { ...said, evidence: null }
  if (rest.length !== 3 || !isAccusation(reason)) throw wrong()
  const evidence = {
    known: enclosedIn(valueOf("known-note", rest[0])),
    shown: enclosedIn(valueOf("shown-note", rest[1])),
  }
  return { ...said, evidence }
}

function wrong(): InputError {
  return new InputError("ERR_REFUSAL", "not a refusal")
}

function valueOf(key: string, line = ""): string {
  if (!line.startsWith(`${key} `)) throw wrong()
  return line.slice(key.length + 1)
}

function treeIn(value: string): TreeSaid | null {
  if (value === "-") return null
  const [count = "", encoded = "", ...more] = value.split(" ")
  const root = fromBase64(encoded)
  const size = Number(count)
  const isSize = /^(0|[1-9][0-9]{0,15})$/.test(count) && Number.isSafeInteger(size)
  if (!isSize || root?.length !== HASH_BYTES || more.length > 0) throw wrong()
  return { size, root }
}

function enclosedIn(value: string): string {
  const bytes = fromBase64(value)
  if (bytes === null || bytes.length === 0 || bytes.length > 2 * MAX_ENCLOSED) throw wrong()
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw wrong()
  }
}
