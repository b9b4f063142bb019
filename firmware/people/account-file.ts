import { createHmac, timingSafeEqual, createHash } from "node:crypto"
import type { KeyStore } from "../../hal/key-store.ts"
import type { Storage } from "../../hal/storage.ts"
import { IntegrityError } from "../../policy/base/errors.ts"
import { NOBODY, PEOPLE_BOUNDS, type Account, type People } from "../../policy/people/account.ts"

/** Where the accounts lie. */
export const ACCOUNTS_FILE = "people/accounts.json"
/** Slot of the key store: its secret seals the file, its memory says which file is the newest. */
const SLOT = "people"
/** Longer than any file that the bounds allow. */
const MAX_BYTES = 4 * 1024 * 1024
const SEAL_CHARS = 43
const BEFORE_SEAL = ',"seal":"'
const AFTER_SEAL = '"}\n'

/** The accounts on disk. Calls of `save` must not overlap. */
export interface AccountFile {
  /**
   * What was saved last; `NOBODY` if nothing ever was. A file that a power cut left behind its memory is taken, and remembered.
   *
   * @throws IntegrityError `ERR_ACCOUNTS_DAMAGED`: not what was written here; `ERR_ACCOUNTS_MISSING`; `ERR_ACCOUNTS_OLD`: an earlier
   *   file was put back
   * @throws HardwareError `ERR_IO`
   */
  load(): Promise<People>
  /** On disk, and remembered, before this resolves. After a failure the old or the new is found by the next `load`. @throws HardwareError `ERR_IO` */
  save(people: People): Promise<void>
}

/**
 * The file of accounts, format 1: one JSON object, whose last member seals what stands before it.
 *
 *     {"format":1,"revision":7,"accounts":[...],"retired":[...],"seal":"<HMAC-SHA-256, base64url>"}
 *
 * The seal is made with a secret of the key store, so that whoever edits the file is found out. Which revision is the newest is
 * remembered by the key store, after the file is on disk: an earlier file that is put back is found as long as the key store is
 * not put back with it. Then the log tells, whose own memory went back as well.
 *
 * @see IEC 62443-4-2 CR 1.3, CR 1.5, CR 3.4
 */
export function createAccountFile(
  storage: Pick<Storage, "read" | "write">,
  keyStore: Pick<KeyStore, "secret" | "remember" | "recall">,
): AccountFile {
  let revision = 0
  const remember = (bytes: Uint8Array): Promise<void> =>
    keyStore.remember(SLOT, new TextEncoder().encode(JSON.stringify({ format: 1, revision, sha256: sha256(bytes) })))
  return {
    async load() {
      const bytes = await storage.read(ACCOUNTS_FILE)
      const remembered = await keyStore.recall(SLOT)
      if (bytes === null && remembered === null) return NOBODY
      if (bytes === null) throw new IntegrityError("ERR_ACCOUNTS_MISSING", "the file of accounts is gone")
      const found = parseAccounts(bytes, await keyStore.secret(SLOT))
      const newest = remembered === null ? null : parseMemory(remembered)
      revision = found.revision
      if (newest !== null && (found.revision < newest.revision || isOther(found.revision, bytes, newest))) {
        throw new IntegrityError("ERR_ACCOUNTS_OLD", "an earlier file of accounts was put back")
      }
      // A power cut came between the file and the memory of it: nobody was told that it is saved, but it is.
      if (found.revision !== newest?.revision) await remember(bytes)
      return found.people
    },
    async save(people) {
      // Also a file that may or may not have been written has its number: the next is newer than either.
      revision++
      const bytes = encodeAccounts(revision, people, await keyStore.secret(SLOT))
      await storage.write(ACCOUNTS_FILE, bytes)
      await remember(bytes)
    },
  }
}

/** The bytes of the file. */
export function encodeAccounts(revision: number, people: People, secret: Uint8Array): Uint8Array {
  const body = JSON.stringify({ format: 1, revision, accounts: people.accounts, retired: people.retired })
  return new TextEncoder().encode(body.slice(0, -1) + BEFORE_SEAL + sealOf(body, secret) + AFTER_SEAL)
}

/** What stands in it. @throws IntegrityError `ERR_ACCOUNTS_DAMAGED` for anything that was not written with this secret */
export function parseAccounts(
  bytes: Uint8Array,
  secret: Uint8Array,
): { readonly revision: number; readonly people: People } {
  const tail = BEFORE_SEAL.length + SEAL_CHARS + AFTER_SEAL.length
  if (bytes.length > MAX_BYTES || bytes.length < tail) throw damaged()
  // As bytes: two texts that differ may not become one by replacement characters.
  const body = Buffer.concat([bytes.subarray(0, -tail), Buffer.from("}")])
  const wanted = Buffer.from(BEFORE_SEAL + sealOf(body, secret) + AFTER_SEAL)
  if (!timingSafeEqual(wanted, bytes.subarray(-tail))) throw damaged()
  const value = JSON.parse(body.toString("utf8")) as {
    readonly format: number
    readonly revision: number
    readonly accounts: readonly Account[]
    readonly retired: People["retired"]
  }
  // Whoever could seal it wrote it: a release that knows another format, or this one.
  const { format, revision, accounts, retired } = value
  if (format !== 1 || !Number.isSafeInteger(revision) || !Array.isArray(accounts) || !Array.isArray(retired))
    throw damaged()
  if (accounts.length > PEOPLE_BOUNDS.accounts || accounts.length + retired.length > PEOPLE_BOUNDS.ever) throw damaged()
  return { revision, people: { accounts, retired } }
}

interface Memory {
  readonly revision: number
  readonly sha256: string
}

/** What the key store remembers; what is not of this form is a damage, too. */
function parseMemory(bytes: Uint8Array): Memory {
  try {
    const { format, revision, sha256 } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
    if (format === 1 && typeof revision === "number" && typeof sha256 === "string") return { revision, sha256 }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw damaged()
}

/** Whether a file has the number of the newest, and is another one. */
function isOther(revision: number, bytes: Uint8Array, newest: Memory): boolean {
  return revision === newest.revision && sha256(bytes) !== newest.sha256
}

function sealOf(body: string | Uint8Array, secret: Uint8Array): string {
  return createHmac("sha256", secret).update("lockgate accounts 1\n").update(body).digest("base64url")
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex")
}

function damaged(): IntegrityError {
  return new IntegrityError("ERR_ACCOUNTS_DAMAGED", "the file of accounts is not what the gateway wrote")
}
