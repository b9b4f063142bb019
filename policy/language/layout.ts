import type { DocNode, ScalarNode } from "./document.ts"
import type { OwnLine, Unit, Units } from "./layout-units.ts"

/** Longest line that is made of more than one value. */
const WIDTH = 120

/** The canonical order of keys for the map at a place, or null where it keeps its own. `place` has `*` for names and items. */
export type KeyOrder = (place: string) => readonly string[] | null

/**
 * The document in canonical layout: two spaces a level, maps and lists in brackets only where they fit one line and were
 * in brackets before, known keys in their order, at most one empty line in a row. Comments stay with what they stand by.
 */
export function layOut(text: string, units: Units, order: KeyOrder): string {
  const out = new Layout(text, order)
  out.comments(units.head, "")
  if (units.head.length > 0 && units.top[0]?.isSpaced === true) out.lines.push("")
  const top = out.sorted(units.top, "")
  for (const [i, unit] of top.entries()) {
    const isSection = unit.value.kind !== "scalar" || top[i - 1]?.value.kind !== "scalar"
    const isSpaced = i > 0 && (isSection || unit.before.length > 0)
    const before = spacedFirst(unit.before, isSpaced)
    out.unit({ ...unit, before, isSpaced: isSpaced && before.length === 0 }, "", "")
  }
  if (units.tail.length > 0 && top.length > 0) out.lines.push("")
  out.comments(spacedFirst(units.tail, false), "")
  return `${out.lines
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim()}\n`
}

function spacedFirst(lines: readonly OwnLine[], isSpaced: boolean): OwnLine[] {
  return lines.map((line, i) => (i === 0 ? { ...line, isSpaced } : line))
}

class Layout {
  readonly lines: string[] = []
  readonly #text: string
  readonly #order: KeyOrder

  constructor(text: string, order: KeyOrder) {
    this.#text = text
    this.#order = order
  }

  comments(list: readonly OwnLine[], indent: string): void {
    for (const { text, isSpaced } of list) {
      if (isSpaced) this.lines.push("")
      this.lines.push(indent + text)
    }
  }

  sorted(units: readonly Unit[], place: string): readonly Unit[] {
    const order = this.#order(place)
    if (order === null) return units
    const rank = ({ key }: Unit): number => (order.includes(key ?? "") ? order.indexOf(key ?? "") : order.length)
    return units.toSorted((a, b) => rank(a) - rank(b))
  }

  /** One unit at its indentation; `place` is that of the map or list it stands in. */
  unit(unit: Unit, indent: string, place: string): void {
    const { key, value, children } = unit
    const here = place === "" ? (key ?? "*") : `${place}.${this.#isNamed(place) ? "*" : (key ?? "*")}`
    const isBlock = this.#isBlock(unit, indent, place, here)
    const [beside, ...besides] = unit.beside
    // Behind a "-" that begins a map there is no room for a comment.
    const above = key === null && isBlock ? unit.beside : besides
    const inner = this.sorted(children, here)
    const [first] = inner
    const joins = key === null && isBlock && value.kind === "map" && first !== undefined
    this.comments(unit.before, indent)
    if (unit.isSpaced) this.lines.push("")
    this.comments(
      above.map((text) => ({ text, isSpaced: false })),
      indent,
    )
    if (joins) this.comments(unsaid(first.before), indent)
    const suffix = beside === undefined || above.includes(beside) ? "" : ` ${beside}`
    const head = key === null ? `${indent}-` : `${indent}${this.#key(unit)}:`
    if (!isBlock) this.lines.push(`${head} ${this.#inline(value, here, false)}${suffix}`)
    else {
      if (!joins) this.lines.push(head + suffix)
      for (const child of inner) {
        if (child !== first) this.unit(child, `${indent}  `, here)
        else if (!joins)
          this.unit(
            first.before.length > 0
              ? { ...first, before: spacedFirst(first.before, false) }
              : { ...first, isSpaced: false },
            `${indent}  `,
            here,
          )
        else {
          const at = this.lines.length
          this.unit({ ...child, before: [], isSpaced: false }, `${indent}  `, here)
          this.lines[at] = `${indent}- ${(this.lines[at] ?? "").trimStart()}`
        }
      }
    }
    this.comments(unit.after, indent)
  }

  #isNamed(place: string): boolean {
    return ["sets", "zones", "roles", "conduits"].includes(place)
  }

  #isBlock(unit: Unit, indent: string, place: string, here: string): boolean {
    const { value, children, key } = unit
    if (value.kind === "scalar" || children.length === 0) return false
    if (place === "" || !"[{".includes(this.#text.charAt(value.at)) || children.some(hasComment)) return true
    const head = indent.length + (key === null ? 1 : this.#key(unit).length + 1)
    return head + 1 + this.#inline(value, here, false).length > WIDTH
  }

  /** A value on one line. */
  #inline(node: DocNode, place: string, inBrackets: boolean): string {
    if (node.kind === "scalar") return this.#scalar(node, inBrackets)
    if (node.kind === "list") {
      return `[${node.items.map((item) => this.#inline(item, `${place}.*`, true)).join(", ")}]`
    }
    if (node.entries.length === 0) return "{}"
    const order = this.#order(place)
    const rank = (key: string): number => (order === null ? 0 : order.includes(key) ? order.indexOf(key) : order.length)
    const entries = node.entries
      .toSorted((a, b) => rank(a.key) - rank(b.key))
      .map(({ key, keyAt, value }) => {
        const inner = this.#inline(value, `${place}.${this.#isNamed(place) ? "*" : key}`, true)
        return `${this.#word(key, keyAt, true)}: ${inner}`
      })
    return `{ ${entries.join(", ")} }`
  }

  #key(unit: Unit): string {
    return this.#word(unit.key ?? "", unit.at, false)
  }

  #scalar({ value, at, source }: ScalarNode, inBrackets: boolean): string {
    if (typeof value === "string") return this.#word(value, at, inBrackets)
    return source === "" ? "null" : source
  }

  /** Text as it was, in double quotes if in any; what was bare and cannot be here is quoted too. */
  #word(value: string, at: number, inBrackets: boolean): string {
    const isQuoted = "\"'|>".includes(this.#text.charAt(at))
    return isQuoted || !canBeBare(value, inBrackets) ? JSON.stringify(value) : value
  }
}

function unsaid(lines: readonly OwnLine[]): OwnLine[] {
  return lines.map((line) => ({ ...line, isSpaced: false }))
}

function hasComment(unit: Unit): boolean {
  const { before, beside, after, children } = unit
  return before.length + beside.length + after.length > 0 || children.some(hasComment)
}

/** Words of the core schema that are no text. */
const NO_TEXT =
  /^(|~|null|Null|NULL|true|True|TRUE|false|False|FALSE|[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$/

/** Whether YAML reads this text as itself without quotes. Errs on the side of no. */
function canBeBare(value: string, inBrackets: boolean): boolean {
  if (NO_TEXT.test(value) || value.trim() !== value || /[\n\t]/.test(value)) return false
  if (/^[-?:,[\]{}#&*!|>'"%@`.]/.test(value) || /: | #|:$/.test(value)) return false
  return !inBrackets || !/[,[\]{}]/.test(value)
}
