import type { Entry } from "../audit/entry.ts"
import { parseRequestObject } from "../audit/modbus-object.ts"
import type { Policy } from "../language/policy.ts"
import { REASON, type Reason } from "../filter/verdict.ts"
import { explain, type Explanation } from "./explain.ts"
import { judge, type Judgement } from "./judge.ts"
import { makeRequest, WRITING_CODES, type ModbusRequest } from "./modbus-request.ts"
import type { Question } from "./question.ts"
import { findWhos, type Found } from "./who.ts"

/** True if the entry tells of a denial that a policy can explain. */
export function isDenial(entry: Entry): boolean {
  return (
    entry.event === "conduit.denied" && entry.subject !== null && entry.object !== undefined && entry.object !== "*"
  )
}

/**
 * The denial that a log entry tells of, explained by `policy`, which may be another one than was in force then.
 *
 * An entry says who, where, what, the reason and the rule, not the roles, QoS and size. Of the kinds of subject that the
 * policy knows by this name the first is taken to whom the policy answers the same.
 */
export function explainEntry(policy: Policy, entry: Entry): Found<Explanation> {
  const conduit = policy.conduits.find(({ name }) => name === entry.conduit)
  const reason = Object.hasOwn(REASON, entry.reason ?? "") ? (entry.reason as Reason) : null
  if (conduit === undefined) return fail(`the policy has no conduit ${entry.conduit ?? ""}`)
  if (reason === null) return fail(`this release does not know the reason ${entry.reason ?? ""}`)
  const named = { as: entry.subject ?? "", roles: null, conduit: conduit.name, clientId: null }
  const whos = findWhos(policy, named, conduit.protocol)
  if (!whos.ok) return whos
  const questions = whos.value.flatMap((who) => questionOf(entry, { ...who, clientId: who.clientId }, reason) ?? [])
  const rule = policy.rules.findIndex(({ id }) => id === entry.rule)
  const seen: Judgement = { allowed: false, reason, rule }
  const fits = (question: Question): boolean => {
    const now = judge(policy, question)
    // Of what an entry does not tell the rule says enough: it came nearest.
    return BY_MESSAGE.includes(reason) ? now.rule === rule : now.reason === reason && now.rule === rule
  }
  const question = questions.find(fits)
  if (question !== undefined) return { ok: true, value: withoutValues(question, explain(policy, question, seen)) }
  const [first] = questions
  if (first === undefined) return fail(`${entry.object ?? ""} cannot be read as a request`)
  const { judgement, lines } = withoutValues(first, explain(policy, first))
  const then = `the log says ${reason}${entry.rule === undefined ? "" : ` by rule ${entry.rule}`}; this policy would say ${judgement.reason}`
  return { ok: true, value: { judgement, lines: [...lines.slice(0, 9), `note      ${then}`] } }
}

/** Reasons that hang on what the log does not tell. */
const BY_MESSAGE: readonly Reason[] = [
  "qos",
  "retain",
  "payload-size",
  "payload-form",
  "rate",
  "value",
  "part-of-point",
]

function questionOf(entry: Entry, who: Question["who"], reason: Reason): Question | null {
  const object = entry.object ?? ""
  const action = entry.detail?.["action"]
  const base = { who, at: Date.parse(entry.time), emergencies: [], essentialOnly: reason === "not-essential" }
  if (action === "subscribe") return { ...base, kind: "subscribe", filter: object, qos: null }
  if (action === "publish" || action === "will" || action === "receive") {
    const kind = action === "receive" ? "receive" : "publish"
    return { ...base, kind, topic: object, qos: null, retain: null, payloadBytes: null, payload: null }
  }
  const request = requestOf(object)
  return request === null ? null : { ...base, kind: "modbus", request }
}

/** The request of a log entry. Values are not logged: zeros stand for them, as many as were written. */
function requestOf(object: string): ModbusRequest | null {
  const about = parseRequestObject(object)
  if (about === null) return null
  const { unit, code, sub, range, written } = about
  const isFile = code === 20 || code === 21
  const writes = written ?? (WRITING_CODES.includes(code) ? range : null)
  const count = code === 22 ? 2 : writes === null ? 0 : writes.to - writes.from + 1
  const made = makeRequest({
    unit,
    function: code,
    sub: isFile ? null : sub,
    address: isFile ? null : (range?.from ?? null),
    quantity: range === null || (writes !== null && written === null) ? null : range.to - range.from + 1,
    "write-address": written?.from ?? null,
    values: writes === null ? null : new Array<number>(count).fill(0),
    file: isFile ? sub : null,
    record: isFile ? (range?.from ?? 0) : null,
  })
  return made.ok ? made.value : null
}

/** What was written is not in the log: the zeros that stand for it shall not be taken for it. */
function withoutValues(question: Question, explanation: Explanation): Explanation {
  if (question.kind !== "modbus") return explanation
  const [asked = "", ...others] = explanation.lines
  return { ...explanation, lines: [asked.replace(/ = 0(?: 0)*(?: \.\.\.)?(?=, |$)/, ", values not logged"), ...others] }
}

function fail(why: string): { readonly ok: false; readonly why: string; readonly hint: null } {
  return { ok: false, why, hint: null }
}
