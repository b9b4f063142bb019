import type { Storage } from "../../hal/storage.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import { MAX_CRL_ENTRIES, MAX_INTERMEDIATES, type KeptCrl } from "../../policy/identity/crl.ts"
import { certificateFacts } from "../tls/certificate-facts.ts"
import { crlFacts, verifyCrl } from "../tls/crl-facts.ts"

const FORMAT = 1
const SERIAL = /^(0|[1-9a-f][0-9a-f]{0,39})$/

interface StoredList {
  readonly crl: string
  readonly signer: string
  readonly remembered: readonly string[]
}

/** What is kept of one authority: its own list, and those of authorities below it. `damaged` if the file cannot be believed. */
export interface StoredCrls {
  readonly lists: readonly KeptCrl[]
  readonly damaged: boolean
}

/**
 * The lists kept for an authority. They were judged when they came; here each must still read, and bear the signature of
 * the certificate beside it. A file that does not is `damaged` and yields what of it is good.
 *
 * @throws HardwareError `ERR_IO`
 */
export async function readCrls(storage: Storage, authority: string): Promise<StoredCrls> {
  const bytes = await storage.read(pathOf(authority))
  if (bytes === null) return { lists: [], damaged: false }
  const stored = parse(bytes)
  const lists = stored.map(readOne)
  const good = lists.filter((list) => list !== null)
  return { lists: good, damaged: stored.length === 0 || good.length < lists.length }
}

/** Keep these lists, all of the authority's; on disk before this resolves. @throws HardwareError `ERR_IO` */
export async function writeCrls(storage: Storage, authority: string, lists: readonly KeptCrl[]): Promise<void> {
  const stored = lists.map(({ crl, signer, remembered }): StoredList => ({
    crl: Buffer.from(crl.der).toString("base64"),
    signer: Buffer.from(signer.der).toString("base64"),
    remembered,
  }))
  const text = JSON.stringify({ format: FORMAT, authority, lists: stored }) + "\n"
  await storage.write(pathOf(authority), new TextEncoder().encode(text))
}

function pathOf(authority: string): string {
  return `trust/crl-${authority}.json`
}

function parse(bytes: Uint8Array): readonly unknown[] {
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as {
      format?: unknown
      lists?: unknown
    }
    return value.format === FORMAT && Array.isArray(value.lists) ? value.lists.slice(0, MAX_INTERMEDIATES + 1) : []
  } catch {
    return []
  }
}

function readOne(value: unknown): KeptCrl | null {
  const { crl, signer, remembered } = (value ?? {}) as { readonly [Key in keyof StoredList]?: unknown }
  if (typeof crl !== "string" || typeof signer !== "string" || !isSerials(remembered)) return null
  try {
    const facts = crlFacts(Buffer.from(crl, "base64"))
    const by = certificateFacts(Buffer.from(signer, "base64"))
    const { number, nextUpdateAt } = facts
    if (number === null || nextUpdateAt === null || !verifyCrl(facts, by)) return null
    return { crl: { ...facts, number, nextUpdateAt }, signer: by, remembered }
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "input") return null
    throw error
  }
}

function isSerials(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length > MAX_CRL_ENTRIES) return false
  return value.every((serial) => typeof serial === "string" && SERIAL.test(serial))
}
