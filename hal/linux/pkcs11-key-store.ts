import { createHash, createPublicKey, randomBytes } from "node:crypto"
import { InputError, IntegrityError, StateError } from "../../policy/base/errors.ts"
import { checkSlot, sameBytes } from "../key-functions.ts"
import type { KeyStore } from "../key-store.ts"
import type { Storage } from "../storage.ts"
import { nodeKeyFunctions } from "./key-functions.ts"
import { certificatesOfPem, pemOfCertificates } from "./pem.ts"
import type { Pkcs11Token } from "./pkcs11-tool.ts"

/** What a key store with a token stands on. */
export interface Pkcs11KeyStoreOptions {
  readonly token: Pkcs11Token
  readonly storage: Storage
  /** Everything that cannot be in the token, and slots that are files of the board's owner. */
  readonly beside: KeyStore
  /** Whether the ES256 key of that slot is made in the token. Keys of TLS must not be: the process that speaks TLS needs them. */
  readonly inToken: (slot: string) => boolean
}

/** What a slot with a key in the token is known by. */
interface TokenSlot {
  readonly id: string
  readonly spki: Uint8Array
}

const FOLDER = "identity/token"
/** Before the slot, in the label of a key of ours: a token may hold others. */
const LABEL = "lockgate-"

/**
 * Keys in a PKCS#11 token, where they are made and stay. Beside it, in files: Ed25519 keys (the log signs with each batch, and a
 * token takes as long for one signature as the log for a thousand), keys of TLS (Node has no callback for them), secrets, what is
 * remembered, and certificate chains, which are public.
 *
 * A new key is made under a new id, then the slot is pointed at it, then the old one is destroyed: power lost between leaves a slot
 * with its old key or its new one. What the token signs is checked against the key that the slot had when it was made.
 *
 * `eraseAll` also takes keys of ours that no slot has any more. Beyond the port: each method may throw what `Pkcs11Token.sign` does.
 *
 * @see IEC 62443-4-2 CR 1.5 RE(1), CR 1.9 RE(1), CR 4.2
 */
export function createPkcs11KeyStore(options: Pkcs11KeyStoreOptions): KeyStore {
  const { token, storage, beside, inToken } = options

  async function slotIn(slot: string): Promise<TokenSlot | null> {
    checkSlot(slot)
    if (!inToken(slot)) return null
    const bytes = await storage.read(`${FOLDER}/${slot}`)
    return bytes === null ? null : parseSlot(bytes, slot)
  }

  async function forget(slot: string, { id }: TokenSlot): Promise<void> {
    // The token first: cut between, the slot still says which key has to go.
    await token.destroy(id)
    if ((await token.publicKeys()).some((one) => one.id === id)) throw notErased(slot)
    await storage.remove(`${FOLDER}/${slot}`)
  }

  async function tokenSlots(): Promise<readonly string[]> {
    const names = (await storage.list(FOLDER)).filter((name) => /^[a-z0-9-]{1,32}$/.test(name))
    return names.filter(inToken)
  }

  return {
    ...beside,
    protection: "pkcs11",
    async generate(slot, algorithm) {
      checkSlot(slot)
      if (algorithm !== "ES256" || !inToken(slot)) {
        const old = await slotIn(slot)
        const spki = await beside.generate(slot, algorithm)
        if (old !== null) await forget(slot, old)
        return spki
      }
      const old = await slotIn(slot).catch(() => null)
      const id = randomBytes(8).toString("hex")
      const key = await token.generate(id, `${LABEL}${slot}`)
      const spki = new Uint8Array(key.export({ type: "spki", format: "der" }))
      await storage.remove(certificatePath(slot))
      await storage.write(`${FOLDER}/${slot}`, encodeSlot({ id, spki }))
      if (old !== null) await token.destroy(old.id)
      return spki
    },

    publicKey: async (slot) => (await slotIn(slot))?.spki ?? beside.publicKey(slot),

    async sign(slot, data) {
      const found = await slotIn(slot)
      if (found === null) return beside.sign(slot, data)
      return token.sign(found.id, data, publicKeyOf(found.spki))
    },

    async agree(slot, peerSpki) {
      const found = await slotIn(slot)
      if (found === null) return beside.agree(slot, peerSpki)
      checkPeer(peerSpki)
      return token.agree(found.id, peerSpki)
    },

    slots: async () => [...new Set([...(await tokenSlots()), ...(await beside.slots())])].sort(),

    async erase(slot) {
      const found = await slotIn(slot)
      if (found !== null) await forget(slot, found)
      await beside.erase(slot)
    },

    async eraseAll() {
      const inHere = await tokenSlots()
      const isOurs = ({ label }: { readonly label: string }): boolean => label.startsWith(LABEL)
      for (const { id } of (await token.publicKeys()).filter(isOurs)) if (id !== "") await token.destroy(id)
      const left = (await token.publicKeys()).find(isOurs)
      if (left !== undefined) throw notErased(left.label)
      for (const slot of inHere) {
        await storage.remove(`${FOLDER}/${slot}`)
        await storage.erase(certificatePath(slot))
      }
      return [...new Set([...inHere, ...(await beside.eraseAll())])].sort()
    },

    async certificate(slot) {
      const found = await slotIn(slot)
      if (found === null) return beside.certificate(slot)
      const pem = await storage.read(certificatePath(slot))
      if (pem === null) return null
      const chain = certificatesOfPem(Buffer.from(pem).toString("latin1"))
      return isFor(chain, found) ? chain : null
    },

    async setCertificate(slot, chain) {
      const found = await slotIn(slot)
      if (found === null) return beside.setCertificate(slot, chain)
      if (!isFor(chain, found))
        throw new IntegrityError("ERR_KEY_MISMATCH", `the certificate is not for the key in slot ${slot}`)
      await storage.write(certificatePath(slot), Buffer.from(pemOfCertificates(chain), "latin1"))
    },

    async tlsKey(slot) {
      if ((await slotIn(slot)) === null) return beside.tlsKey(slot)
      throw new StateError("ERR_KEY_NOT_EXPORTABLE", `the key of slot ${slot} stays in its token`, { detail: { slot } })
    },
  }
}

/** @throws InputError `ERR_KEY_PEER` */
function checkPeer(spki: Uint8Array): void {
  try {
    if (publicKeyOf(spki).asymmetricKeyDetails?.namedCurve === "prime256v1") return
  } catch {
    // As any other key that is none of P-256.
  }
  throw new InputError("ERR_KEY_PEER", "not a public key on P-256")
}

function isFor(chain: readonly Uint8Array[], { spki }: TokenSlot): boolean {
  const [leaf] = chain
  return leaf !== undefined && sameBytes(nodeKeyFunctions.certifiedKeyOf(leaf), spki)
}

function certificatePath(slot: string): string {
  return `identity/certificates/${slot}.pem`
}

function publicKeyOf(spki: Uint8Array): ReturnType<typeof createPublicKey> {
  return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
}

/** `lockgate-token-key 1 <id> <SPKI, base64> <SHA-256 of what is before it>`, a line. */
function encodeSlot({ id, spki }: TokenSlot): Uint8Array {
  const text = `lockgate-token-key 1 ${id} ${Buffer.from(spki).toString("base64")}`
  return Buffer.from(`${text} ${checkOf(text)}\n`, "latin1")
}

function parseSlot(bytes: Uint8Array, slot: string): TokenSlot {
  const text = Buffer.from(bytes).toString("latin1")
  const [whole = "", id = "", spki = "", check] =
    /^lockgate-token-key 1 ([0-9a-f]{16}) ([A-Za-z0-9+/=]{1,200}) ([0-9a-f]{64})\n$/.exec(text) ?? []
  if (whole === "" || checkOf(text.slice(0, -66)) !== check)
    throw new IntegrityError("ERR_KEY_DAMAGED", `what slot ${slot} says of its key in the token is damaged`)
  return { id, spki: new Uint8Array(Buffer.from(spki, "base64")) }
}

function checkOf(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}

function notErased(what: string): IntegrityError {
  return new IntegrityError("ERR_KEY_NOT_ERASED", `the token still shows the key of ${what} after it was destroyed`)
}
