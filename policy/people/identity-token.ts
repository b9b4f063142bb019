/**
 * Tokens of the plant's identity provider (OpenID Connect), judged without asking anybody: the provider's keys are pinned in the signed
 * policy, and what is fresh is told by a number of this gateway, not by a clock.
 *
 * A token says who somebody is. What that person may do stands in the account, as for everybody.
 *
 * @see OpenID Connect Core 1.0 section 3.1.3.7, RFC 7519, RFC 8725; IEC 62443-4-2 CR 1.1, CR 1.3
 */
import { within, type TimeInterval } from "../time/interval.ts"

/** A public key of the provider, as its JWK set shows it. @see RFC 7517 */
export interface ProviderKey {
  /** Null: tried for every token. */
  readonly kid: string | null
  readonly jwk:
    | { readonly kty: "EC"; readonly crv: "P-256"; readonly x: string; readonly y: string }
    | { readonly kty: "OKP"; readonly crv: "Ed25519"; readonly x: string }
    | { readonly kty: "RSA"; readonly n: string; readonly e: string }
}

/** Whom the policy believes when it says who somebody is. */
export interface IdentityProvider {
  /** Exactly as in the tokens. */
  readonly issuer: string
  /** What the gateway is to the provider: its client id there. */
  readonly audience: string
  /** The claim that is the name of the account. */
  readonly claim: string
  readonly keys: readonly ProviderKey[]
}

/** Why a token that the provider did sign says nothing here. */
export type IdentityRefusal = "form" | "issuer" | "audience" | "account" | "number" | "over" | "early"

/** What a token says, if it may be believed: `isCertain` is false where no clock can tell whether its time is over. */
export type IdentityVerdict =
  | { readonly ok: true; readonly nonce: string; readonly isCertain: boolean }
  | { readonly ok: false; readonly reason: IdentityRefusal }

/**
 * Whether these claims, whose signature was found good, say that their bearer is the person of `account`. The number in them is the
 * caller's to use up: without that a token would be good as often as somebody shows it.
 */
export function judgeIdentity(
  claims: unknown,
  provider: Pick<IdentityProvider, "issuer" | "audience" | "claim">,
  account: string,
  now: TimeInterval,
): IdentityVerdict {
  const refused = (reason: IdentityRefusal): IdentityVerdict => ({ ok: false, reason })
  if (typeof claims !== "object" || claims === null || Array.isArray(claims)) return refused("form")
  const said = (name: string): unknown =>
    Object.hasOwn(claims, name) ? (claims as Record<string, unknown>)[name] : undefined
  if (said("iss") !== provider.issuer) return refused("issuer")
  if (!isFor(said("aud"), said("azp"), provider.audience)) return refused("audience")
  if (said(provider.claim) !== account) return refused("account")
  const nonce = said("nonce")
  if (typeof nonce !== "string" || nonce.length === 0) return refused("number")
  const [issued, over] = [secondsOf(said("iat")), secondsOf(said("exp"))]
  const from = said("nbf") === undefined ? issued : secondsOf(said("nbf"))
  if (issued === null || over === null || from === null) return refused("form")
  const good = within(now, Math.max(issued, from) - CLOCK_APART_MS, over)
  if (good === "no") return refused(now.earliestAt > over ? "over" : "early")
  return { ok: true, nonce, isCertain: good === "yes" }
}

/** The provider's clock may be ahead by as much. */
const CLOCK_APART_MS = 60_000

/** Of several audiences all but one are others, to whom the same token may have been shown: then it must be made out to this one. */
function isFor(audience: unknown, party: unknown, own: string): boolean {
  if (party !== undefined && party !== own) return false
  if (!Array.isArray(audience)) return audience === own
  return audience.includes(own) && (audience.length === 1 || party === own)
}

/** Milliseconds since 1970 of a NumericDate, or null. @see RFC 7519 section 2 */
function secondsOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 && value < 1e11 ? value * 1000 : null
}
