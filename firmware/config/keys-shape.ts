import { list, object, optional, required } from "../../policy/language/group-shapes.ts"
import { text } from "../../policy/language/shape.ts"
import type { TokenConfig } from "./gateway-config.ts"

const path = (what: string) => text({ expected: `path of ${what}`, maxLength: 4096 })

const slot = text({
  expected: "name of a key slot: a-z 0-9 -, at most 32",
  maxLength: 32,
  check: (found) =>
    /^[a-z0-9-]{1,32}$/.test(found)
      ? null
      : { message: "this is no name of a key slot", hint: "write a-z, 0-9 and - only" },
})

const DEFAULT_SLOTS: readonly string[] = ["board"]

/** The section `keys` of the board file. */
export const keys = object("keys", {
  module: required(path("a PKCS#11 module"), "PKCS#11 module of the token or secure element: a shared library."),
  token: required(text({ expected: "label of a token", maxLength: 32 }), "Label of the token."),
  "pin-file": required(path("a file with the token's PIN"), "File with the PIN of the token, for nobody else to read."),
  slots: optional(
    list(slot, { max: 16 }),
    DEFAULT_SLOTS,
    "Slots whose ES256 key is made in the token and never leaves. Keys of TLS cannot be: the process that speaks TLS needs them.",
    DEFAULT_SLOTS,
  ),
})

/** The section as a value; `toPath` makes a path absolute. */
export function buildKeys(
  read: { module: string; token: string; "pin-file": string; slots: readonly string[] } | null,
  toPath: (path: string) => string,
): TokenConfig | null {
  if (read === null) return null
  return { module: toPath(read.module), token: read.token, pinFile: toPath(read["pin-file"]), slots: read.slots }
}
