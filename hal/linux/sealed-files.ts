import type { SealedKind } from "../sealed-file.ts"
import type { Storage } from "../storage.ts"
import { nodeKeyFunctions } from "./key-functions.ts"
import {
  eraseSealFile,
  keySealOf,
  newSalt,
  readSealFile,
  writeSealFile,
  type KeySeal,
  type SealFile,
} from "./key-seal.ts"

const FOLDER = "identity/keys"
/** Names of format 2, and of format 1, which was not encrypted. */
const ENDINGS: Readonly<Record<SealedKind, { readonly now: string; readonly before: string }>> = {
  key: { now: "key", before: "pem" },
  secret: { now: "seed", before: "secret" },
  memory: { now: "kept", before: "memory" },
}
const NAME = /^([a-z0-9-]{1,32})\.(?:key|pem|seed|secret|kept|memory)$/

/** The encrypted files of one key store. Slots are checked by the caller. */
export interface SealedFiles {
  /** What the file holds; null if there is none. @throws IntegrityError `ERR_KEY_DAMAGED` naming the slot */
  read(kind: SealedKind, slot: string): Promise<Uint8Array | null>
  /** On disk before this resolves. Moves a store of format 1 over first. `open` stays readable beside the ciphertext. */
  write(kind: SealedKind, slot: string, bytes: Uint8Array, open?: Uint8Array): Promise<void>
  slots(): Promise<readonly string[]>
  erase(slot: string): Promise<void>
  /** From then on no file opens; the next write begins a new store. */
  eraseSalt(): Promise<void>
}

/**
 * Encrypted files under `identity/keys`, closed by `keySealOf(boundTo, salt)`.
 *
 * | `identity/seal` | reads                        | the first write                              |
 * |-----------------|------------------------------|----------------------------------------------|
 * | none            | format 1                     | makes a salt; moves what there is of format 1 |
 * | moving          | format 2, else format 1      | moves the rest: closes, then erases the old   |
 * | sealed          | format 2 alone               | writes                                        |
 *
 * Reading changes nothing on disk. Once sealed, a file of format 1 that turns up is not believed.
 */
export function createSealedFiles(storage: Storage, boundTo: string): SealedFiles {
  let known: { readonly file: SealFile; readonly seal: KeySeal } | null = null
  let moving: Promise<KeySeal> | null = null

  async function sealFile(): Promise<{ readonly file: SealFile; readonly seal: KeySeal } | null> {
    if (known?.file.state === "sealed") return known
    const file = await readSealFile(storage)
    known = file === null ? null : { file, seal: keySealOf(boundTo, file.salt) }
    return known
  }

  async function before(kind: SealedKind, slot: string): Promise<Uint8Array | null> {
    return storage.read(pathOf(slot, ENDINGS[kind].before))
  }

  async function prepare(): Promise<KeySeal> {
    const found = await sealFile()
    if (found?.file.state === "sealed") return found.seal
    const salt = found?.file.salt ?? newSalt()
    const seal = keySealOf(boundTo, salt)
    const old = (await storage.list(FOLDER)).filter((name) => /\.(?:pem|secret|memory)$/.test(name) && NAME.test(name))
    if (found === null && old.length > 0) await writeSealFile(storage, { state: "moving", salt })
    for (const name of old) await move(name, seal)
    await writeSealFile(storage, { state: "sealed", salt })
    known = { file: { state: "sealed", salt }, seal }
    return seal
  }

  /** The new file first, so that a cut leaves both or the new one. What it holds already is newer than the old one. */
  async function move(name: string, seal: KeySeal): Promise<void> {
    const [slot, ending] = name.split(".") as [string, string]
    const kind = (["key", "secret", "memory"] as const).find((one) => ENDINGS[one].before === ending) ?? "key"
    const path = pathOf(slot, ENDINGS[kind].now)
    const bytes = await before(kind, slot)
    if (bytes !== null && (await storage.read(path)) === null) {
      await storage.write(path, seal.close(kind, slot, bytes, kind === "key" ? publicHalf(bytes) : undefined))
    }
    await storage.erase(`${FOLDER}/${name}`)
  }

  function prepared(): Promise<KeySeal> {
    moving ??= prepare().finally(() => {
      moving = null
    })
    return moving
  }

  return {
    async read(kind, slot) {
      const found = await sealFile()
      const bytes = await storage.read(pathOf(slot, ENDINGS[kind].now))
      // Without its salt a file cannot be opened, but it is not nothing: under any other it says so.
      if (bytes !== null) return (found?.seal ?? keySealOf(boundTo, newSalt())).open(kind, slot, bytes).bytes
      if (found?.file.state === "sealed") return null
      const old = await before(kind, slot)
      // A write may have moved it in the meantime.
      return old ?? (known === null && (await sealFile()) !== null ? this.read(kind, slot) : null)
    },

    async write(kind, slot, bytes, open) {
      const seal = await prepared()
      await storage.write(pathOf(slot, ENDINGS[kind].now), seal.close(kind, slot, bytes, open))
    },

    async slots() {
      const names = await storage.list(FOLDER)
      return [...new Set(names.flatMap((name) => NAME.exec(name)?.[1] ?? []))].sort()
    },

    async erase(slot) {
      for (const { now, before: old } of Object.values(ENDINGS)) {
        await storage.erase(pathOf(slot, now))
        await storage.erase(pathOf(slot, old))
      }
    },

    async eraseSalt() {
      known = null
      await eraseSealFile(storage)
    },
  }
}

/** Empty where the key is damaged: it is moved as it is, and says so when it is asked for. */
function publicHalf(pem: Uint8Array): Uint8Array {
  try {
    return nodeKeyFunctions.publicKeyOf(Buffer.from(pem).toString("latin1"))
  } catch {
    return new Uint8Array()
  }
}

function pathOf(slot: string, ending: string): string {
  return `${FOLDER}/${slot}.${ending}`
}
