import { quote } from "./characters.ts"
import { oneOrMore } from "./group-shapes.ts"
import type { Complaint, Shape } from "./shape.ts"
import { FAULTY, complainAboutName, text } from "./shape.ts"

/** What must hold of a named input of the board: that it is in this state, or (`is` false) that it is in any other. */
export interface InputCondition {
  readonly input: string
  readonly is: boolean
  readonly state: string
}

/** Most conditions of one rule. */
export const MAX_CONDITIONS = 8

/** One space between words, so that two ways of writing are never one condition. */
const CONDITION = /^([A-Za-z0-9._-]{1,64}) is (not )?([A-Za-z0-9._-]{1,64})$/

const EXPECTED = "a condition such as key-switch is maintenance, or key-switch is not run"

/** What is wrong with a condition, or null. */
function complain(value: string): Complaint | null {
  const [, input = "", , state = ""] = CONDITION.exec(value) ?? []
  // `x is not` reads as the state `not`: surely the state was forgotten.
  if (state === "not") return { message: `expected ${EXPECTED}, found ${quote(value)}`, hint: "the state is missing" }
  return complainAboutName(input) ?? complainAboutName(state)
}

const words = text({ expected: EXPECTED, pattern: CONDITION, maxLength: 140, check: complain })

const condition: Shape<InputCondition> = {
  expected: EXPECTED,
  read(node, path, report) {
    const value = words.read(node, path, report)
    if (value === FAULTY) return FAULTY
    const [, input = "", not, state = ""] = CONDITION.exec(value) ?? []
    return { input, is: not === undefined, state }
  },
  schema: () => words.schema(),
}

const several = oneOrMore(condition, MAX_CONDITIONS)

/** One condition on an input, or a list of them; a list comes out. Twice the same is a fault. */
export const inputConditions: Shape<readonly InputCondition[]> = {
  ...several,
  read(node, path, report) {
    const found = several.read(node, path, report)
    if (found === FAULTY) return FAULTY
    const said = found.map(conditionText)
    const twice = said.find((one, k) => said.indexOf(one) !== k)
    if (twice === undefined) return found
    report.add(node.at, path, `${quote(twice)} stands twice in the list`)
    return FAULTY
  },
}

/** As the policy writes it: `key-switch is not run`. */
export function conditionText({ input, is, state }: InputCondition): string {
  return `${input} is ${is ? "" : "not "}${state}`
}

/** All of them: `key-switch is run and door is shut`. */
export function conditionsText(conditions: readonly InputCondition[]): string {
  return conditions.map(conditionText).join(" and ")
}
