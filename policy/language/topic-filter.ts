import type { Complaint } from "./shape.ts"
import { quote, utf8Length } from "./characters.ts"

/** UTF-8 bytes, as MQTT bounds it. */
export const MAX_FILTER_BYTES = 65_535
/** Levels of one filter: ours, MQTT has no bound. */
export const MAX_FILTER_LEVELS = 128

/** First levels that are the gateway's own: no rule opens them. */
const RESERVED: readonly string[] = ["lockgate", "$lockgate"]

/** A topic filter of a rule, taken apart. */
export interface RuleFilter {
  /** Group of `$share/<group>/<filter>`, else null. */
  readonly group: string | null
  readonly filter: string
}

/** The parts of a filter that `complainAboutFilter` has no complaint about. */
export function splitFilter(topic: string): RuleFilter {
  if (!topic.startsWith("$share/")) return { group: null, filter: topic }
  const slash = topic.indexOf("/", 7)
  return { group: topic.slice(7, slash), filter: topic.slice(slash + 1) }
}

/**
 * What is wrong with a topic filter of a rule, or null. Well-formed text without control characters is presumed.
 *
 * @see MQTT 5.0 sections 4.7 (filters) and 4.8.2 (shared subscriptions)
 */
export function complainAboutFilter(topic: string): Complaint | null {
  if (topic === "") return { message: "a topic filter has at least one character", hint: null }
  if (topic.length > MAX_FILTER_BYTES || utf8Length(topic) > MAX_FILTER_BYTES) {
    return { message: `a topic filter has at most ${MAX_FILTER_BYTES} bytes`, hint: null }
  }
  let levels = topic.split("/")
  if (levels[0] === "$share") {
    const complaint = complainAboutGroup(levels)
    if (complaint !== null) return complaint
    levels = levels.slice(2)
  }
  if (levels.length > MAX_FILTER_LEVELS) {
    return { message: `a topic filter has at most ${MAX_FILTER_LEVELS} levels, found ${levels.length}`, hint: null }
  }
  const [first = ""] = levels
  if (RESERVED.includes(first)) {
    return { message: `topics below ${quote(first)} are the gateway's own: no rule opens them`, hint: null }
  }
  for (const [i, level] of levels.entries()) {
    const complaint = complainAboutLevel(level, i === levels.length - 1)
    if (complaint !== null) return complaint
  }
  return null
}

function complainAboutGroup(levels: readonly string[]): Complaint | null {
  const [, group = "", ...filter] = levels
  const hint = "write $share/<group>/<filter>"
  if (group === "" || filter.length === 0 || (filter.length === 1 && filter[0] === "")) {
    return { message: "a shared subscription names a group and a filter", hint }
  }
  if (/[+#%]/.test(group)) {
    return { message: `a group has none of + # %, found ${quote(group)}`, hint }
  }
  return null
}

function complainAboutLevel(level: string, last: boolean): Complaint | null {
  if (level === "#") {
    return last ? null : { message: '"#" must be the last level of a topic filter', hint: 'one level is "+"' }
  }
  if (level === "+" || level === "%c" || level === "%u") return null
  if (level.includes("#") || level.includes("+")) {
    const wild = level.includes("#") ? "#" : "+"
    return { message: `"${wild}" must be a whole level, found ${quote(level)}`, hint: `write "/${wild}" on its own` }
  }
  if (!level.includes("%")) return null
  const known = /%[cu]/i.exec(level)?.[0]
  if (known === undefined) {
    return {
      message: `"%" stands only in the levels %c (client id) and %u (subject's name), found ${quote(level)}`,
      hint: null,
    }
  }
  const lower = known.toLowerCase()
  return { message: `"${lower}" must be a whole level, found ${quote(level)}`, hint: `write "/${lower}/" on its own` }
}
