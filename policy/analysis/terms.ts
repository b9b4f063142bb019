import { conditionsText, type InputCondition } from "../language/input-condition.ts"
import type { Rule } from "../language/policy.ts"
import { durationText, sizeText } from "../language/quantity-shapes.ts"
import type { Table } from "./classes.ts"
import { longestPayload } from "./judge.ts"

/** On what terms a rule allows: everything about it but who and what. Texts stand for structures, so that equal is `===`. */
export interface Terms {
  readonly maxQos: number
  readonly retain: boolean
  readonly maxPayloadBytes: number
  /** Form of the payload as JSON; `{"kind":"any"}` is none. */
  readonly payload: string
  readonly rate: { readonly perSecond: number; readonly burst: number } | null
  readonly essential: boolean
  readonly record: Rule["record"]
  /** As JSON. */
  readonly hours: string | null
  readonly emergency: string | null
  /** As the policy writes them, joined by `and`. */
  readonly when: string | null
}

const ANY_PAYLOAD = JSON.stringify({ kind: "any" })

/** The terms of `rule` in a table: what does not bear on it there is as wide as can be. */
export function termsOf(rule: Rule, table: Table | "modbus"): Terms {
  const mqtt = rule.protocol === "mqtt" ? rule : null
  const publishes = table === "publish"
  const carries = publishes || table === "receive"
  return {
    maxQos: mqtt === null || table === "receive" ? 2 : mqtt.maxQos,
    retain: mqtt === null || !publishes || mqtt.retain,
    maxPayloadBytes: mqtt === null || !carries ? Infinity : longestPayload(mqtt),
    payload: mqtt === null || !carries ? ANY_PAYLOAD : JSON.stringify(mqtt.payload),
    rate: mqtt === null || carries ? rule.rate : null,
    essential: rule.essential,
    record: rule.record,
    hours: rule.hours === null ? null : JSON.stringify(rule.hours),
    emergency: rule.emergency,
    when: rule.when === null ? null : conditionsText(rule.when),
  }
}

/**
 * True if whatever `b` allows on some topic, `a` allows there too, at every time and in every posture, and logs it alike.
 * A rate is a bucket of its own, so a rule with a rate is never as wide as another one, unless `b` is the very same.
 */
export function isAsWide(a: Terms, b: Terms): boolean {
  return (
    a.rate === null &&
    a.maxQos >= b.maxQos &&
    (a.retain || !b.retain) &&
    a.maxPayloadBytes >= b.maxPayloadBytes &&
    (a.payload === ANY_PAYLOAD || a.payload === b.payload) &&
    (a.essential || !b.essential) &&
    a.record === b.record &&
    (a.hours === null || a.hours === b.hours) &&
    (a.emergency === null || a.emergency === b.emergency) &&
    (a.when === null || a.when === b.when)
  )
}

/** One text for equal terms. */
export function termsKey(terms: Terms): string {
  return JSON.stringify(terms, (_, value: unknown) => (value === Infinity ? "any" : value))
}

/** The terms in words, only what bounds: `QoS up to 1, payload up to 4KiB, 100/s burst 200`; `without bounds` for none. */
export function termsText(terms: Terms): string {
  const words = [
    ...(terms.maxQos < 2 ? [`QoS up to ${terms.maxQos}`] : []),
    ...(terms.retain ? [] : ["not retained"]),
    ...(terms.maxPayloadBytes < 268_435_455 ? [`payload up to ${sizeText(terms.maxPayloadBytes)}`] : []),
    ...(terms.payload === ANY_PAYLOAD ? [] : [`payload as ${(JSON.parse(terms.payload) as { kind: string }).kind}`]),
    ...(terms.rate === null ? [] : [rateText(terms.rate)]),
    ...(terms.hours === null ? [] : [`only ${hoursText(JSON.parse(terms.hours) as HoursLike)}`]),
    ...(terms.emergency === null ? [] : [`only in emergency ${terms.emergency}`]),
    ...(terms.when === null ? [] : [`only when ${terms.when}`]),
    ...(terms.essential ? ["essential"] : []),
    ...(terms.record === "none" ? [] : [`recorded: ${terms.record}`]),
  ]
  return words.length === 0 ? "without bounds" : words.join(", ")
}

/** What changed from one to the other, a word each: `payload 4KiB -> 8KiB`. */
export function termsChange(before: Terms, after: Terms): string {
  const words: string[] = []
  const say = (what: string, a: string, b: string): void => {
    if (a !== b) words.push(`${what} ${a} -> ${b}`)
  }
  say("QoS", String(before.maxQos), String(after.maxQos))
  say("retain", String(before.retain), String(after.retain))
  const bytes = (n: number): string => (n === Infinity ? "any" : sizeText(n))
  say("payload", bytes(before.maxPayloadBytes), bytes(after.maxPayloadBytes))
  if (before.payload !== after.payload) {
    const kind = (text: string): string => (JSON.parse(text) as { kind: string }).kind
    const [a, b] = [kind(before.payload), kind(after.payload)]
    words.push(a === b ? `another ${a} form of the payload` : `payload form ${a} -> ${b}`)
  }
  const rate = ({ rate }: Terms): string => (rate === null ? "none" : rateText(rate))
  say("rate", rate(before), rate(after))
  say("essential", String(before.essential), String(after.essential))
  say("record", before.record, after.record)
  const hours = (text: string | null): string => (text === null ? "always" : hoursText(JSON.parse(text) as HoursLike))
  say("hours", hours(before.hours), hours(after.hours))
  say("when", before.when ?? "always", after.when ?? "always")
  say("emergency", before.emergency ?? "none", after.emergency ?? "none")
  return words.join(", ")
}

interface HoursLike {
  readonly days: readonly number[]
  readonly fromMinute: number
  readonly toMinute: number
  readonly utcOffsetMinutes: number
}

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

/** `Mon Tue 06:00-18:00 UTC+01:00`. */
export function hoursText({ days, fromMinute, toMinute, utcOffsetMinutes }: HoursLike): string {
  const two = (n: number): string => String(n).padStart(2, "0")
  const clock = (minutes: number): string => `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
  const offset = `UTC${utcOffsetMinutes < 0 ? "-" : "+"}${clock(Math.abs(utcOffsetMinutes))}`
  return `${days.map((day) => DAYS[day - 1] ?? "?").join(" ")} ${clock(fromMinute)}-${clock(toMinute)} ${offset}`
}

/** When a deny is in force: one key for equal ones, null if it always is. */
export function denialKey({ hours, when }: Pick<Rule, "hours" | "when">): string | null {
  return hours === null && when === null ? null : JSON.stringify({ hours, when })
}

/** A key of `denialKey` in words: `Mon 06:00-18:00 UTC+01:00 when door is shut`. */
export function denialText(key: string): string {
  const { hours, when } = JSON.parse(key) as { hours: HoursLike | null; when: readonly InputCondition[] | null }
  const words = [
    ...(hours === null ? [] : [hoursText(hours)]),
    ...(when === null ? [] : [`when ${conditionsText(when)}`]),
  ]
  return words.join(" ")
}

/** `100/s burst 200`, or `1 every 10min` below one a second. */
export function rateText({ perSecond, burst }: { readonly perSecond: number; readonly burst: number }): string {
  const every = 1 / perSecond
  const pace = perSecond >= 1 ? `${round(perSecond)}/s` : `1 every ${durationText(Math.round(every * 1000))}`
  return `${pace} burst ${burst}`
}

function round(n: number): number {
  return Math.round(n * 1000) / 1000
}
