import { argon2, timingSafeEqual } from "node:crypto"
import { HardwareError, StateError } from "../../policy/base/errors.ts"
import { normalPassword } from "../../policy/people/password.ts"

/** What one hash costs. */
export interface HashCost {
  /** Memory in KiB. */
  readonly memory: number
  readonly passes: number
}

/** 19 MiB, twice over: what a small gateway can spare, and what a guesser pays for each guess. @see RFC 9106, OWASP Password Storage */
export const HASH_COST: HashCost = { memory: 19_456, passes: 2 }
/** Passwords that wait for their turn, the one being hashed included: nobody takes more memory by asking more often. CR 7.1. */
export const MAX_HASHING = 8

const SALT_BYTES = 16
const HASH_BYTES = 32
const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=1\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/

/** Hashes passwords and checks them, one at a time. */
export interface PasswordHasher {
  /** The hash of a password in the PHC string format. @throws StateError `ERR_PASSWORDS_BUSY` */
  hash(password: string): Promise<string>
  /**
   * Whether the password is the one of this hash, and whether the hash is of an older cost. `null`: there is none to compare with;
   * the same is done, and the answer is no. @throws StateError `ERR_PASSWORDS_BUSY`
   */
  check(password: string, phc: string | null): Promise<{ readonly good: boolean; readonly outdated: boolean }>
}

/** The work itself: argon2id of a password with this salt and cost. */
export type Argon2 = (password: Uint8Array, salt: Uint8Array, cost: HashCost) => Promise<Uint8Array>

/**
 * Makes a hasher. What is compared with for those who have no password is a hash of random bytes at today's cost, made before the
 * first comparison of all.
 *
 * @see IEC 62443-4-2 CR 1.5, CR 1.7, CR 7.1, RFC 9106
 */
export function createPasswordHasher(
  random: (bytes: number) => Uint8Array,
  { cost = HASH_COST, work = byNode }: { readonly cost?: HashCost; readonly work?: Argon2 } = {},
): PasswordHasher {
  let inHand = 0
  let tail: Promise<unknown> = Promise.resolve()
  let nobodys: string | null = null

  const inTurn = <T>(job: () => Promise<T>): Promise<T> => {
    if (inHand >= MAX_HASHING) {
      return Promise.reject(new StateError("ERR_PASSWORDS_BUSY", "too many passwords are being checked: try again"))
    }
    inHand++
    const run = tail.then(job).finally(() => inHand--)
    tail = run.catch(() => undefined)
    return run
  }
  const make = async (password: Uint8Array): Promise<string> => {
    const salt = random(SALT_BYTES)
    return encode(cost, salt, await work(password, salt, cost))
  }
  return {
    hash: (password) => inTurn(() => make(bytesOf(password))),
    check: (password, phc) =>
      inTurn(async () => {
        nobodys ??= await make(random(32))
        const kept = (phc === null ? null : parse(phc)) ?? parse(nobodys)
        if (kept === null) return { good: false, outdated: false }
        const found = await work(bytesOf(password), kept.salt, kept.cost)
        const same = timingSafeEqual(found, kept.hash)
        const outdated = kept.cost.memory !== cost.memory || kept.cost.passes !== cost.passes
        return { good: same && phc !== null, outdated }
      }),
  }
}

const bytesOf = (password: string): Uint8Array => new TextEncoder().encode(normalPassword(password))

function encode({ memory, passes }: HashCost, salt: Uint8Array, hash: Uint8Array): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=1$${base64(salt)}$${base64(hash)}`
}

/** Null for what was not written here, or would cost more than a gateway has. */
function parse(phc: string): { readonly cost: HashCost; readonly salt: Uint8Array; readonly hash: Uint8Array } | null {
  const [, memory, passes, salt, hash] = PHC.exec(phc) ?? []
  if (salt === undefined || hash === undefined) return null
  const cost = { memory: Number(memory), passes: Number(passes) }
  if (cost.memory < 8 || cost.memory > 65_536 || cost.passes < 1 || cost.passes > 16) return null
  return { cost, salt: Buffer.from(salt, "base64"), hash: Buffer.from(hash, "base64") }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "")
}

/** OpenSSL's, in a thread of the pool. @throws HardwareError `ERR_IO` if there is no memory for it */
const byNode: Argon2 = (message, nonce, { memory, passes }) =>
  new Promise((resolve, reject) => {
    argon2("argon2id", { message, nonce, parallelism: 1, tagLength: HASH_BYTES, memory, passes }, (error, hash) => {
      if (error === null) resolve(hash)
      else
        reject(new HardwareError("ERR_IO", "a password could not be hashed: is there memory left?", { cause: error }))
    })
  })
