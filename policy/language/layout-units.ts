import type { DocNode } from "./document.ts"
import type { YamlComment } from "./yaml-text.ts"

/** A comment on lines of its own, and whether an empty line stands before it. */
export interface OwnLine {
  readonly text: string
  readonly isSpaced: boolean
}

/** An entry of a map or an item of a list, with the comments that go where it goes. */
export interface Unit {
  readonly key: string | null
  /** Where key or item begins. */
  readonly at: number
  readonly value: DocNode
  readonly parent: Unit | null
  readonly children: Unit[]
  /** On the lines before it, on its own line, and on lines after it that are indented too deep for what follows. */
  readonly before: OwnLine[]
  readonly beside: string[]
  readonly after: OwnLine[]
  /** An empty line stands before it, its comments not counted. */
  isSpaced: boolean
}

/** A document as units, and the comments that belong to none of them. */
export interface Units {
  readonly root: DocNode
  readonly top: readonly Unit[]
  readonly head: readonly OwnLine[]
  readonly tail: readonly OwnLine[]
}

/** Take a document apart, so that each comment is at home with what it speaks of. Linear, but for the search of a place. */
export function takeApart(text: string, root: DocNode, comments: readonly YamlComment[]): Units {
  const all: Unit[] = []
  const top = unitsOf(root, null, all)
  const lines = new Lines(text)
  const head: OwnLine[] = []
  const tail: OwnLine[] = []
  for (const unit of all) unit.isSpaced = lines.isSpaced(unit.at)
  for (const comment of comments) {
    const line = lines.of(comment.at)
    const next = all[firstAfter(all, comment.at)]
    const last = all[firstAfter(all, comment.at) - 1]
    const own = { text: comment.text, isSpaced: lines.isSpaced(comment.at) }
    if (lines.indent(comment.at) < comment.at - line && last !== undefined)
      homeBeside(text, last, lines).beside.push(own.text)
    else if (last === undefined) head.push(own)
    else if (next !== undefined && comment.at - line <= lines.indent(next.at)) next.before.push(own)
    else {
      const home = homeAfter(last, comment.at - line, lines)
      // Where it will stand it could as well belong to what follows: so it does, now and when it is read again.
      if (next !== undefined && home.parent === next.parent) next.before.push(own)
      else if (home.parent === null) tail.push(own)
      else home.after.push(own)
    }
  }
  return { root, top, head, tail }
}

function unitsOf(node: DocNode, parent: Unit | null, all: Unit[]): Unit[] {
  if (node.kind === "scalar") return []
  const parts =
    node.kind === "map"
      ? node.entries.map(({ key, keyAt, value }) => ({ key, at: keyAt, value }))
      : node.items.map((value) => ({ key: null, at: value.at, value }))
  return parts.map((part) => {
    const unit: Unit = { ...part, parent, children: [], before: [], beside: [], after: [], isSpaced: false }
    all.push(unit)
    unit.children.push(...unitsOf(part.value, unit, all))
    return unit
  })
}

/** How many units begin before `at`. Of several that begin at one place the outermost is first. */
function firstAfter(units: readonly Unit[], at: number): number {
  let low = 0
  let high = units.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((units[middle]?.at ?? Infinity) < at) low = middle + 1
    else high = middle
  }
  return low
}

/** The outermost unit on the line where `unit` begins. */
function outermost(unit: Unit, lines: Lines): Unit {
  let home = unit
  while (home.parent !== null && lines.of(home.parent.at) === lines.of(unit.at)) home = home.parent
  return home
}

/** Whom a comment behind something on its line speaks of; behind "- id: a" it is "id". */
function homeBeside(text: string, last: Unit, lines: Lines): Unit {
  let home = last
  while (home.parent !== null && lines.of(home.parent.at) === lines.of(last.at)) {
    if (home.parent.key === null && !"[{".includes(text.charAt(home.parent.at))) break
    home = home.parent
  }
  return home
}

/** Whom a comment speaks of that is indented deeper than what follows: the last thing that is not deeper still. */
function homeAfter(last: Unit, column: number, lines: Lines): Unit {
  let home = outermost(last, lines)
  while (home.parent !== null && lines.indent(home.at) > column) home = outermost(home.parent, lines)
  return home
}

class Lines {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** Where the line of `at` begins. */
  of(at: number): number {
    return this.#text.lastIndexOf("\n", at - 1) + 1
  }

  /** Spaces at the beginning of the line of `at`. */
  indent(at: number): number {
    const start = this.of(at)
    let end = start
    while (this.#text[end] === " ") end++
    return end - start
  }

  /** The line before that of `at` is empty, and `at` is the first thing on its line. */
  isSpaced(at: number): boolean {
    const start = this.of(at)
    if (start === 0 || !/^[ -]*$/.test(this.#text.slice(start, at))) return false
    return this.#text.slice(this.of(start - 1), start).trim() === ""
  }
}
