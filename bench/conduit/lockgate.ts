/** placeholder */
import type { Proxy } from "./proxy.ts"
export function lockgate(rules: number): Proxy | null {
  return rules < 0 ? ({} as Proxy) : null
}
