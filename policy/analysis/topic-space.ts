/**
 * All topics at once. Filters over levels are a regular language over an unbounded alphabet: what a set of filters can tell
 * of a topic depends, level by level, only on whether a word is one of theirs, is the subject's name or client id, or is
 * any other word. One fresh word stands for all others, since the filters treat them alike. So a walk over sets of places in
 * the filters' trie meets every combination of filters that some topic matches, each with an example: exact, and finite.
 *
 * Names: `%u` may be equal to a word that stands in a filter. The walk leaves the name open until a level with `%u` matters,
 * and then goes both ways: it is a fresh name, or it is each word that it could be. `%c` likewise.
 */

/** Who the walk is for: which names and client ids are possible. */
export interface Identity {
  /** The only names there are; null if a name may be any word that has the form of one. */
  readonly names: readonly string[] | null
  /** A name for "none of the words in filters"; null if there is no such subject. */
  readonly freshName: string | null
  /** The client id: always the name; always this word; or any. */
  readonly client:
    { readonly kind: "name" } | { readonly kind: "word"; readonly word: string } | { readonly kind: "any" }
}

const NAME = /^[A-Za-z0-9._-]{1,64}$/

/** Whoever it may be: any name, and the client id that is the name. */
export const ANYBODY: Identity = {
  names: null,
  freshName: "some-device",
  client: { kind: "name" },
}

/** A topic and who stands behind it, as an example of all that match the same filters. */
export interface Example {
  readonly topic: string
  /** The same with `+` where any word will do, and `%u` and `%c` where the name or client id stands that is none of the words. */
  readonly pattern: string
  /** Every longer topic matches the same. */
  readonly open: boolean
  /** Null if any will do. */
  readonly name: string | null
  readonly clientId: string | null
}

/** Most places that one walk visits. */
export const MAX_PLACES = 200_000

interface Node {
  readonly id: number
  readonly words: Map<string, Node>
  plus: Node | null
  name: Node | null
  client: Node | null
  readonly ends: number[]
  readonly opens: number[]
  /** The last call of `want` by which a label here or below is wanted. */
  wanted: number
  /** Whether `%u`, `%c` stands at some level further down than the next. */
  readonly again: Record<Variable, boolean>
}

interface LabelSet {
  readonly id: number
  readonly labels: readonly number[]
}

interface State {
  readonly nodes: readonly Node[]
  readonly level: number
  readonly absorbed: LabelSet
  readonly name: string | null
  readonly client: string | null
  /** Words that the name or client id is known not to be. */
  readonly not: { readonly name: readonly string[]; readonly client: readonly string[] }
  readonly parent: State | null
  readonly word: string
}

/** No topic holds these. */
const FRESH = "\u0001"
const FRESH_NAME = "\u0001n"
const FRESH_CLIENT = "\u0001c"
const SIGNS: Readonly<Record<string, string>> = { [FRESH]: "+", [FRESH_NAME]: "%u", [FRESH_CLIENT]: "%c" }
const isFresh = (word: string): boolean => word.startsWith("\u0001")

type Variable = "name" | "client"

/** Labelled filters, and the walk over every topic that matters to the wanted ones. */
export class TopicSpace {
  readonly #identity: Identity
  readonly #root: Node
  readonly #sets = new Map<string, LabelSet>()
  readonly #joined = new Map<string, LabelSet>()
  /** Words by level, and the last level at which each variable stands. */
  readonly #wordsAt: Set<string>[] = []
  readonly #levelsOf: Readonly<Record<Variable, Set<number>>> = { name: new Set(), client: new Set() }
  /** The nodes on the way to each label's filters. */
  readonly #ways = new Map<number, Node[]>()
  #wantedLabels: ReadonlySet<number> = new Set<number>()
  #calls = 0
  #nodes = 0
  /** Places visited by all walks so far: what they cost. */
  visited = 0

  constructor(identity: Identity = ANYBODY) {
    this.#identity = identity
    this.#root = this.#node()
  }

  /** Add one filter under a label. */
  add(filter: string, label: number): void {
    const way = this.#ways.get(label) ?? []
    this.#ways.set(label, way)
    let node = this.#root
    way.push(node)
    const levels = filter.split("/")
    const passed: Node[] = []
    for (const [k, level] of levels.entries()) {
      if (level === "#" && k === levels.length - 1) {
        node.opens.push(label)
        return
      }
      const variable = this.#variable(level)
      if (variable !== null) for (const before of passed) before.again[variable] = true
      passed.push(node)
      node = this.#child(node, level, k)
      way.push(node)
    }
    node.ends.push(label)
  }

  /** From now on walks look only at topics that a filter with one of these labels matches. */
  want(labels: Iterable<number>): void {
    this.#wantedLabels = new Set(labels)
    this.#calls++
    for (const label of this.#wantedLabels) for (const node of this.#ways.get(label) ?? []) node.wanted = this.#calls
  }

  #variable(level: string): Variable | null {
    const { client } = this.#identity
    if (level === "%u" || (level === "%c" && client.kind === "name")) return "name"
    return level === "%c" && client.kind === "any" ? "client" : null
  }

  #child(node: Node, level: string, k: number): Node {
    const { client } = this.#identity
    if (level === "+") return (node.plus ??= this.#node())
    const variable = this.#variable(level)
    if (variable !== null) {
      this.#levelsOf[variable].add(k)
      return (node[variable] ??= this.#node())
    }
    const word = level === "%c" && client.kind === "word" ? client.word : level
    ;(this.#wordsAt[k] ??= new Set()).add(word)
    let next = node.words.get(word)
    if (next === undefined) node.words.set(word, (next = this.#node()))
    return next
  }

  #node(): Node {
    return {
      id: this.#nodes++,
      words: new Map(),
      plus: null,
      name: null,
      client: null,
      ends: [],
      opens: [],
      wanted: 0,
      again: { name: false, client: false },
    }
  }

  /**
   * Call `visit` for every combination of labels that some topic matches and that holds a wanted one, with an example, the
   * shortest first; combinations may come more than once. `visit` returns true to end the walk.
   *
   * Returns `bounded` if there are more than `maxPlaces` places: then some were not seen.
   */
  walk(
    visit: (labels: readonly number[], example: () => Example) => boolean,
    maxPlaces = MAX_PLACES,
  ): "whole" | "stopped" | "bounded" {
    const none = this.#set([])
    const start: State = {
      nodes: [this.#root],
      level: 0,
      absorbed: none,
      name: null,
      client: null,
      not: { name: [], client: [] },
      parent: null,
      word: "",
    }
    const seen = new Set<string>([keyOf(start)])
    const queue: State[] = [start]
    for (const state of queue) {
      this.visited++
      // The empty topic does not exist.
      if (state.level > 0 && !(state.level === 1 && state.word === "")) {
        const matched = this.#join(state.absorbed, state.nodes, true)
        if (this.#isWanted(matched) && visit(matched.labels, () => this.#example(state))) return "stopped"
      }
      for (const next of this.#successors(state)) {
        const key = keyOf(next)
        if (seen.has(key)) continue
        if (seen.size >= maxPlaces) return "bounded"
        seen.add(key)
        queue.push(next)
      }
    }
    return "whole"
  }

  *#successors(state: State): Generator<State> {
    const { nodes, level } = state
    const words = new Set<string>([FRESH])
    const active: Variable[] = []
    for (const variable of ["name", "client"] as const) {
      const bound = state[variable]
      if (!nodes.some((node) => node[variable] !== null)) continue
      if (bound !== null) words.add(bound)
      else {
        active.push(variable)
        if (this.#standsAgain(variable, nodes)) for (const word of this.#candidates(variable, level)) words.add(word)
      }
    }
    // If nothing that is wanted lies behind a wildcard, only the words of what is wanted lead there.
    const wild = this.#isWanted(state.absorbed) || nodes.some((node) => this.#isWantedBehindWildcard(node))
    for (const node of nodes) {
      for (const [word, { wanted }] of node.words) if (wild || wanted === this.#calls) words.add(word)
    }
    for (const word of words) {
      if (level === 0 && (word === "lockgate" || word === "$lockgate")) continue
      // Each open name that matters here is this word, or it is not.
      for (let choice = 0; choice < 1 << active.length; choice++) {
        const next = this.#step(
          state,
          word,
          active.filter((_, k) => (choice & (1 << k)) !== 0),
          active.filter((_, k) => (choice & (1 << k)) === 0),
        )
        if (next !== null) yield next
      }
    }
  }

  #isWanted(set: LabelSet): boolean {
    return set.labels.some((label) => this.#wantedLabels.has(label))
  }

  #isWantedBehindWildcard({ plus, name, client, opens }: Node): boolean {
    const behind = [plus, name, client].some((node) => node?.wanted === this.#calls)
    return behind || opens.some((label) => this.#wantedLabels.has(label))
  }

  #standsAgain(variable: Variable, nodes: readonly Node[]): boolean {
    return nodes.some((node) => node.again[variable])
  }

  /** Words of filters that could be a name here: those at this level, and at deeper ones where the same name stands again. */
  #candidates(variable: Variable, level: number): ReadonlySet<string> {
    const found = new Set<string>()
    for (const at of this.#levelsOf[variable]) {
      if (at >= level) for (const word of this.#wordsAt[at] ?? []) found.add(word)
    }
    return found
  }

  #step(state: State, chosen: string, equal: readonly Variable[], unequal: readonly Variable[]): State | null {
    const { nodes, level } = state
    const word = chosen === FRESH && equal.length > 0 ? (equal[0] === "name" ? FRESH_NAME : FRESH_CLIENT) : chosen
    for (const variable of equal) {
      if (state.not[variable].includes(word)) return null
      if (variable === "name" && !this.#mayBeNamed(word)) return null
    }
    if (unequal.includes("name") && !this.#mayBeOther(word, state.not.name)) return null
    const name = equal.includes("name") ? word : state.name
    const client = equal.includes("client") ? word : state.client
    const wild = !(level === 0 && word.startsWith("$"))
    const next = new Map<number, Node>()
    const reach = (node: Node | null | undefined): void => {
      if (node !== null && node !== undefined) next.set(node.id, node)
    }
    for (const node of nodes) {
      reach(node.words.get(word))
      if (wild) reach(node.plus)
      if (name === word) reach(node.name)
      if (client === word) reach(node.client)
    }
    const absorbed = wild ? this.#join(state.absorbed, nodes, false) : state.absorbed
    const reached = [...next.values()].sort((a, b) => a.id - b.id)
    if (!reached.some((node) => node.wanted === this.#calls) && !this.#isWanted(absorbed)) return null
    const not = {
      name: this.#without("name", state, word, unequal),
      client: this.#without("client", state, word, unequal),
    }
    return { nodes: reached, level: level + 1, absorbed, name, client, not, parent: state, word }
  }

  #mayBeNamed(word: string): boolean {
    const { names, freshName } = this.#identity
    if (isFresh(word)) return freshName !== null
    return names === null ? NAME.test(word) : names.includes(word)
  }

  /** True if there is a name that is neither `word` nor one of `not`. */
  #mayBeOther(word: string, not: readonly string[]): boolean {
    const { names, freshName } = this.#identity
    return freshName !== null || names === null || names.some((name) => name !== word && !not.includes(name))
  }

  /** That a name is not `word` is worth knowing only where it stands again further down. */
  #without(variable: Variable, state: State, word: string, unequal: readonly Variable[]): readonly string[] {
    const known = state.not[variable]
    if (!unequal.includes(variable) || isFresh(word) || known.includes(word)) return known
    return this.#standsAgain(variable, state.nodes) ? [...known, word].sort() : known
  }

  #set(labels: readonly number[]): LabelSet {
    const key = labels.join(",")
    let set = this.#sets.get(key)
    if (set === undefined) {
      set = { id: this.#sets.size, labels }
      this.#sets.set(key, set)
    }
    return set
  }

  #join(set: LabelSet, nodes: readonly Node[], withEnds: boolean): LabelSet {
    const some = nodes.filter((node) => node.opens.length > 0 || (withEnds && node.ends.length > 0))
    if (some.length === 0) return set
    const key = `${set.id}${withEnds ? "." : ","}${some.map((node) => node.id).join(",")}`
    let joined = this.#joined.get(key)
    if (joined === undefined) {
      const labels = new Set(set.labels)
      for (const node of some) {
        for (const label of node.opens) labels.add(label)
        if (withEnds) for (const label of node.ends) labels.add(label)
      }
      joined = this.#set([...labels].sort((a, b) => a - b))
      this.#joined.set(key, joined)
    }
    return joined
  }

  #example(state: State): Example {
    const words: string[] = []
    for (let at: State | null = state; at !== null && at.level > 0; at = at.parent) words.unshift(at.word)
    const { freshName } = this.#identity
    const taken = (word: string): boolean => this.#wordsAt.some((set) => set.has(word))
    let any = "any"
    while (taken(any)) any += "-"
    const spoken = (word: string): string =>
      word === FRESH ? any : word === FRESH_NAME ? (freshName ?? any) : word === FRESH_CLIENT ? "some-client" : word
    const name = state.name === null ? null : spoken(state.name)
    return {
      topic: words.map(spoken).join("/"),
      pattern: words.map((word) => SIGNS[word] ?? word).join("/"),
      open: state.nodes.length === 0,
      name,
      clientId: this.#identity.client.kind === "name" ? name : state.client === null ? null : spoken(state.client),
    }
  }
}

function keyOf({ nodes, level, absorbed, name, client, not }: State): string {
  const ids = nodes.map((node) => node.id).join(",")
  // Past the filters all levels are alike, but the empty topic and the first `$` are at the beginning.
  const depth = nodes.length > 0 ? level : Math.min(level, 2)
  // Who it is matters only where a name can still stand.
  const asks = (variable: Variable): boolean => nodes.some((node) => node[variable] !== null || node.again[variable])
  const who = (variable: Variable, bound: string | null): string =>
    asks(variable) ? `${bound ?? ""}\u0002${not[variable].join("\u0002")}` : ""
  return `${ids}|${depth}|${absorbed.id}|${who("name", name)}|${who("client", client)}`
}
