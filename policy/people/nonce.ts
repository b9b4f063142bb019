/**
 * Numbers for signed commands to be answered with: the gateway keeps nothing for whoever asks for one, only the last one that
 * each account used. A number is good for two minutes of this run of the gateway, for one account, once; using it makes all
 * earlier ones of that account worthless, so that commands cannot be replayed, nor brought in another order.
 *
 * @see IEC 62443-4-2 CR 3.8
 */

/** How long a number can be used. */
export const NONCE_MS = 120_000
const STATEMENT_BYTES = 12
const MAC_BYTES = 16

/** A keyed hash; the key is made at each start and never leaves the process. At least 16 bytes come out. */
export type Mac = (data: Uint8Array) => Uint8Array

/** What a number says: when it was given out, and which it was. */
export interface Issued {
  /** On the monotonic clock, whole milliseconds. */
  readonly atMs: number
  readonly count: number
}

/** A number for `account`, in base64url. */
export function issueNonce(account: string, { atMs, count }: Issued, mac: Mac): string {
  const statement = new Uint8Array(STATEMENT_BYTES)
  const view = new DataView(statement.buffer)
  view.setUint16(0, Math.floor(atMs / 2 ** 32))
  view.setUint32(2, atMs >>> 0)
  view.setUint16(6, Math.floor(count / 2 ** 32))
  view.setUint32(8, count >>> 0)
  return base64url(join(statement, sealOf(account, statement, mac)))
}

/** Why a number cannot be used. */
export type NonceRefusal = "ERR_NONCE_FOREIGN" | "ERR_NONCE_OVER" | "ERR_NONCE_USED"

/** What this number says, if `account` may use it now; `last` is what that account used last, or null. */
export function useNonce(
  nonce: string,
  account: string,
  nowMs: number,
  last: Issued | null,
  mac: Mac,
): Issued | NonceRefusal {
  const bytes = fromBase64url(nonce)
  if (bytes?.length !== STATEMENT_BYTES + MAC_BYTES) return "ERR_NONCE_FOREIGN"
  const statement = bytes.subarray(0, STATEMENT_BYTES)
  const seal = sealOf(account, statement, mac)
  // Every byte is looked at, whatever the first ones say.
  if (seal.reduce((differs, byte, k) => differs | (byte ^ (bytes[STATEMENT_BYTES + k] ?? 0)), 0) !== 0) {
    return "ERR_NONCE_FOREIGN"
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const issued = {
    atMs: view.getUint16(0) * 2 ** 32 + view.getUint32(2),
    count: view.getUint16(6) * 2 ** 32 + view.getUint32(8),
  }
  if (nowMs - issued.atMs >= NONCE_MS || issued.atMs > nowMs) return "ERR_NONCE_OVER"
  return last !== null && issued.count <= last.count ? "ERR_NONCE_USED" : issued
}

function sealOf(account: string, statement: Uint8Array, mac: Mac): Uint8Array {
  return mac(join(statement, new TextEncoder().encode(account))).subarray(0, MAC_BYTES)
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "")
}

function fromBase64url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) return null
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0))
  } catch {
    return null
  }
}
