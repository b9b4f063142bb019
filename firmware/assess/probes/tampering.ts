/** Bundles that differ from one in force, as somebody without a signer's key could make them. */

/** A bundle that must be refused, and what was done to it. */
export interface Alteration {
  readonly what: string
  readonly text: string
}

/** `bundle` with its statement altered, its signatures altered, taken away, or said to be none. */
export function alterations(bundle: string): readonly Alteration[] {
  const jws = JSON.parse(bundle) as { payload: string; signatures: { protected: string; signature: string }[] }
  const statement = JSON.parse(Buffer.from(jws.payload, "base64url").toString("utf8")) as object
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")
  const write = (what: string, change: object): Alteration => ({ what, text: JSON.stringify({ ...jws, ...change }) })
  const signatures = (change: (entry: { protected: string; signature: string }) => object): object => ({
    signatures: jws.signatures.map(change),
  })
  const higher = encoded({ ...statement, version: 2 ** 31 })
  return [
    write("one bit of the statement flipped", { payload: flipBit(jws.payload) }),
    write(
      "one bit of each signature flipped",
      signatures((entry) => ({ ...entry, signature: flipBit(entry.signature) })),
    ),
    write("a higher version under the old signatures", { payload: higher }),
    write("an unsigned bundle", { payload: higher, signatures: [] }),
    write("a bundle whose signatures say that none is needed", {
      payload: higher,
      ...signatures(() => ({ protected: encoded({ alg: "none" }), signature: "" })),
    }),
  ]
}

/** The same bytes but for one bit in their middle, in base64url. */
function flipBit(base64url: string): string {
  const bytes = Buffer.from(base64url, "base64url")
  const at = bytes.length >> 1
  bytes[at] = (bytes[at] ?? 0) ^ 1
  return bytes.toString("base64url")
}
