/**
 * Topics that were seen, as filters of a policy. Three rules, and nothing else makes a filter wider than its topic:
 *
 * 1. A level that is the subject's own name is `%u`; one that is its client id, where that is another, `%c`.
 * 2. A place where at least `wild` different words stood in otherwise equal topics is `+`; never the first level.
 * 3. A level that no policy can write (`%` in it, unprintable characters) is `+`.
 *
 * Where at least three words stood in otherwise equal topics they are written as a set. That is shorter, not wider.
 */
import { findControl } from "../language/characters.ts"
import { complainAboutFilter } from "../language/topic-filter.ts"

/** Fewest words that make a set. */
const SET_WORDS = 3
/** Topics that one topic with sets may stand for, as a rule's topics are counted. */
const MAX_PRODUCT = 1_000
/** Deeper than this a topic is cut with `#`. */
const MAX_LEVELS = 100

/**
 * The filter for one topic (or filter asked for) by rules 1 and 3, or null if none can be written: `$share` with an odd
 * group, topics of the gateway's own, a first level that no policy can write.
 */
export function filterFor(topic: string, who: { readonly name: string; readonly clientId: string }): string | null {
  const share = /^\$share\/[^/]*\//.exec(topic)?.[0] ?? ""
  let levels = topic.slice(share.length).split("/")
  if (levels.length > MAX_LEVELS) levels = [...levels.slice(0, MAX_LEVELS), "#"]
  const written = levels.map((level, k) => {
    if (level === "+" || level === "#") return level
    if (level === who.name && level !== "") return "%u"
    if (level === who.clientId && level !== "") return "%c"
    if (!level.includes("%") && findControl(level) < 0) return level
    return k === 0 && share === "" ? null : "+"
  })
  if (written.includes(null)) return null
  const filter = share + written.join("/")
  return complainAboutFilter(filter) === null && findControl(filter) < 0 ? filter : null
}

/** Whether every topic that `inner` matches is matched by `outer`; both as rules have them, of one subject. */
export function covers(outer: string, inner: string): boolean {
  const wide = outer.split("/")
  const narrow = inner.split("/")
  if (inner.startsWith("$") && (wide[0] === "+" || wide[0] === "#")) return false
  for (let k = 0; k < wide.length; k++) {
    if (wide[k] === "#") return true
    if (k >= narrow.length || narrow[k] === "#") return false
    if (wide[k] !== "+" && wide[k] !== narrow[k]) return false
    if (k === narrow.length - 1 && k === wide.length - 2 && wide[k + 1] === "#") return true
  }
  return wide.length === narrow.length
}

/** What rule 2 did: words that stood where a filter now has `+`. */
export interface Widened {
  readonly level: number
  readonly words: readonly string[]
}

/** Rule 2 over filters that go into the same rules: each filter, and what it becomes. */
export function widen(
  filters: readonly string[],
  wild: number,
): { readonly becomes: ReadonlyMap<string, string>; readonly widened: ReadonlyMap<string, readonly Widened[]> } {
  const becomes = new Map(filters.map((filter) => [filter, filter]))
  const widened = new Map<string, Widened[]>()
  const deepest = Math.max(0, ...filters.map((filter) => filter.split("/").length))
  for (let place = deepest - 1; place >= 1; place--) {
    const groups = new Map<string, Set<string>>()
    for (const filter of new Set(becomes.values())) {
      const levels = filter.split("/")
      const word = levels[place]
      if (word === undefined || ["+", "#", "%u", "%c"].includes(word)) continue
      const key = levels.with(place, "+").join("/")
      const words = groups.get(key)
      if (words === undefined) groups.set(key, new Set([word]))
      else words.add(word)
    }
    for (const [key, words] of groups) {
      if (words.size < wild) continue
      const levels = key.split("/")
      const before = [...words].map((word) => levels.with(place, word).join("/"))
      const old = before.flatMap((filter) => widened.get(filter) ?? [])
      widened.set(key, [...(widened.get(key) ?? []), ...old, { level: place + 1, words: [...words].sort() }])
      const gone = new Set(before)
      for (const [filter, now] of becomes) if (gone.has(now)) becomes.set(filter, key)
    }
  }
  return { becomes, widened }
}

/** Sets of a policy while it is made: the same words have one name. */
export class WordSets {
  readonly #names = new Map<string, string>()
  readonly #max: number
  readonly #usable: boolean

  /** `topics`: every topic of the policy. With braces in one of them there can be no sets at all. */
  constructor(topics: readonly string[], max = 64) {
    this.#usable = !topics.some((topic) => /[{}]/.test(topic))
    this.#max = max
  }

  /** Name to words. */
  get all(): readonly (readonly [string, readonly string[]])[] {
    return [...this.#names].map(([key, name]) => [name, JSON.parse(key) as string[]])
  }

  /** The same topics, written with sets where at least three words make one: `{words-1}` stands for each of them. */
  factor(topics: readonly string[]): readonly string[] {
    if (!this.#usable) return topics
    let rows = topics.map((topic) => topic.split("/"))
    const deepest = Math.max(0, ...rows.map((row) => row.length))
    for (let place = deepest - 1; place >= 0; place--) rows = this.#factorAt(rows, place)
    return rows.map((row) => row.join("/")).sort()
  }

  #factorAt(rows: string[][], place: number): string[][] {
    const groups = new Map<string, string[][]>()
    for (const row of rows) {
      const word = row[place]
      const shared = row[0] === "$share" && place < 2
      const plain = word !== undefined && !shared && word !== "" && word.length <= 256 && !/^\$|[+#%{}]/.test(word)
      const key = JSON.stringify(plain ? row.with(place, "/") : row)
      groups.set(key, [...(groups.get(key) ?? []), row])
    }
    return [...groups.values()].flatMap((group) => {
      const words = group.map((row) => row[place] ?? "").sort()
      const [first] = group
      if (first === undefined || words.length < SET_WORDS) return group
      const others = first.reduce((product, level) => product * (this.#size(level) ?? 1), 1)
      const name = words.length * others <= MAX_PRODUCT ? this.#nameOf(words) : null
      return name === null ? group : [first.with(place, `{${name}}`)]
    })
  }

  #size(level: string): number | null {
    const name = /^\{(.*)\}$/.exec(level)?.[1]
    return this.all.find(([known]) => known === name)?.[1].length ?? null
  }

  #nameOf(words: readonly string[]): string | null {
    const key = JSON.stringify(words)
    const known = this.#names.get(key)
    if (known !== undefined) return known
    if (this.#names.size >= this.#max) return null
    const name = `words-${this.#names.size + 1}`
    this.#names.set(key, name)
    return name
  }
}
