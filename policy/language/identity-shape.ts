import type { IdentityProvider, ProviderKey } from "../people/identity-token.ts"
import { list, object, optional, required } from "./group-shapes.ts"
import type { Shape } from "./shape.ts"
import { checked, choice, text } from "./shape.ts"

/** A number of an RSA key of 2,048 bits in base64url, without leading zeros. */
const LEAST_RSA_LETTERS = 342

const base64url = (expected: string, maxLength: number, minLength = 1): Shape<string> =>
  text({ expected, pattern: /^[A-Za-z0-9_-]+$/, minLength, maxLength })
const coordinate = base64url("32 bytes in base64url", 43, 43)

const members = { EC: ["crv", "x", "y"], OKP: ["crv", "x"], RSA: ["n", "e"] } as const
const ALL_MEMBERS = ["crv", "x", "y", "n", "e"] as const

const key = checked(
  object("a public key (JWK)", {
    kid: optional(
      text({ expected: "the name of the key", maxLength: 128 }),
      null,
      "Its name in the provider's tokens.",
    ),
    kty: required(choice(["EC", "OKP", "RSA"]), "Kind of key."),
    crv: optional(choice(["P-256", "Ed25519"]), null, "Curve: P-256 of EC, Ed25519 of OKP."),
    x: optional(coordinate, null, "Coordinate of EC and OKP, base64url."),
    y: optional(coordinate, null, "Coordinate of EC, base64url."),
    n: optional(base64url("the modulus of an RSA key of at least 2,048 bits", 1_366, LEAST_RSA_LETTERS), null, "Modulus of RSA, at least 2,048 bits, base64url."), // prettier-ignore
    e: optional(base64url("the exponent of an RSA key", 8), null, "Exponent of RSA, base64url."),
  }),
  (entry, { node, path }, report) => {
    const wanted: readonly string[] = members[entry.kty]
    const wrong = ALL_MEMBERS.filter((name) => (entry[name] !== null) !== wanted.includes(name))
    const curve = entry.kty === "EC" ? "P-256" : "Ed25519"
    if (wrong.length > 0)
      report.add(node.at, path, `a key of kind ${entry.kty} has ${wanted.join(", ")}, and no other members`)
    else if (entry.crv !== null && entry.crv !== curve)
      report.add(node.at, path, `a key of kind ${entry.kty} lies on ${curve}`)
  },
)

/** Who may say who somebody is, beside the gateway itself: an OpenID Connect provider whose keys are pinned. */
export const identityProvider = object("an identity provider", {
  issuer: required(
    text({ expected: "the provider's issuer, an https URL", pattern: /^https:\/\/[\x21-\x7e]+$/, maxLength: 256 }),
    "Exactly as in its tokens.",
  ),
  audience: required(
    text({ expected: "the client id of the gateway at the provider", maxLength: 128 }),
    "What the gateway is to it: the client id there.",
  ),
  claim: optional(
    text({ expected: "the name of a claim", pattern: /^[a-z][a-z0-9_]*$/, maxLength: 64 }),
    "sub",
    "The claim that is the name of the account.",
    "sub",
  ),
  keys: required(list(key, { min: 1, max: 8 }), "Its public keys, from its JWK set: no other is believed."),
})

type Entry = typeof identityProvider extends Shape<infer T> ? T : never

/** The section as values. */
export function buildProvider({ issuer, audience, claim, keys }: Entry): IdentityProvider {
  return { issuer, audience, claim, keys: keys.map(({ kid, ...rest }) => ({ kid, jwk: jwkOf(rest) })) }
}

/** With the members of its kind alone, which were looked at when it was read. */
function jwkOf(entry: Omit<Entry["keys"][number], "kid">): ProviderKey["jwk"] {
  const { x, y, n, e } = { x: entry.x ?? "", y: entry.y ?? "", n: entry.n ?? "", e: entry.e ?? "" }
  if (entry.kty === "EC") return { kty: "EC", crv: "P-256", x, y }
  return entry.kty === "OKP" ? { kty: "OKP", crv: "Ed25519", x } : { kty: "RSA", n, e }
}
