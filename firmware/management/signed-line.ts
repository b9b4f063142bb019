/** A line that is no plain request: a command that its person has signed, or the number for one. */
export type SignedLine =
  { readonly kind: "signed"; readonly jws: string } | { readonly kind: "nonce"; readonly account: string }

/** What stands in `{"signed":"<JWS>"}` or `{"nonce":"<account>"}`; null for every other line, which may be a request. Never throws. */
export function parseSignedLine(line: Uint8Array): SignedLine | null {
  // What neither begins like one is not read twice: a request may be of 6 MiB.
  const start = Buffer.from(line.subarray(0, 32)).toString("latin1")
  if (!/^\s*\{\s*"(signed|nonce)"/.test(start)) return null
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line))
  } catch {
    return null
  }
  const found = value as Record<string, unknown>
  if (Object.keys(found).length !== 1) return null
  const { signed, nonce } = found
  if (typeof signed === "string") return { kind: "signed", jws: signed }
  return typeof nonce === "string" && nonce.length <= 64 ? { kind: "nonce", account: nonce } : null
}
