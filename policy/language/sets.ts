/**
 * Named sets of words, and the texts that name them: `plant/{site}/state` stands for one topic a word.
 *
 * A document without the key `sets` has none: braces in its topics are braces.
 */
export type Sets = ReadonlyMap<string, readonly string[]>

/** Topics (or metric names) of one rule, its sets written out. */
export const MAX_TOPICS_OF_RULE = 1000
/** Texts that all sets of a policy make together, and their characters. */
export const MAX_WRITTEN_OUT = { texts: 200_000, characters: 16 * 1024 * 1024 } as const

/** A text taken apart: `names[i]` stands between `texts[i]` and `texts[i + 1]`. */
interface Template {
  readonly texts: readonly string[]
  readonly names: readonly string[]
}

/** The names of sets in `text`, in its order; null if a brace stands where no name is. */
export function setsIn(text: string): readonly string[] | null {
  const { texts, names } = take(text)
  return texts.some((part) => /[{}]/.test(part)) ? null : names
}

function take(text: string): Template {
  const parts = text.split(/\{([A-Za-z0-9][A-Za-z0-9._-]*)\}/)
  return { texts: parts.filter((_, i) => i % 2 === 0), names: parts.filter((_, i) => i % 2 === 1) }
}

/** How many texts `text` stands for, and how many characters they have; all its sets are in `sets`. Nothing is built. */
export function measure(text: string, sets: Sets): { readonly texts: number; readonly characters: number } {
  const { texts, names } = take(text)
  const used = new Map<string, number>()
  for (const name of names) used.set(name, (used.get(name) ?? 0) + 1)
  let count = 1
  for (const name of used.keys()) count *= sets.get(name)?.length ?? 0
  // So many are refused anyway, and their characters may be beyond all numbers.
  if (count > MAX_TOPICS_OF_RULE) return { texts: count, characters: 0 }
  let characters = count * texts.join("").length
  for (const [name, times] of used) {
    const words = sets.get(name) ?? []
    characters += times * words.join("").length * (count / words.length)
  }
  return { texts: count, characters }
}

/**
 * The texts that `text` stands for: every combination of the words of its sets, the last set going round fastest. A set
 * named twice stands for the same word both times. Measure first.
 */
export function writeOut(text: string, sets: Sets): readonly string[] {
  const { texts, names } = take(text)
  const order = [...new Set(names)]
  let made: (readonly string[])[] = [[]]
  for (const name of order) made = made.flatMap((words) => (sets.get(name) ?? []).map((word) => [...words, word]))
  const at = names.map((name) => order.indexOf(name))
  return made.map((words) => texts.reduce((all, part, i) => all + (words[at[i - 1] ?? 0] ?? "") + part))
}

/** All of `texts`, written out; each once. Without sets they are what they are. */
export function writeOutAll(texts: readonly string[], sets: Sets | null): readonly string[] {
  if (sets === null || !texts.some((text) => text.includes("{"))) return texts
  return [...new Set(texts.flatMap((text) => (text.includes("{") ? writeOut(text, sets) : [text])))]
}
