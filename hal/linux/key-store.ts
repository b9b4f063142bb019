import { readFile } from "node:fs/promises"
import { IntegrityError, StateError } from "../../policy/base/errors.ts"
import { checkMemory, checkSlot, sameBytes } from "../key-functions.ts"
import type { KeyStore } from "../key-store.ts"
import type { Storage } from "../storage.ts"
import { errnoOf, ioError } from "./durable.ts"
import { nodeKeyFunctions, signerOf } from "./key-functions.ts"
import { certificatesOfPem, pemOfCertificates } from "./pem.ts"

/** A key and its chain that lie outside the state folder, e.g. put there by the plant's own tooling. PEM files. */
export interface KeyFiles {
  readonly keyFile: string
  readonly certificateFile: string
}

/**
 * Keys in files: PKCS#8 PEM, mode 0600, under `identity/keys/`, chains under `identity/certificates/` of the storage.
 *
 * Slots named in `fixed` are read from the files given, each time anew, and cannot be written. A chain is handed out
 * only while its leaf is for the key that the slot holds, so that a crash between the two files shows as "none".
 *
 * Beyond the port: a fixed slot whose file cannot be read throws HardwareError `ERR_IO`; writing one throws StateError
 * `ERR_KEY_READ_ONLY`; a slot name out of form throws StateError `ERR_KEY_SLOT`.
 *
 * @see IEC 62443-4-2 CR 1.5
 */
export function createFileKeyStore(storage: Storage, fixed: Readonly<Record<string, KeyFiles>> = {}): KeyStore {
  const fixedSlots = new Map(Object.entries(fixed))
  /** Own keys that have signed: the log signs with each batch, and nobody but this store writes them. */
  const signers = new Map<string, ReturnType<typeof signerOf>>()

  function writable(slot: string): void {
    if (fixedSlots.has(slot)) {
      throw new StateError("ERR_KEY_READ_ONLY", `key slot ${slot} is a file of the board's owner`, { detail: { slot } })
    }
    checkSlot(slot)
  }

  async function text(slot: string, what: "key" | "certificate"): Promise<string | null> {
    const files = fixedSlots.get(slot)
    if (files !== undefined) return readOutside(what === "key" ? files.keyFile : files.certificateFile)
    checkSlot(slot)
    const bytes = await storage.read(what === "key" ? keyPath(slot) : certificatePath(slot))
    return bytes === null ? null : Buffer.from(bytes).toString("latin1")
  }

  async function privateKey(slot: string): Promise<string> {
    const pem = await text(slot, "key")
    if (pem === null) throw new StateError("ERR_KEY_MISSING", `no key in slot ${slot}`, { detail: { slot } })
    return pem
  }

  async function publicKey(slot: string): Promise<Uint8Array | null> {
    const pem = await text(slot, "key")
    return pem === null ? null : nodeKeyFunctions.publicKeyOf(pem)
  }

  async function slots(): Promise<readonly string[]> {
    const names = await storage.list(KEYS)
    return [
      ...new Set(names.flatMap((name) => /^([a-z0-9-]{1,32})\.(?:pem|secret|memory)$/.exec(name)?.[1] ?? [])),
    ].sort()
  }

  async function erase(slot: string): Promise<void> {
    writable(slot)
    signers.delete(slot)
    const files = [keyPath(slot), secretPath(slot), memoryPath(slot), certificatePath(slot)]
    for (const path of files) await storage.erase(path)
    for (const path of files) if ((await storage.read(path)) !== null) throw notErased(slot)
  }

  return {
    protection: "file",
    publicKey,

    async generate(slot, algorithm) {
      writable(slot)
      const { pkcs8Pem, spki } = await nodeKeyFunctions.generate(algorithm)
      await storage.write(keyPath(slot), Buffer.from(pkcs8Pem, "latin1"))
      signers.delete(slot)
      await storage.remove(certificatePath(slot))
      return spki
    },

    async sign(slot, data) {
      const sign = signers.get(slot) ?? signerOf(await privateKey(slot))
      if (!fixedSlots.has(slot)) signers.set(slot, sign)
      return sign(data)
    },

    async certificate(slot) {
      const [pem, spki] = [await text(slot, "certificate"), await publicKey(slot)]
      if (pem === null || spki === null) return null
      const chain = certificatesOfPem(pem)
      const leaf = chain[0]
      return leaf !== undefined && sameBytes(nodeKeyFunctions.certifiedKeyOf(leaf), spki) ? chain : null
    },

    async setCertificate(slot, chain) {
      writable(slot)
      const spki = await publicKey(slot)
      const leaf = chain[0]
      if (leaf === undefined || spki === null || !sameBytes(nodeKeyFunctions.certifiedKeyOf(leaf), spki)) {
        throw new IntegrityError("ERR_KEY_MISMATCH", `the certificate is not for the key in slot ${slot}`)
      }
      await storage.write(certificatePath(slot), Buffer.from(pemOfCertificates(chain), "latin1"))
    },

    async secret(slot) {
      checkSlot(slot)
      const known = await storage.read(secretPath(slot))
      if (known !== null && known.length === SECRET_BYTES) return known
      if (known !== null) throw new IntegrityError("ERR_KEY_DAMAGED", `the secret of key slot ${slot} is damaged`)
      const made = nodeKeyFunctions.secret()
      await storage.write(secretPath(slot), made)
      return made
    },

    async remember(slot, bytes) {
      checkSlot(slot)
      checkMemory(bytes)
      await storage.write(memoryPath(slot), bytes)
    },

    async recall(slot) {
      checkSlot(slot)
      return storage.read(memoryPath(slot))
    },

    async agree(slot, peerSpki) {
      return nodeKeyFunctions.agree(await privateKey(slot), peerSpki)
    },

    slots,

    erase,

    async eraseAll() {
      const erased = await slots()
      for (const slot of erased) await erase(slot)
      if ((await slots()).length > 0) throw notErased(erased.join(", "))
      return erased
    },

    async tlsKey(slot) {
      const pem = await privateKey(slot)
      nodeKeyFunctions.publicKeyOf(pem)
      return pem
    },
  }
}

const KEYS = "identity/keys"

function notErased(slot: string): IntegrityError {
  return new IntegrityError("ERR_KEY_NOT_ERASED", `what key slot ${slot} held is still found`, { detail: { slot } })
}

function keyPath(slot: string): string {
  return `identity/keys/${slot}.pem`
}

const SECRET_BYTES = 32

function secretPath(slot: string): string {
  return `identity/keys/${slot}.secret`
}

function memoryPath(slot: string): string {
  return `identity/keys/${slot}.memory`
}

function certificatePath(slot: string): string {
  return `identity/certificates/${slot}.pem`
}

async function readOutside(path: string): Promise<string | null> {
  try {
    return await readFile(path, "latin1")
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null
    throw ioError("read", path, error)
  }
}
