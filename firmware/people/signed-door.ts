import { createHmac, createPublicKey, type JsonWebKey } from "node:crypto"
import { flattenedVerify } from "jose/jws/flattened/verify"
import { InputError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { MAX_REQUEST_BYTES } from "../../policy/command/check.ts"
import type { CommandAnswer, CommandPort, Principal } from "../../policy/command/port.ts"
import { accountOfKey, PEOPLE_BOUNDS, type AccountKey } from "../../policy/people/account.ts"
import { issueNonce, useNonce, type Issued } from "../../policy/people/nonce.ts"
import { parseSignedCommand, SIGNED_COMMAND_TYPE, type SignedCommand } from "../../policy/people/signed-command.ts"
import { within, type TimeInterval } from "../../policy/time/interval.ts"
import type { Clock } from "../../hal/clock.ts"
import { createRefusalLog } from "../management/refusal-log.ts"
import type { Accounts } from "./accounts.ts"

/** What the door stands on. */
export interface SignedDoorDeps {
  /** Name of this gateway: what was signed for another is worth nothing here. */
  readonly gateway: string
  readonly accounts: Pick<Accounts, "people" | "principal">
  readonly commands: CommandPort
  readonly interval: () => TimeInterval
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  readonly audit: (event: AuditEvent) => Promise<number>
}

/** Commands that bear their person's signature, whatever way they come. */
export interface SignedDoor {
  /** The name that a command must bear. */
  readonly gateway: string
  /**
   * Carry out the command in this JWS, as the person whose key has signed it. What is no good is answered with
   * `ERR_NOT_AUTHENTICATED`, whatever the fault; the log says which. Never throws.
   */
  take(jws: string, via: Principal["via"]): Promise<CommandAnswer>
  /** A number for that account to sign; for anybody, of any name, and nothing is kept for it. */
  nonce(account: string): string
  /** No timer is left. */
  stop(): Promise<void>
}

/** Why a signed command was not looked at any further; for the log alone. */
type Refusal =
  | "ERR_SIGNED_COMMAND"
  | "ERR_SIGNATURE"
  | "ERR_OTHER_GATEWAY"
  | "ERR_OTHER_ACCOUNT"
  | "ERR_COMMAND_EXPIRED"
  | "ERR_ACCOUNT_CLOSED"
  | `ERR_NONCE_${string}`

/** Letters of a JWS that is looked at: it has to fit a line of the local socket. */
export const MAX_JWS_LENGTH = MAX_REQUEST_BYTES - 64
const MAX_HEADER_LENGTH = 256

/**
 * Nothing of what was signed is read before the signature over these very bytes was found good, by a key that an account of this
 * gateway has now. The number in it is used up before the command is executed: whatever comes of it, it is not executed twice. The
 * JWS is the request that is kept, so that who gave the command cannot deny it.
 *
 * The numbers are keyed anew at each start: what was signed before a restart is worth nothing after it.
 *
 * @see IEC 62443-4-2 CR 1.1, CR 1.1 RE(2), CR 2.12, CR 3.8; RFC 7515
 */
export function createSignedDoor(deps: SignedDoorDeps): SignedDoor {
  const { accounts, clock } = deps
  const key = deps.random(32)
  const mac = (data: Uint8Array): Uint8Array => createHmac("sha256", key).update(data).digest()
  /** The last number that each account used, by its id. */
  const last = new Map<string, Issued>()
  let issued = 0
  const refusals = createRefusalLog(clock, deps.audit, "people/signed")
  const nowMs = (): number => Math.floor(clock.monotonicMs())

  /** Who asks for what, or why nobody does. From the end of the check of the signature on all happens in one go. */
  async function examine(jws: string, via: Principal["via"]): Promise<Refusal | [Principal, SignedCommand]> {
    const parts = partsOf(jws)
    if (parts === null) return "ERR_SIGNED_COMMAND"
    const known = keyOf(parts.keyId)
    if (known === null || algorithmOf(known) !== parts.algorithm) return "ERR_SIGNATURE"
    if (!(await isSigned(parts, known))) return "ERR_SIGNATURE"
    const command = parse(parts.payload)
    if (command === null) return "ERR_SIGNED_COMMAND"
    if (command.gateway !== deps.gateway) return "ERR_OTHER_GATEWAY"
    // Asked again: the key may have gone while its signature was checked.
    const account = accountOfKey(accounts.people, parts.keyId)
    if (account === null) return "ERR_SIGNATURE"
    if (command.account !== account.name) return "ERR_OTHER_ACCOUNT"
    if (within(deps.interval(), -Infinity, command.expiresAt) === "no") return "ERR_COMMAND_EXPIRED"
    const principal = accounts.principal(account.name, [known.onToken ? "token" : "key"], via)
    if (principal === null) return "ERR_ACCOUNT_CLOSED"
    const used = useNonce(command.nonce, account.name, nowMs(), last.get(account.id) ?? null, mac)
    if (typeof used === "string") return used
    remember(account.id, used)
    return [principal, command]
  }

  function keyOf(thumbprint: string): AccountKey | null {
    return accountOfKey(accounts.people, thumbprint)?.keys.find((one) => one.thumbprint === thumbprint) ?? null
  }

  function remember(id: string, used: Issued): void {
    last.set(id, used)
    // Accounts that are gone never come back under their id.
    if (last.size > PEOPLE_BOUNDS.accounts) {
      const there = new Set(accounts.people.accounts.map((account) => account.id))
      for (const one of last.keys()) if (!there.has(one)) last.delete(one)
    }
  }

  return {
    gateway: deps.gateway,
    async take(jws, via) {
      const found = await examine(jws, via)
      if (typeof found === "string")
        return { ok: false, code: "ERR_NOT_AUTHENTICATED", entry: await refusals.note(found) }
      const [principal, { request }] = found
      return deps.commands.execute(principal, request, Buffer.from(jws, "ascii"))
    },
    nonce: (account) => issueNonce(account, { atMs: nowMs(), count: ++issued }, mac),
    stop: () => refusals.stop(),
  }
}

interface Parts {
  readonly protected: string
  readonly payload: string
  readonly signature: string
  readonly algorithm: "ES256" | "EdDSA"
  readonly keyId: string
}

/** The three parts, if the header has what it must and nothing else; null for anything else. */
function partsOf(jws: string): Parts | null {
  if (jws.length > MAX_JWS_LENGTH) return null
  const [head = "", payload = "", signature = "", ...more] = jws.split(".", 4)
  if (more.length > 0 || head.length > MAX_HEADER_LENGTH || signature.length !== 86) return null
  // One way of writing the same bytes, so that one command is one text.
  if (![head, payload, signature].every((part) => Buffer.from(part, "base64url").toString("base64url") === part))
    return null
  let header: unknown
  try {
    header = JSON.parse(Buffer.from(head, "base64url").toString("utf8"))
  } catch {
    return null
  }
  if (typeof header !== "object" || header === null) return null
  const { alg, typ, kid, ...rest } = header as Record<string, unknown>
  if (Object.keys(rest).length > 0 || typ !== SIGNED_COMMAND_TYPE || typeof kid !== "string") return null
  if (alg !== "ES256" && alg !== "EdDSA") return null
  return { protected: head, payload, signature, algorithm: alg, keyId: kid }
}

/** The key says the algorithm; the header may only agree. */
function algorithmOf({ jwk }: AccountKey): "ES256" | "EdDSA" {
  return jwk.kty === "EC" ? "ES256" : "EdDSA"
}

async function isSigned(parts: Parts, known: AccountKey): Promise<boolean> {
  try {
    const key = createPublicKey({ key: known.jwk as unknown as JsonWebKey, format: "jwk" })
    const { payload, signature } = parts
    await flattenedVerify({ protected: parts.protected, payload, signature }, key, { algorithms: [algorithmOf(known)] })
    return true
  } catch {
    // Whatever stands in the way of the check, it was not passed.
    return false
  }
}

function parse(payload: string): SignedCommand | null {
  try {
    return parseSignedCommand(Buffer.from(payload, "base64url"))
  } catch (error) {
    if (error instanceof InputError) return null
    throw error
  }
}
