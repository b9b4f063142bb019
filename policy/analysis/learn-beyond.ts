import type { LearntRule } from "./learn.ts"
import type { Widened } from "./learn-topics.ts"

/** What a proposed filter, or a rule as a whole, admits that was not recorded. */
export interface Beyond {
  readonly rule: string
  /** Null: every filter of the rule. */
  readonly filter: string | null
  readonly admits: string
}

/** Words in a sentence, at most. */
const WORDS = 5

/**
 * Everything that a rule admits beyond what it was learnt from, apart from how often and how large: that its comment says.
 *
 * `%u` and `%c` admit every other bearer of the role to the same topic with its own name; `+` every word at its level;
 * `#` every topic below. A filter without any of these admits exactly its topic. `beside`: sets of roles that did not
 * use it.
 */
export function beyondOf(
  rule: LearntRule,
  widened: ReadonlyMap<string, readonly Widened[]>,
  beside: readonly (readonly string[])[],
): readonly Beyond[] {
  const found: Beyond[] = []
  const whole = (admits: string): void => void found.push({ rule: rule.id, filter: null, admits })
  const roles = rule.roles.join(" or ")
  const subjects = [...rule.seen.subjects].sort()
  if (rule.topics.length > 0) {
    whole(`every other subject with role ${roles}; recorded: ${some(subjects)}`)
  }
  for (const other of beside) whole(`subjects with roles ${[...other].sort().join(" and ")}, which did not use it`)
  for (const filter of rule.topics) {
    const about = (admits: string): void => void found.push({ rule: rule.id, filter, admits })
    const words = widened.get(filter) ?? []
    const levels = filter.split("/")
    levels.forEach((level, k) => {
      if (level === "%u" || level === "%c") {
        const what = level === "%u" ? "name" : "client id"
        about(`at level ${k + 1} the ${what} of whoever asks, for every subject with role ${roles}`)
      } else if (level === "#") about(k === 0 ? "every topic" : `every topic below ${levels.slice(0, k).join("/")}`)
      else if (level === "+") {
        const seen = words.filter((one) => one.level === k + 1).flatMap((one) => one.words)
        about(`any word at level ${k + 1}${seen.length === 0 ? "" : `; recorded: ${some([...new Set(seen)].sort())}`}`)
      }
    })
  }
  return found
}

function some(words: readonly string[]): string {
  const shown = words.slice(0, WORDS).join(", ")
  return words.length <= WORDS ? shown : `${shown} and ${words.length - WORDS} more`
}
