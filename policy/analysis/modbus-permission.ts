import type { ModbusRule, Point } from "../language/modbus-rule.ts"
import { boxOf, dimensionsOf, exampleWords, intersect, subtract, type Box, type Dimension } from "./point-values.ts"
import { denialText, isAsWide, termsChange, termsKey, termsOf, termsText, type Terms } from "./terms.ts"

/** What one policy says of a request, its values left open. */
export interface Covering {
  /** Rules that cover it whole, and their points with value rules in it. */
  readonly allows: readonly { readonly index: number; readonly rule: ModbusRule; readonly points: readonly Point[] }[]
  /** Hours in which it is denied after all, as JSON. */
  readonly denied: readonly string[]
  readonly denying: readonly number[]
}

/** One way in which two policies answer a request differently. */
export interface Difference {
  readonly kind: "allowed" | "denied" | "terms"
  /** What changed of the terms; else empty. */
  readonly what: string
  readonly before: readonly number[]
  readonly after: readonly number[]
  /** Values with which it is so: register words from an address on. What is not named is zero. */
  readonly values: readonly { readonly at: number; readonly values: readonly number[] }[]
}

interface Allow {
  readonly terms: Terms
  readonly key: string
  readonly box: Box
}

/** Every difference between what two policies say of one request. Exact where all points of one register are read alike. */
export function compareRequests(before: Covering, after: Covering): readonly Difference[] {
  const points = [...before.allows, ...after.allows].flatMap((allow) => allow.points)
  const dimensions = dimensionsOf(points)
  const named = { before: [...before.denying, ...before.allows.map(({ index }) => index)], after: [...after.denying, ...after.allows.map(({ index }) => index)] } // prettier-ignore
  if (dimensions === null) {
    const meaning = (own: Covering): string => own.allows.map(({ rule, points: bounds }) => JSON.stringify([termsKey(termsOf(rule, "modbus")), bounds])).sort().join() // prettier-ignore
    if (meaning(before) === meaning(after) && String(before.denied) === String(after.denied)) return []
    const kind = before.allows.length === 0 ? "allowed" : after.allows.length === 0 ? "denied" : "terms"
    return [{ kind, what: "points of other types at the same registers", ...named, values: [] }]
  }
  const [old, now] = [before, after].map(({ allows }) =>
    allows.map(({ rule, points: bounds }): Allow => {
      const terms = termsOf(rule, "modbus")
      return { terms, key: termsKey(terms), box: boxOf(bounds, dimensions) }
    }),
  ) as [Allow[], Allow[]]
  const boxes = (allows: readonly Allow[]): readonly Box[] => allows.map(({ box }) => box)
  const found: Difference[] = []
  const say = (kind: Difference["kind"], what: string, left: readonly Box[]): void => {
    const [first] = left
    if (first !== undefined) found.push({ kind, what, ...named, values: valuesOf(dimensions, first) })
  }
  say("allowed", "", subtract(boxes(now), boxes(old)))
  say("denied", "", subtract(boxes(old), boxes(now)))
  const both = intersect(boxes(old), boxes(now))
  if (both.length > 0) say("terms", termsWords(before, after, old, now), termsBoxes(before, after, old, now, both))
  return found
}

/** What both allow, but not on the same terms. */
function termsBoxes(
  before: Covering,
  after: Covering,
  old: readonly Allow[],
  now: readonly Allow[],
  both: readonly Box[],
): readonly Box[] {
  if (String(before.denied) !== String(after.denied)) return both
  const wide = (allows: readonly Allow[], like: Allow): readonly Box[] =>
    allows.filter(({ terms, key }) => key === like.key || isAsWide(terms, like.terms)).map(({ box }) => box)
  for (const like of [...old, ...now]) {
    const [a, b] = [wide(old, like), wide(now, like)]
    const left = intersect([...subtract(a, b), ...subtract(b, a)], both)
    if (left.length > 0) return left
  }
  return []
}

function termsWords(before: Covering, after: Covering, old: readonly Allow[], now: readonly Allow[]): string {
  const words: string[] = []
  const gone = old.filter(({ key }) => !now.some((other) => other.key === key))
  const come = now.filter(({ key }) => !old.some((other) => other.key === key))
  const [first, second] = [gone[0], come[0]]
  if (gone.length === 1 && come.length === 1 && first !== undefined && second !== undefined) {
    words.push(termsChange(first.terms, second.terms))
  } else {
    if (gone.length > 0) words.push(`no longer: ${gone.map(({ terms }) => termsText(terms)).join("; or ")}`)
    if (come.length > 0) words.push(`now also: ${come.map(({ terms }) => termsText(terms)).join("; or ")}`)
  }
  for (const text of after.denied) if (!before.denied.includes(text)) words.push(`now denied ${denialText(text)}`)
  for (const text of before.denied) if (!after.denied.includes(text)) words.push(`no longer denied ${denialText(text)}`)
  return words.join("; ") || "some values on other terms"
}

function valuesOf(dimensions: readonly Dimension[], box: Box): Difference["values"] {
  return dimensions.flatMap((dimension, k) => {
    const interval = box[k]
    return interval === undefined ? [] : [{ at: dimension.at, values: exampleWords(dimension, interval) }]
  })
}
