import type { Placed } from "./group-shapes.ts"
import type { Report } from "./report.ts"
import { quote } from "./characters.ts"
import { faultAt } from "./locate.ts"
import { didYouMean } from "./suggestion.ts"

/** Adds a fault if `name`, which stands at `key` (and `index`), is none of `known`. */
export function refer(
  placed: Placed<unknown>,
  key: string,
  name: string,
  what: string,
  known: ReadonlySet<string>,
  report: Report,
  index?: number,
): void {
  if (known.has(name)) return
  const message = `there is no ${what} ${quote(name)}`
  faultAt(report, placed, index === undefined ? [key] : [key, index], message, didYouMean(name, known))
}

/** Adds a fault if `id` was in `seen`; else puts it there. */
export function once(
  seen: Map<string, Placed<unknown>>,
  id: string,
  placed: Placed<unknown>,
  steps: readonly string[],
  what: string,
  report: Report,
): void {
  const earlier = seen.get(id)
  if (earlier === undefined) {
    seen.set(id, placed)
    return
  }
  const { line } = report.position(earlier.node.at)
  faultAt(report, placed, steps, `the ${what} id ${quote(id)} is taken`, `by ${earlier.path} on line ${line}`)
}
