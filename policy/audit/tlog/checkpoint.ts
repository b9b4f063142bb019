/**
 * Checkpoints: what a log says of itself, the text of a signed note.
 *
 *     <origin: names the log>
 *     <number of entries, decimal>
 *     <root, base64>
 *     [further lines, ours have none]
 *
 * @see C2SP tlog-checkpoint
 */
import { InputError } from "../../base/errors.ts"
import { fromBase64, toBase64 } from "./base64.ts"
import { HASH_BYTES } from "./hash.ts"

/** A tree as its log says it stands. */
export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

/** How the log of a gateway names itself; the first line of its checkpoints and the name of its key. */
export function originOf(gateway: string): string {
  return `lockgate/${gateway}/log`
}

/** The text of a note. */
export function encodeCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`
}

/** @throws InputError `ERR_CHECKPOINT` */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = "", count = "", encoded = "", ...rest] = text.split("\n")
  const root = fromBase64(encoded)
  const size = Number(count)
  const isWhole = /^(0|[1-9][0-9]{0,15})$/.test(count) && Number.isSafeInteger(size) && rest.at(-1) === ""
  if (origin === "" || !isWhole || root?.length !== HASH_BYTES || rest.slice(0, -1).includes(""))
    throw new InputError("ERR_CHECKPOINT", "not a checkpoint")
  return { origin, size, root }
}
