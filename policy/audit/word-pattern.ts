/**
 * Words to look for: `conduit.*,!conduit.connected`. A list, separated by commas; `*` stands for any run of characters, `!`
 * in front excludes, `-` alone is nobody or nothing, and a backslash takes the next character as it is.
 */

/** One word of a list. `parts` are what stands between its stars; one part means no star. */
export interface WordPattern {
  readonly parts: readonly string[]
  readonly exclude: boolean
  /** Written as `-`: what has no value. */
  readonly nothing: boolean
}

/** The words of a list, in order; null if one of them is empty. */
export function parseWords(text: string): readonly WordPattern[] | null {
  const words: WordPattern[] = []
  for (let at = 0; at <= text.length;) {
    const exclude = text.charAt(at) === "!"
    const parts = [""]
    let isPlain = true
    for (at += exclude ? 1 : 0; at < text.length && text.charAt(at) !== ","; at++) {
      const character = text.charAt(at)
      if (character === "*") parts.push("")
      else if (character === "\\" && at + 1 < text.length) {
        parts.push((parts.pop() ?? "") + text.charAt(++at))
        isPlain = false
      } else parts.push((parts.pop() ?? "") + character)
    }
    if (parts.length === 1 && parts[0] === "") return null
    words.push({ parts, exclude, nothing: isPlain && parts.length === 1 && parts[0] === "-" })
    at++
  }
  return words
}

/**
 * Whether a list picks something that goes by these names (null: nothing): one of its words does, or it has none but
 * excluding ones; and none of those.
 */
export function picksWord(words: readonly WordPattern[], ...names: readonly (string | null)[]): boolean {
  let [wanted, found] = [false, false]
  for (const word of words) {
    const matches = names.some((name) =>
      name === null ? word.nothing : !word.nothing && matchesParts(word.parts, name),
    )
    if (word.exclude && matches) return false
    if (word.exclude) continue
    wanted = true
    found ||= matches
  }
  return found || !wanted
}

/** Linear in the length of `value` times the number of parts, whatever the pattern: each part is found where it first can be. */
function matchesParts(parts: readonly string[], value: string): boolean {
  const [first = "", last = ""] = [parts[0], parts.at(-1)]
  if (parts.length === 1) return value === first
  if (value.length < first.length + last.length || !value.startsWith(first) || !value.endsWith(last)) return false
  let at = first.length
  const end = value.length - last.length
  for (const part of parts.slice(1, -1)) {
    const found = value.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
