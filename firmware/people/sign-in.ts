import { createHmac } from "node:crypto"
import type { Clock } from "../../hal/clock.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { StateError } from "../../policy/base/errors.ts"
import { accountOf, isExpired, type Account } from "../../policy/people/account.ts"
import type { Origin } from "../../policy/people/attempts.ts"
import type { Factor } from "../../policy/people/gate.ts"
import { issueNonce, useNonce, type Issued } from "../../policy/people/nonce.ts"
import { judgeIdentity } from "../../policy/people/identity-token.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import { createQueue } from "../bundles/queue.ts"
import type { Accounts } from "./accounts.ts"
import type { Attempts } from "./attempts.ts"
import { claimsSignedBy } from "./identity-signature.ts"
import { provenBy } from "./session-proof.ts"
import type { Proven } from "./sessions.ts"

/** What somebody shows to sign in: one of these, or several. */
export interface Shown {
  readonly account: string
  readonly password?: string
  /** JWS by a key of the account, see `session-proof.ts`. */
  readonly proof?: string
  /** ID token of the policy's identity provider with a challenge as its `nonce`, see `policy/people/identity-token.ts`. */
  readonly identity?: string
}

/** Why somebody is not let in; for the log alone. */
export type SignInRefusal =
  | "unknown-account"
  | "disabled"
  | "expired"
  | "locked-out"
  | "nothing-shown"
  | "wrong-password"
  | "wrong-proof"
  | "wrong-identity"

/** Who somebody is, by what they show. */
export interface SignIn {
  /** A number for that name to sign, whether or not anybody has it: good for two minutes, once. */
  challenge(account: string): string
  /**
   * The person who has shown all of this. Every refusal is the same outside, and has cost the same work; the log says which it was.
   *
   * @throws StateError `ERR_NOT_AUTHENTICATED`, `ERR_PASSWORDS_BUSY`
   */
  prove(shown: Shown, origin: Origin): Promise<Proven>
}

/** What signing in stands on. */
export interface SignInDeps {
  readonly gateway: string
  readonly accounts: Pick<Accounts, "people" | "admit" | "checkPassword">
  readonly attempts: Attempts
  readonly clock: Pick<Clock, "monotonicMs">
  readonly interval: () => TimeInterval
  readonly rules: () => Pick<PeopleRules, "identityProvider">
  readonly random: (bytes: number) => Uint8Array
  readonly audit: (event: AuditEvent) => Promise<number>
}

/** Signing in, one after the other: nobody gets more guesses by asking at once. @see IEC 62443-4-2 CR 1.1, CR 1.10, CR 1.11 */
export function createSignIn(deps: SignInDeps): SignIn {
  const { accounts, attempts, clock } = deps
  const secret = deps.random(32)
  const mac = (data: Uint8Array): Uint8Array =>
    createHmac("sha256", secret).update("lockgate session challenge\n").update(data).digest()
  /** The last number that each account used, by its id. */
  const last = new Map<string, Issued>()
  const inTurn = createQueue()
  let count = 0

  const write = async (event: AuditEvent): Promise<void> => {
    // The log counts what it lost.
    await deps.audit(event).catch((error: unknown) => {
      if (!(error instanceof Error && "kind" in error && error.kind === "hardware")) throw error
    })
  }
  const keyOfProof = (proof: string, name: string, account: Account | null): Account["keys"][number] | null => {
    const challenge = challengeIn(proof)
    const key = provenBy(proof, { gateway: deps.gateway, account: name, challenge }, account?.keys ?? [])
    if (key === null || account === null) return null
    return useUp(challenge, account) ? key : null
  }
  /** True if this number is good for this account, which it then is no more. */
  const useUp = (challenge: string, { id, name }: Account): boolean => {
    const used = useNonce(challenge, name, clock.monotonicMs(), last.get(id) ?? null, mac)
    if (typeof used === "string") return false
    last.set(id, used)
    return true
  }
  /** Whether the provider says that it is this person. The account may be gone by the time that its signature was looked at. */
  const isIdentified = async (token: string, name: string): Promise<boolean> => {
    const provider = deps.rules().identityProvider
    if (provider === null) return false
    const claims = await claimsSignedBy(token, provider.keys)
    const verdict = judgeIdentity(claims, provider, name, deps.interval())
    const account = accounts.admit(name)
    if (!verdict.ok || account === null || !useUp(verdict.nonce, account)) return false
    if (!verdict.isCertain) {
      const about = { outcome: "success", source: "people", subject: null, object: name } as const
      await write({ id: "session.identity-uncertain", ...about })
    }
    return true
  }
  /** Who it is, or why it is nobody. The password is always hashed and the signature always looked at, whatever was found before. */
  const judge = async (shown: Shown, origin: Origin): Promise<Proven | SignInRefusal> => {
    const { account: name, password, proof, identity } = shown
    const known = accountOf(accounts.people, name)
    const isLocked = attempts.waitMs(known?.name ?? null, origin) > 0
    const byPassword = await accounts.checkPassword(name, password ?? "")
    const key = proof === undefined ? null : keyOfProof(proof, name, accounts.admit(name))
    const isKnownToProvider = identity !== undefined && (await isIdentified(identity, name))
    if (isLocked) return "locked-out"
    if (known === null) return "unknown-account"
    const account = accounts.admit(name)
    if (account === null) return isExpired(known, deps.interval()) === "yes" ? "expired" : "disabled"
    if (password === undefined && proof === undefined && identity === undefined) return "nothing-shown"
    if (password !== undefined && byPassword === null) return "wrong-password"
    if (proof !== undefined && key === null) return "wrong-proof"
    if (identity !== undefined && !isKnownToProvider) return "wrong-identity"
    const factors: Factor[] = []
    if (password !== undefined) factors.push("password")
    if (key !== null) factors.push(key.onToken ? "token" : "key")
    if (isKnownToProvider) factors.push("identity")
    return { account, factors, key: key?.thumbprint ?? null }
  }

  return {
    challenge: (account) => issueNonce(account, { atMs: Math.floor(clock.monotonicMs()), count: ++count }, mac),
    prove: (shown, origin) =>
      inTurn(async () => {
        const found = await judge(shown, origin)
        if (typeof found !== "string") {
          await attempts.succeeded(found.account.name, origin)
          return found
        }
        // Who nobody is, is not written: somebody may have typed a password there.
        const name = accountOf(accounts.people, shown.account)?.name ?? null
        const about = { outcome: "denied", source: "people", subject: null, object: name ?? "?" } as const
        // Attempts that are not listened to cost nothing more, or one who guesses could keep another out for ever.
        const failures = found === "locked-out" ? null : await attempts.failed(name, origin)
        const waitSeconds = Math.ceil((failures?.waitMs ?? attempts.waitMs(name, origin)) / 1000)
        const detail = { via: origin, waitSeconds, ...(failures === null ? {} : { failures: failures.count }) }
        await write({ id: "session.refused", ...about, reason: found, detail })
        if (failures?.begins === true) await write({ id: "session.locked-out", ...about, detail })
        const why = `nobody is let in by this: ${found}`
        throw new StateError("ERR_NOT_AUTHENTICATED", why, { detail: { reason: found, account: name ?? "?" } })
      }),
  }
}

/** The number that a proof answers, if it has the form of one; the signature is over all of it. */
function challengeIn(proof: string): string {
  try {
    const body: unknown = JSON.parse(Buffer.from(proof.split(".")[1] ?? "", "base64url").toString("utf8"))
    if (typeof body === "object" && body !== null && "challenge" in body && typeof body.challenge === "string") {
      return body.challenge
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return ""
}
