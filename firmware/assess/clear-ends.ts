import type { Interface } from "../interfaces.ts"
import type { ProbeContext } from "./probe-context.ts"

/** Kinds of interface that nobody on the wire can alter or listen to; kinds to come are not among them by themselves. */
const PROTECTED: readonly Interface["kind"][] = ["tcp-tls", "unix"]

/**
 * The ends in clear text, by their names in the interface table: over them nothing is encrypted, and neither end proves who it is.
 * Empty on a gateway without any.
 */
export function clearEnds({ interfaces }: Pick<ProbeContext, "interfaces">): readonly string[] {
  return interfaces.filter(({ kind }) => !PROTECTED.includes(kind)).map(({ name, kind }) => `${name} (${kind})`)
}
