/** OpenSC's `pkcs11-tool`: named so that what imports this is left out where the package is missing. */
import { commandPath } from "./packages.ts"

/** Where the tool lies. */
export function pkcs11Tool(): string {
  const found = commandPath("pkcs11-tool")
  if (found === null) throw new Error("opensc is not installed: see debian-packages.txt")
  return found
}
