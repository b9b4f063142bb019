import { InputError, LockgateError, StateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { CHUNK_BYTES, MAX_TRANSFER_BYTES } from "../../policy/command/transfer.ts"
import type { AppendFile, Storage } from "../../hal/storage.ts"
import { refusedEvent } from "./activation-events.ts"
import { encodePiece, hashOf, readPieces } from "./part-file.ts"
import { createQueue } from "./queue.ts"
import { refused } from "./refusal.ts"

/**
 * Bundles that are too large for one command, on their way in: each is known by the SHA-256 of its bytes and lies in
 * `incoming/<hash>.part` until it is whole, and used or dropped.
 *
 * Nothing of it is parsed before the hash over the whole was found right. A piece is on disk before it is acknowledged, so
 * a transfer goes on where it stopped, after a broken connection, a killed process or a power cut.
 *
 * @see IEC 62443-4-2 CR 7.1: at most two transfers, each of a bounded size
 */
export interface Incoming {
  /**
   * How much of this bundle is here. With it a transfer begins or goes on: `chunk` may follow.
   * @throws InputError `ERR_TRANSFER` if that is no hash or no length. @throws HardwareError `ERR_IO`
   */
  offer(hash: string, length: number): Promise<{ readonly have: number }>
  /**
   * The next piece, base64: all of them `CHUNK_BYTES` long but the last. One that does not begin where the last ended is not
   * written; the answer says where to go on. After a failure nothing that was acknowledged is lost: offer it again.
   *
   * @throws StateError `ERR_NO_OFFER`
   * @throws InputError `ERR_CHUNK`; `ERR_POLICY_REFUSED` (reason `ERR_BUNDLE_HASH`) if the whole is not what was offered: it
   *   is removed and audited. @throws HardwareError `ERR_IO`
   */
  chunk(hash: string, offset: number, data: string, by: string | null): Promise<{ readonly have: number }>
  /** The text of a bundle that is here whole. @throws StateError `ERR_TRANSFER_INCOMPLETE` @throws HardwareError `ERR_IO` */
  take(hash: string): Promise<string>
  /** It is used: gone with it. What cannot be removed now is dropped when another transfer begins. */
  done(hash: string): Promise<void>
}

/** What transfers stand on. */
export interface IncomingDeps {
  readonly storage: Storage
  readonly audit: (event: AuditEvent) => Promise<number>
}

interface Transfer {
  readonly length: number
  have: number
  /** Null until the first piece is written: an offer alone leaves nothing on the disk. */
  file: AppendFile | null
}

/** Transfers at a time; when a third begins, the oldest is dropped. */
export const MAX_TRANSFERS = 2

const FOLDER = "incoming"
const HASH = /^[0-9a-f]{64}$/
const pathOf = (hash: string): string => `${FOLDER}/${hash}.part`

/** The place where large bundles arrive. Nothing is opened before the first offer. */
export function createIncoming({ storage, audit }: IncomingDeps): Incoming {
  /** In order of their last offer, the oldest first. */
  const transfers = new Map<string, Transfer>()
  const inTurn = createQueue()

  const forget = async (hash: string): Promise<void> => {
    const file = transfers.get(hash)?.file
    transfers.delete(hash)
    await file?.close()
  }
  const drop = async (hash: string): Promise<void> => {
    await forget(hash)
    await storage.remove(pathOf(hash))
  }

  /** What is on disk of it; a torn tail, and what cannot belong to it, is cut off. */
  const open = async (hash: string, length: number): Promise<Transfer> => {
    const bytes = await storage.read(pathOf(hash))
    if (bytes === null) return { length, have: 0, file: null }
    const { pieces, have, end } = readPieces(bytes)
    const wrong =
      have > length || (have < length && have % CHUNK_BYTES !== 0) || (have === length && hashOf(pieces) !== hash)
    const file = await storage.openAppend(pathOf(hash))
    const keep = wrong ? 0 : end
    try {
      if (file.size !== keep) await file.truncate(keep)
    } catch (error) {
      await file.close().catch(() => undefined)
      throw error
    }
    return { length, have: wrong ? 0 : have, file }
  }

  /** Room for one that begins: what is whole and unused goes, then the oldest. */
  const makeRoom = async (hash: string): Promise<void> => {
    const names = await storage.list(FOLDER)
    const found = names.flatMap((name) => /^([0-9a-f]{64})\.part$/.exec(name)?.[1] ?? [])
    const order = [...transfers.keys()]
    const others = found.filter((other) => other !== hash).sort((a, b) => order.indexOf(a) - order.indexOf(b))
    const isWhole = (other: string): boolean => {
      const known = transfers.get(other)
      return known !== undefined && known.have === known.length
    }
    const unfinished = others.filter((other) => !isWhole(other))
    for (const other of others.filter(isWhole)) await drop(other)
    // Those of before a restart are in no order of ours: they count as the oldest.
    for (const other of unfinished.slice(0, Math.max(0, unfinished.length - (MAX_TRANSFERS - 1)))) await drop(other)
  }

  const offer = async (hash: string, length: number): Promise<{ have: number }> => {
    if (!HASH.test(hash) || !(length >= 1 && length <= MAX_TRANSFER_BYTES)) {
      throw new InputError("ERR_TRANSFER", "an offer is not by a SHA-256 in hex and a length in its bounds")
    }
    const known = transfers.get(hash)
    const transfer = known?.length === length ? known : await reopened(hash, length)
    transfers.delete(hash)
    transfers.set(hash, transfer)
    // Offers alone cost nothing but their names; they are bounded all the same.
    for (const [other, { file }] of transfers) {
      if (transfers.size <= 2 * MAX_TRANSFERS) break
      if (file === null) transfers.delete(other)
    }
    return { have: transfer.have }
  }
  const reopened = async (hash: string, length: number): Promise<Transfer> => {
    await forget(hash)
    return open(hash, length)
  }

  const write = async (hash: string, transfer: Transfer, piece: Uint8Array): Promise<void> => {
    try {
      if (transfer.file === null) {
        await makeRoom(hash)
        transfer.file = await storage.openAppend(pathOf(hash))
      }
      await transfer.file.append(encodePiece(piece))
    } catch (error) {
      // What the file holds now is not known: the next offer looks.
      if (error instanceof LockgateError && error.kind === "hardware") await forget(hash).catch(() => undefined)
      throw error
    }
    transfer.have += piece.length
  }

  const chunk = async (hash: string, offset: number, data: string, by: string | null): Promise<{ have: number }> => {
    const transfer = transfers.get(hash)
    if (transfer === undefined) throw new StateError("ERR_NO_OFFER", "this bundle was not offered, or has been dropped")
    if (offset !== transfer.have || transfer.have === transfer.length) return { have: transfer.have }
    const piece = Buffer.from(data, "base64")
    const expected = Math.min(CHUNK_BYTES, transfer.length - offset)
    if (piece.length !== expected || piece.toString("base64") !== data) {
      throw new InputError("ERR_CHUNK", `the piece is not ${expected} bytes in base64`)
    }
    await write(hash, transfer, piece)
    if (transfer.have === transfer.length && (await wholeOf(hash)) === null) {
      await drop(hash)
      const error = refused("ERR_BUNDLE_HASH", "what arrived is not what was offered", { offered: hash })
      await audit(refusedEvent(error, by)).catch(() => undefined)
      throw error
    }
    return { have: transfer.have }
  }

  /** The pieces if they are what the name says. */
  const wholeOf = async (hash: string): Promise<readonly Uint8Array[] | null> => {
    const bytes = HASH.test(hash) ? await storage.read(pathOf(hash)) : null
    if (bytes === null) return null
    const { pieces } = readPieces(bytes)
    return hashOf(pieces) === hash ? pieces : null
  }

  return {
    offer: (hash, length) => inTurn(() => offer(hash, length)),
    chunk: (hash, offset, data, by) => inTurn(() => chunk(hash, offset, data, by)),
    take: (hash) =>
      inTurn(async () => {
        const pieces = await wholeOf(hash)
        if (pieces === null) throw new StateError("ERR_TRANSFER_INCOMPLETE", "no such bundle is here whole")
        return new TextDecoder().decode(Buffer.concat(pieces))
      }),
    done: (hash) =>
      inTurn(async () => {
        try {
          await drop(hash)
        } catch (error) {
          if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
        }
      }),
  }
}
