import { InputError } from "../../policy/base/errors.ts"
import { compilePolicy } from "../../policy/compile/compile.ts"
import { decideSubscription } from "../../policy/filter/contain.ts"
import { classOf, createBuckets, createFilterState, decideMessage, decideTopic } from "../../policy/filter/decide.ts"
import { setGates } from "../../policy/filter/gates.ts"
import {
  decideReference,
  decideSubscriptionReference,
  type Asked,
  type ReferenceBuckets,
} from "../../policy/filter/reference.ts"
import type { CompiledPolicy } from "../../policy/filter/table.ts"
import { REASON, reasonName, ruleOf } from "../../policy/filter/verdict.ts"
import type { Inputs } from "../../policy/filter/inputs.ts"
import type { InputCondition } from "../../policy/language/input-condition.ts"
import type { PayloadForm } from "../../policy/language/payload-form.ts"
import type { Action, Hours, MqttRule, Policy } from "../../policy/language/policy.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import { makePolicy, makeRule } from "./policies.ts"
import { seeded } from "./hostile.ts"

/** What a comparison of the filter with its reference found. */
export interface Comparison {
  cases: number
  /** How often each verdict came up: a comparison that only ever denies proves little. */
  readonly reasons: Map<string, number>
  readonly differences: string[]
}

/** Conduits of the random policies. */
export const CONDUITS = ["field", "yard"]
/** Sets of roles that their subjects have. */
export const ROLE_SETS = [["sensor"], ["meter"], ["meter", "sensor"], ["sensor", "meter", "gauge"], []]
/** Few words, so that things meet; some agree in length, first and last bytes. */
export const WORDS = ["a", "b", "", "$x", "dev", "é", "long-1-tail", "long-2-tail", "a b", "%x", "lockgate"]
/** Names and client ids of peers, one of them a wildcard. */
export const NAMES = ["dev", "a", "other", "+"]

/** A random source with the choices that the generators need. */
export function chooser(seed: number) {
  const random = seeded(seed)
  const below = (n: number): number => Math.floor(random() * n)
  return {
    below,
    pick: <T>(of: readonly T[]): T => of[below(of.length)]!,
    chance: (p: number): boolean => random() < p,
  }
}
/** What `chooser` returns. */
export type Chooser = ReturnType<typeof chooser>

function randomFilter(choose: Chooser, words: readonly string[], mayShare: boolean): string {
  const levels = Array.from({ length: 1 + choose.below(4) }, () =>
    choose.chance(0.25) ? "+" : choose.chance(0.12) ? choose.pick(["%c", "%u"]) : choose.pick(words),
  )
  if (choose.chance(0.25)) levels[levels.length - 1] = "#"
  if (levels.join("/") === "") levels[0] = "a"
  return (mayShare && choose.chance(0.3) ? `$share/${choose.pick(["g", "h"])}/` : "") + levels.join("/")
}

/** A topic of one to five of the words. */
export function randomTopic(choose: Chooser, words: readonly string[]): string {
  return Array.from({ length: 1 + choose.below(5) }, () => choose.pick(words)).join("/")
}

function subsetOf<T>(choose: Chooser, of: readonly T[]): T[] {
  const some = of.filter(() => choose.chance(0.6))
  return some.length > 0 ? some : [choose.pick(of)]
}

function randomRule(choose: Chooser, words: readonly string[], number: number): MqttRule {
  const actions = subsetOf<Action>(choose, ["publish", "subscribe", "receive"])
  const deny = choose.chance(0.2)
  const onlySubscribe = actions.length === 1 && actions[0] === "subscribe"
  return makeRule({
    id: `r${number}`,
    effect: deny ? "deny" : "allow",
    actions,
    conduits: subsetOf(choose, CONDUITS),
    roles: subsetOf(choose, ["sensor", "meter", "gauge"]),
    topics: Array.from({ length: 1 + choose.below(3) }, () => randomFilter(choose, words, onlySubscribe)),
    maxQos: deny ? 2 : choose.pick([0, 1, 2]),
    retain: choose.chance(0.5),
    maxPayloadBytes: choose.pick([10, 1000, 268_435_455]),
    rate: choose.chance(0.35) ? { perSecond: choose.pick([1, 3, 10]), burst: choose.pick([1, 2, 5]) } : null,
    essential: choose.chance(0.3),
    payload: deny || choose.chance(0.75) ? { kind: "any" } : choose.pick(FORMS),
    hours: choose.chance(0.2) ? randomHours(choose) : null,
    emergency: !deny && choose.chance(0.15) ? choose.pick(EMERGENCIES) : null,
    when: choose.chance(0.2) ? randomConditions(choose) : null,
  })
}

const EMERGENCIES = ["fire", "leak"]
const FORMS: readonly PayloadForm[] = [{ kind: "utf8" }, { kind: "utf8" }, { kind: "sparkplug-b", metrics: [] }]

function randomHours(choose: Chooser): Hours {
  return {
    days: [1, 2, 3, 4, 5, 6, 7].filter(() => choose.chance(0.5)),
    fromMinute: choose.below(1440),
    toMinute: 1 + choose.below(1440),
    utcOffsetMinutes: choose.pick([0, 60, -300]),
  }
}

/** On inputs that are known, that are not, and on a state that the input never has. */
function randomConditions(choose: Chooser): readonly InputCondition[] {
  return Array.from({ length: 1 + choose.below(2) }, () => ({
    input: choose.pick(["key", "door"]),
    is: choose.chance(0.6),
    state: choose.pick(["run", "run", "service", "never"]),
  }))
}

function randomInputs(choose: Chooser): Inputs {
  const known = ["key", "door"].filter(() => choose.chance(0.8))
  return new Map(known.map((name) => [name, { state: choose.pick(["run", "service"]), words: ["run", "service"] }]))
}

/** Somewhere in a week, known to an hour or so; at times not known at all. */
function randomTime(choose: Chooser): TimeInterval {
  if (choose.chance(0.1)) return { earliestAt: 0, latestAt: Infinity }
  const earliestAt = Date.UTC(2026, 10, 23) + choose.below(7 * 86_400_000)
  return { earliestAt, latestAt: earliestAt + choose.below(3_600_000) }
}

/** What a gateway knows beside the message. */
function randomMoment(choose: Chooser): Required<Pick<Asked, "time" | "emergencies" | "inputs">> {
  const emergencies = new Set(EMERGENCIES.filter(() => choose.chance(0.4)))
  return { time: randomTime(choose), emergencies, inputs: randomInputs(choose) }
}

/** The whole policy, sets included, for a message of a failed comparison. */
function told(asked: Asked, more: object): string {
  return JSON.stringify({
    ...asked,
    policy: asked.policy.rules,
    directions: asked.policy.conduits.map(({ direction }) => direction),
    emergencies: [...(asked.emergencies ?? [])],
    inputs: [...(asked.inputs ?? [])],
    ...more,
  })
}

/** Some random rules over the words, for the conduits and roles above. */
export function randomPolicy(choose: Chooser, words: readonly string[]): Policy {
  const rules = Array.from({ length: 1 + choose.below(choose.chance(0.1) ? 40 : 8) }, (_, k) =>
    randomRule(choose, words, k),
  )
  return directed(choose, makePolicy(rules, ROLE_SETS, CONDUITS))
}

/** At times a conduit lets data pass one way only. */
function directed(choose: Chooser, policy: Policy): Policy {
  const direction = () => (choose.chance(0.8) ? "both" : choose.pick(["in", "out"] as const))
  return { ...policy, conduits: policy.conduits.map((conduit) => ({ ...conduit, direction: direction() })) }
}

const text = new TextEncoder()

/** A topic or filter as bytes; at times bent so that it is none. */
function bytesOf(choose: Chooser, name: string): Uint8Array {
  const bytes = text.encode(name)
  if (bytes.length > 0 && choose.chance(0.05)) bytes[choose.below(bytes.length)] = choose.below(256)
  return bytes
}

function note(comparison: Comparison, mine: number, reference: number, what: () => string): void {
  comparison.cases++
  const reason = reasonName(reference)
  comparison.reasons.set(reason, (comparison.reasons.get(reason) ?? 0) + 1)
  if (mine === reference || comparison.differences.length >= 3) return
  const say = (v: number): string => `${reasonName(v)} by ${ruleOf(v)}`
  comparison.differences.push(`filter: ${say(mine)}; reference: ${say(reference)}; ${what()}`)
}

/** The policy compiled, or null if it is one that is refused as too complex: chance makes such, too. */
export function compiledIfSimple(policy: Policy): CompiledPolicy | null {
  try {
    return compilePolicy(policy)
  } catch (error) {
    if (error instanceof InputError && error.code === "ERR_POLICY_TOO_COMPLEX") return null
    throw error
  }
}

/**
 * Judge at least `cases` random messages by random policies, by the filter and by its reference, buckets included.
 *
 * The same seed gives the same cases. `make storm` runs a million; `make test` some thousands.
 */
export function compareRandom(cases: number, seed: number): Comparison {
  const choose = chooser(seed)
  const comparison: Comparison = { cases: 0, reasons: new Map(), differences: [] }
  while (comparison.cases < cases) {
    const words = WORDS.filter(() => choose.chance(0.6))
    if (words.length === 0) continue
    const policy = randomPolicy(choose, words)
    const compiled = compiledIfSimple(policy)
    if (compiled === null) continue
    for (let peer = 0; peer < 4; peer++) {
      const asked: Asked = {
        policy,
        conduit: choose.pick([...CONDUITS, ...CONDUITS, "none"]),
        roles: choose.pick([...ROLE_SETS, ["sensor", "meter"], ["gauge"]]),
        action: choose.pick(["publish", "receive"]),
        name: choose.pick(NAMES),
        clientId: choose.pick(NAMES),
        essentialOnly: choose.chance(0.15),
        ...randomMoment(choose),
      }
      compareMessages(comparison, choose, words, asked, compiled)
    }
  }
  return comparison
}

function compareMessages(
  comparison: Comparison,
  choose: Chooser,
  words: readonly string[],
  asked: Asked,
  compiled: ReturnType<typeof compilePolicy>,
): void {
  const { table } = compiled
  const state = createFilterState(table, {
    classIndex: classOf(compiled, asked.conduit, asked.roles),
    action: asked.action,
    protocolVersion: 4,
    name: text.encode(asked.name),
    clientId: text.encode(asked.clientId),
    buckets: createBuckets(table),
    essentialOnly: asked.essentialOnly,
  })
  setGates(table, asked.time ?? { earliestAt: 0, latestAt: Infinity }, asked.emergencies ?? new Set(), asked.inputs)
  const buckets: ReferenceBuckets = new Map()
  let nowMs = choose.below(1000)
  for (let k = 0; k < 10; k++) {
    nowMs += choose.below(400) - 40
    const topic = bytesOf(choose, randomTopic(choose, words))
    const payloadBytes = choose.pick([0, 10, 11, 5000])
    const message = {
      topic,
      qos: choose.pick([0, 0, 1, 2]),
      retain: choose.chance(0.3),
      payloadBytes,
      nowMs,
    }
    // The topic stands somewhere in a larger buffer, and so does the payload.
    const buffer = new Uint8Array(topic.length + 7).fill(0x2f)
    buffer.set(topic, 3)
    const flags = (message.qos << 1) | Number(message.retain)
    const what = (): string => told(asked, { ...message, topic: new TextDecoder().decode(topic) })
    const mine = decideTopic(table, state, buffer, 3, 3 + topic.length, flags, payloadBytes, nowMs)
    note(comparison, mine, decideReference(asked, message, buckets), what)
    if (mine !== REASON.incomplete) continue
    const around = new Uint8Array(payloadBytes + 9).fill(0xff)
    const payload = around.subarray(4, 4 + payloadBytes).fill(0x20)
    if (choose.chance(0.5)) payload[choose.below(payloadBytes)] = choose.below(256)
    const whole = decideMessage(table, state, buffer, 3, 3 + topic.length, flags, payloadBytes, nowMs, around, 4)
    note(comparison, whole, decideReference(asked, { ...message, payload }, buckets), what)
  }
}

/** Every topic of 1..`levels` levels over `words`; the empty one does not exist. */
export function topicsOver(words: readonly string[], levels: number): string[] {
  let row = words.map((word) => word)
  const all = [...row]
  for (let k = 1; k < levels; k++) {
    row = row.flatMap((topic) => words.map((word) => `${topic}/${word}`))
    all.push(...row)
  }
  return all.filter((topic) => topic !== "")
}

/** As `compareRandom`, for requests to subscribe; the reference looks at every topic of a small universe. */
export function compareSubscriptions(cases: number, seed: number): Comparison {
  const choose = chooser(seed)
  const comparison: Comparison = { cases: 0, reasons: new Map(), differences: [] }
  const words = ["a", "$x", "lockgate"]
  const universe = topicsOver([...words, "", "dev", "fresh"], 4)
  while (comparison.cases < cases) {
    const few = words.filter(() => choose.chance(0.7))
    if (few.length === 0) continue
    const rules = Array.from({ length: 1 + choose.below(6) }, (_, k) => {
      const rule = randomRule(choose, few, k)
      return { ...rule, topics: rule.topics.map((topic) => shorten(topic)) }
    })
    const policy = directed(choose, makePolicy(rules, ROLE_SETS, CONDUITS))
    const compiled = compilePolicy(policy)
    const { table } = compiled
    for (let k = 0; k < 12; k++) {
      const asked: Asked = {
        policy,
        conduit: choose.pick(CONDUITS),
        roles: choose.pick([...ROLE_SETS.slice(0, 4), ["sensor", "meter"]]),
        action: "subscribe",
        name: "dev",
        clientId: choose.pick(["dev", "+"]),
        essentialOnly: choose.chance(0.1),
        ...randomMoment(choose),
      }
      setGates(table, asked.time ?? { earliestAt: 0, latestAt: Infinity }, asked.emergencies ?? new Set(), asked.inputs)
      const state = createFilterState(table, {
        classIndex: classOf(compiled, asked.conduit, asked.roles),
        action: "subscribe",
        protocolVersion: 5,
        name: text.encode(asked.name),
        clientId: text.encode(asked.clientId),
        buckets: createBuckets(table),
        essentialOnly: asked.essentialOnly,
      })
      const request = randomRequest(choose, few, rules)
      const qos = choose.below(3)
      const bytes = text.encode(request)
      const mine = decideSubscription(table, state, bytes, 0, bytes.length, qos)
      const reference = decideSubscriptionReference(asked, request, qos, universe)
      note(comparison, mine, reference, () => told(asked, { request, qos }))
    }
  }
  return comparison
}

/** At most three levels, so that four are enough for the universe. */
function shorten(filter: string): string {
  const shared = /^\$share\/[^/]*\//.exec(filter)?.[0] ?? ""
  const levels = filter.slice(shared.length).split("/").slice(0, 3)
  return shared + (levels.join("/") === "" ? "a" : levels.join("/"))
}

/** Often near a rule: one of its filters, at times with a level made wider or narrower. */
function randomRequest(choose: Chooser, words: readonly string[], rules: readonly MqttRule[]): string {
  const near = choose.chance(0.7) ? choose.pick(choose.pick(rules).topics) : randomFilter(choose, words, true)
  const filter = shorten(near).replaceAll(/%[cu]/g, "dev")
  if (choose.chance(0.5)) return filter
  const levels = filter.split("/")
  // The universe does not know the names of groups as words.
  const at = levels[0] === "$share" ? 1 + choose.below(levels.length - 1) : choose.below(levels.length)
  levels[at] = choose.pick([...words, "+", "fresh", "#"])
  return levels.join("/")
}
