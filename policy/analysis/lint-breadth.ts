/** Findings on single rules: too wide, without a bound where one is due, or with a key that cannot help. */
import { splitFilter } from "../language/topic-filter.ts"
import type { MqttRule, Policy, Rule } from "../language/policy.ts"
import type { ModbusRule } from "../language/modbus-rule.ts"
import type { Finding, Severity } from "./finding.ts"

/** A payload limit from here on drops nothing that MQTT can carry. */
const ANY_SIZE = 268_435_455
const WRITE_COILS = [5, 15]
const WRITE_REGISTERS = [6, 16, 22, 23]
const WRITES = [...WRITE_COILS, ...WRITE_REGISTERS, 21]

/** Findings on each rule by itself; most of them on allow rules. */
export function lintBreadth(policy: Policy): readonly Finding[] {
  return policy.rules.flatMap((rule) => {
    const literal = rule.protocol === "mqtt" ? onBraces(rule) : []
    if (rule.effect === "deny") return [...literal]
    const findings = rule.protocol === "mqtt" ? onMqtt(policy, rule) : onModbus(rule)
    return [...literal, ...findings, ...onAny(policy, rule)]
  })
}

/** Where a document has sets they are written out by now: what is left is of one without, and means what it says. */
function* onBraces(rule: MqttRule): Generator<Finding> {
  const names = rule.payload.kind === "sparkplug-b" ? rule.payload.metrics.map(({ name }) => name) : []
  const [word] = [...rule.topics, ...names].flatMap((text) => /\{[A-Za-z0-9][A-Za-z0-9._-]*\}/.exec(text)?.[0] ?? [])
  if (word === undefined) return
  const message = `${word} matches these very characters: the policy has no sets`
  yield say(
    rule,
    "warning",
    "braces-without-sets",
    message,
    `add sets: with the words of ${word}, or write the words out`,
  )
}

function say(rule: Rule, severity: Severity, code: string, message: string, advice: string): Finding {
  return { severity, code, place: { kind: "rule", id: rule.id }, message, advice }
}

function* onAny(policy: Policy, rule: Rule): Generator<Finding> {
  for (const direction of ["in", "out"] as const) {
    const conduits = policy.conduits.filter(({ name }) => rule.conduits.includes(name))
    if (rule.protocol === "modbus" || !conduits.every((conduit) => conduit.direction === direction)) continue
    const vain = rule.actions.filter((action) => (action === "publish" ? direction === "in" : direction === "out"))
    if (vain.length === 0) continue
    const message = `the direction of its conduits is ${direction}: ${vain.join(" and ")} never happens there`
    yield say(rule, "warning", "against-direction", message, `take ${vain.join(" and ")} out, or set direction: both`)
  }
  const peers = rule.conduits.flatMap((name) => policy.conduits.find((conduit) => conduit.name === name)?.from ?? [])
  const untrusted = policy.zones.filter(({ name, kind }) => kind === "untrusted" && peers.includes(name))
  if (rule.rate === null && (rule.protocol === "modbus" || rule.actions.includes("publish"))) {
    if (untrusted[0] !== undefined) {
      const message = `peers of the untrusted zone ${untrusted[0].name} may send without bound`
      yield say(rule, "warning", "untrusted-without-rate", message, "give it a rate, such as rate: 10/s")
    } else if (rule.emergency !== null) {
      const message = "an emergency opens it without bound on how often"
      yield say(rule, "note", "emergency-without-rate", message, "give it a rate, such as rate: 10/s")
    }
  }
}

function* onMqtt(policy: Policy, rule: MqttRule): Generator<Finding> {
  for (const topic of rule.topics) {
    const { filter } = splitFilter(topic)
    const whole = isWholeTree(filter)
    const narrow = "name the first levels of the topics that are needed"
    if (whole && rule.actions.includes("publish")) {
      yield say(
        rule,
        "warning",
        "publish-anywhere",
        `it opens ${topic} for publishing: nearly every topic there is`,
        narrow,
      )
    } else if (whole) {
      yield say(rule, "warning", "read-anything", `it opens ${topic}: nearly every topic there is`, narrow)
    } else if (rule.actions.includes("publish") && speaksForOthers(filter)) {
      const message = `with ${topic} each of its subjects may publish in the name of all others`
      yield say(rule, "note", "publish-for-others", message, "put %u where the subject's name belongs in the topic")
    }
    if (rule.essential && (whole || /^[^/]*\/#$/.test(filter))) {
      const message = `${topic} stays open as an essential flow in island mode and after the policy's end`
      yield say(rule, "warning", "essential-and-broad", message, "mark only what the process cannot be without")
    }
  }
  yield* onSubscribing(policy, rule)
}

/** Only wildcards, but for names of whoever asks. */
function isWholeTree(filter: string): boolean {
  return /^(\+\/)*#$/.test(filter)
}

/** Open at its end, and nowhere bound to who publishes. */
function speaksForOthers(filter: string): boolean {
  return filter.endsWith("/#") && !/(^|\/)%[uc](\/|$)/.test(filter)
}

function* onSubscribing(policy: Policy, rule: MqttRule): Generator<Finding> {
  if (!rule.actions.includes("subscribe")) return
  const groups = new Set(rule.topics.flatMap((topic) => splitFilter(topic).group ?? []))
  for (const group of groups) {
    const filters = rule.topics.map(splitFilter).filter((own) => own.group === group)
    const lossless = policy.rules.some(
      (other) =>
        other.protocol === "mqtt" &&
        other.effect === "allow" &&
        other.rate === null &&
        other.maxPayloadBytes >= ANY_SIZE &&
        other.payload.kind === "any" &&
        other.hours === null &&
        other.emergency === null &&
        other.when === null &&
        (other.actions.includes("receive") || other.actions.includes("subscribe")) &&
        filters.every(({ filter }) => other.topics.some((topic) => covers(splitFilter(topic).filter, filter))),
    )
    if (lossless) continue
    const message = `no one rule lets its subjects receive all of group ${group} without loss, so subscribing is refused`
    const advice = "add an allow: receive on the same topics with payload: 256MiB and no rate"
    yield say(rule, "warning", "shared-without-receive", message, advice)
  }
}

/** True if every topic of `b` is one of `a`, both as filters, by levels. */
export function covers(a: string, b: string): boolean {
  const [wide, narrow] = [a.split("/"), b.split("/")]
  const wild = (level: string | undefined): boolean => level === "+" || level === "#"
  if (wild(wide[0]) && narrow[0]?.startsWith("$") === true) return false
  for (const [k, level] of wide.entries()) {
    if (level === "#") return narrow.length >= k
    const other = narrow[k]
    if (other === undefined || other === "#") return false
    if (level !== "+" && level !== other) return false
  }
  return wide.length === narrow.length
}

function* onModbus(rule: ModbusRule): Generator<Finding> {
  const codes = rule.functions.map(({ code }) => code)
  const writes = codes.filter((code) => WRITES.includes(code))
  const bounded = rule.points.filter(({ min, max }) => min !== null || max !== null)
  if (bounded.length > 0 && !codes.some((code) => WRITE_REGISTERS.includes(code))) {
    const names = bounded.map(({ name }) => name).join(", ")
    const message = `min and max of ${names} bound what is written, and it lets no register be written`
    yield say(
      rule,
      "warning",
      "bounds-without-write",
      message,
      "take min and max out, or allow the write that is meant",
    )
  }
  if (writes.length === 0) return
  if (codes.some((code) => WRITE_REGISTERS.includes(code))) {
    if (bounded.length === 0) {
      const message = "any value may be written into its registers"
      const advice = "name the points with their type and min and max, so that a value out of range is refused"
      yield say(rule, "warning", "write-without-limits", message, advice)
    } else {
      const loose = rule.points.filter(({ min, max }) => min === null && max === null)
      if (loose.length > 0) {
        const message = `any value may be written to ${loose.map(({ name }) => name).join(", ")}`
        yield say(rule, "note", "point-without-limits", message, "give it min and max")
      }
    }
  }
  if (rule.record === "none") {
    const message = "the writes that it allows are not recorded (CR 2.12 RE(1))"
    yield say(rule, "warning", "write-not-recorded", message, "leave out record, or write record: changes")
  }
}
