import type { DocNode } from "./document.ts"
import type { Placed } from "./group-shapes.ts"
import type { Step } from "./locate.ts"
import type { PolicyDocument } from "./policy-shape.ts"
import type { Report } from "./report.ts"
import type { RuleEntry } from "./rule-shape.ts"
import type { Sets } from "./sets.ts"
import { quote } from "./characters.ts"
import { declaredNames, faultAt } from "./locate.ts"
import { MAX_TOPICS_OF_RULE, MAX_WRITTEN_OUT, measure, setsIn, writeOut } from "./sets.ts"
import { didYouMean } from "./suggestion.ts"
import { complainAboutFilter } from "./topic-filter.ts"

/** The sets of a document, or null if it has none: see `Sets`. */
export function setsOf(document: PolicyDocument): Sets | null {
  return document.sets === null ? null : new Map(document.sets.map(({ name, value }) => [name, value]))
}

/** Adds what is wrong with names of sets, and with the texts of rules that sets stand in. */
export function checkSets(document: PolicyDocument, root: DocNode, report: Report): void {
  const sets = setsOf(document)
  if (document.sets === null || sets === null) return
  for (const set of document.sets) {
    if (set.name !== "name") continue
    report.add(set.node.at, set.path, "{name} is the subject's name in a match: no set is called so", "rename the set")
  }
  const checker = new SetChecker(sets, declaredNames(root, ["sets"]), report)
  for (const rule of document.rules) {
    if (report.full) return
    checker.check(rule)
  }
}

/** Only what stands there as `$share/` is looked at as such: see `checkRules`. */
const isShareMade = (topic: string, text: string): boolean => topic.startsWith("$share/") && !text.startsWith("$share/")
const SHARE_MADE = { message: "$share is written out, never made of sets", hint: null }

/** Counts what the sets of a policy make while its rules are checked one by one. */
class SetChecker {
  readonly #sets: Sets
  readonly #declared: ReadonlySet<string>
  readonly #report: Report
  #texts = 0
  #characters = 0
  #isOver = false

  constructor(sets: Sets, declared: ReadonlySet<string>, report: Report) {
    this.#sets = sets
    this.#declared = declared
    this.#report = report
  }

  check(rule: Placed<RuleEntry>): void {
    if (rule.value.protocol !== "mqtt") return
    const { entry } = rule.value
    this.#checkList(rule, entry.topics, ["topics"], (i) => ["topics", i], true)
    const form = "form" in entry && typeof entry.form === "object" && "sparkplug-b" in entry.form ? entry.form : null
    if (form === null) return
    const names = form["sparkplug-b"].map(({ metric }) => metric)
    const at = ["form", "sparkplug-b"]
    this.#checkList(rule, names, at, (i) => [...at, i, "metric"], false)
  }

  #checkList(
    rule: Placed<RuleEntry>,
    list: readonly string[],
    at: readonly Step[],
    atItem: (i: number) => readonly Step[],
    areTopics: boolean,
  ): void {
    if (!list.some((text) => /[{}]/.test(text))) return
    let count = 0
    for (const [i, text] of list.entries()) {
      const names = setsIn(text)
      if (names?.length === 0) count++
      else if (names === null) {
        const message = `braces stand around the name of a set and nowhere else, found ${quote(text)}`
        faultAt(this.#report, rule, atItem(i), message, "write {set}, one of the policy's sets")
      } else if (this.#areKnown(rule, names, atItem(i))) {
        count += this.#add(rule, text, atItem(i), areTopics && count <= MAX_TOPICS_OF_RULE)
      }
    }
    if (count <= MAX_TOPICS_OF_RULE) return
    const many = count > 1e9 ? "more than a billion" : count
    const message = `the sets make ${many} of this list, at most ${MAX_TOPICS_OF_RULE} are accepted`
    faultAt(this.#report, rule, at, message, "write a wildcard, or several rules")
  }

  #areKnown(rule: Placed<RuleEntry>, names: readonly string[], at: readonly Step[]): boolean {
    for (const name of names) {
      if (this.#declared.has(name)) continue
      faultAt(this.#report, rule, at, `there is no set ${quote(name)}`, didYouMean(name, this.#declared))
    }
    // A set with a fault of its own is declared, and has no words.
    return names.every((name) => this.#sets.has(name))
  }

  /** How many texts `text` makes; those that are topics are looked at, unless there are too many. */
  #add(rule: Placed<RuleEntry>, text: string, at: readonly Step[], look: boolean): number {
    const { texts, characters } = measure(text, this.#sets)
    if (texts > MAX_TOPICS_OF_RULE || this.#isOver) return texts
    this.#texts += texts
    this.#characters += characters
    if (this.#texts > MAX_WRITTEN_OUT.texts || this.#characters > MAX_WRITTEN_OUT.characters) {
      this.#isOver = true
      const bound =
        this.#texts > MAX_WRITTEN_OUT.texts
          ? `${MAX_WRITTEN_OUT.texts} topics`
          : `${MAX_WRITTEN_OUT.characters} characters`
      const message = `up to here the sets of this policy make more than ${bound}`
      faultAt(this.#report, rule, at, message, "write wildcards, or fewer words")
      return texts
    }
    if (!look) return texts
    for (const topic of writeOut(text, this.#sets)) {
      const complaint = isShareMade(topic, text) ? SHARE_MADE : complainAboutFilter(topic)
      if (complaint === null) continue
      faultAt(this.#report, rule, at, `it makes ${quote(topic)}: ${complaint.message}`, complaint.hint)
      break
    }
    return texts
  }
}
