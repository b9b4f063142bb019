import { IntegrityError, StateError } from "../../policy/base/errors.ts"
import { checkMemory, checkSlot, sameBytes, type KeyFunctions } from "../key-functions.ts"
import type { KeyAlgorithm, KeyStore, MonotonicCounter } from "../key-store.ts"

interface Slot {
  readonly pkcs8Pem: string
  readonly spki: Uint8Array
  chain: readonly Uint8Array[] | null
}

/** Keys in memory, gone with the process. `functions` does the arithmetic. */
export class MemoryKeyStore implements KeyStore {
  /** What this store pretends to be. */
  readonly protection: KeyStore["protection"]
  readonly counter?: MonotonicCounter
  readonly #functions: KeyFunctions
  readonly #slots = new Map<string, Slot>()
  readonly #memories = new Map<string, Uint8Array>()
  readonly #secrets = new Map<string, Uint8Array>()

  constructor(functions: KeyFunctions, pretend: Partial<Pick<KeyStore, "protection" | "counter">> = {}) {
    this.#functions = functions
    this.protection = pretend.protection ?? "memory"
    if (pretend.counter !== undefined) this.counter = pretend.counter
  }

  async generate(slot: string, algorithm: KeyAlgorithm): Promise<Uint8Array> {
    checkSlot(slot)
    const { pkcs8Pem, spki } = await this.#functions.generate(algorithm)
    this.#slots.set(slot, { pkcs8Pem, spki, chain: null })
    return spki.slice()
  }

  async publicKey(slot: string): Promise<Uint8Array | null> {
    checkSlot(slot)
    return this.#slots.get(slot)?.spki.slice() ?? null
  }

  async sign(slot: string, data: Uint8Array): Promise<Uint8Array> {
    return this.#functions.sign(this.#key(slot).pkcs8Pem, data)
  }

  async certificate(slot: string): Promise<readonly Uint8Array[] | null> {
    checkSlot(slot)
    return this.#slots.get(slot)?.chain ?? null
  }

  async setCertificate(slot: string, chain: readonly Uint8Array[]): Promise<void> {
    checkSlot(slot)
    const key = this.#slots.get(slot)
    const leaf = chain[0]
    if (leaf === undefined || key === undefined || !sameBytes(this.#functions.certifiedKeyOf(leaf), key.spki)) {
      throw new IntegrityError("ERR_KEY_MISMATCH", `the certificate is not for the key in slot ${slot}`)
    }
    key.chain = chain.map((der) => der.slice())
  }

  async tlsKey(slot: string): Promise<string> {
    return this.#key(slot).pkcs8Pem
  }

  async secret(slot: string): Promise<Uint8Array> {
    checkSlot(slot)
    const known = this.#secrets.get(slot) ?? this.#functions.secret()
    this.#secrets.set(slot, known)
    return known.slice()
  }

  async remember(slot: string, bytes: Uint8Array): Promise<void> {
    checkSlot(slot)
    checkMemory(bytes)
    this.#memories.set(slot, bytes.slice())
  }

  async recall(slot: string): Promise<Uint8Array | null> {
    checkSlot(slot)
    return this.#memories.get(slot)?.slice() ?? null
  }

  async agree(slot: string, peerSpki: Uint8Array): Promise<Uint8Array> {
    return this.#functions.agree(this.#key(slot).pkcs8Pem, peerSpki)
  }

  async slots(): Promise<readonly string[]> {
    return [...new Set([...this.#slots.keys(), ...this.#secrets.keys(), ...this.#memories.keys()])].sort()
  }

  async erase(slot: string): Promise<void> {
    checkSlot(slot)
    this.#secrets.get(slot)?.fill(0)
    this.#memories.get(slot)?.fill(0)
    for (const held of [this.#slots, this.#secrets, this.#memories]) held.delete(slot)
  }

  async eraseAll(): Promise<readonly string[]> {
    const slots = await this.slots()
    for (const slot of slots) await this.erase(slot)
    return slots
  }

  #key(slot: string): Slot {
    checkSlot(slot)
    const key = this.#slots.get(slot)
    if (key === undefined) throw new StateError("ERR_KEY_MISSING", `no key in slot ${slot}`, { detail: { slot } })
    return key
  }
}
