import { generateKeyPairSync } from "node:crypto"
import { readSigningKey, readTrustedSigner } from "../../firmware/bundles/signer-key.ts"
import type { SigningKey, TrustedSigner } from "../../firmware/bundles/signer-key.ts"
import type { Statement } from "../../policy/bundle/statement.ts"

/** A person who signs policy in tests; the key is made now. */
export interface Signer {
  readonly signing: SigningKey
  readonly trusted: TrustedSigner
  readonly privatePem: string
  readonly publicPem: string
}

/** A new key pair, as somebody who signs has it and as a gateway trusts it. */
export async function makeSigner(name: string, algorithm: "ES256" | "EdDSA" = "ES256"): Promise<Signer> {
  const pair =
    algorithm === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519")
  const privatePem = pair.privateKey.export({ type: "pkcs8", format: "pem" }) as string
  const publicPem = pair.publicKey.export({ type: "spki", format: "pem" }) as string
  return {
    privatePem,
    publicPem,
    signing: await readSigningKey(name, privatePem),
    trusted: await readTrustedSigner(name, publicPem),
  }
}

/** A statement for every gateway, with some of it changed. */
export function aStatement(change: Partial<Statement> = {}): Statement {
  return {
    version: 1,
    issuedAt: Date.parse("2026-01-31T09:00:00.000Z"),
    notBeforeAt: null,
    notAfterAt: null,
    gateways: ["*"],
    predecessor: null,
    policy: "format: 1\nname: demo\n",
    cases: null,
    ...change,
  }
}
