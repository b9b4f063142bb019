/**
 * Cases beside a policy: who asks for what, and what the answer must be. They are the policy's own tests; a bundle carries
 * them, and a gateway runs them before the policy comes into force.
 */
import { formatFault, type Parsed } from "../language/fault.ts"
import type { DocumentLimits } from "../language/document.ts"
import { DEFAULT_DOCUMENT_LIMITS } from "../language/document.ts"
import { faultAt } from "../language/locate.ts"
import { parseDocument } from "../language/shape.ts"
import { Report } from "../language/report.ts"
import type { Placed } from "../language/group-shapes.ts"
import type { Policy } from "../language/policy.ts"
import type { CompiledPolicy } from "../filter/table.ts"
import type { Inputs } from "../filter/inputs.ts"
import type { Reason } from "../filter/verdict.ts"
import { casesShape, type CaseEntry } from "./cases-shape.ts"
import { askFilter } from "./ask-filter.ts"
import { explain } from "./explain.ts"
import type { Judgement } from "./judge.ts"
import { makeRequest, requestText, type ModbusRequest } from "./modbus-request.ts"
import type { Question } from "./question.ts"
import { findWho, type Found, type Named } from "./who.ts"

/** What a case asks, apart from who does. */
export type CaseAction =
  | {
      readonly kind: "publish" | "receive"
      readonly topic: string
      readonly qos: number
      readonly retain: boolean
      readonly payloadBytes: number
      readonly payload: Uint8Array | null
    }
  | { readonly kind: "subscribe"; readonly filter: string; readonly qos: number }
  | { readonly kind: "modbus"; readonly request: ModbusRequest }

/** One case. */
export interface PolicyCase {
  /** As the document names it, else what it asks in words. */
  readonly name: string
  /** Line of the document on which it begins, from 1. */
  readonly line: number
  readonly named: Named
  readonly action: CaseAction
  readonly at: number | null
  readonly emergencies: readonly string[]
  readonly inputs: Inputs
  readonly essentialOnly: boolean
  readonly expect: "allow" | "deny"
  /** The rule that must decide; null if any may. */
  readonly rule: string | null
  readonly reason: Reason | null
}

/** A document of cases, read whole. */
export interface PolicyCases {
  readonly file: string
  readonly cases: readonly PolicyCase[]
}

/** What came of one case. */
export interface CaseResult {
  readonly case: PolicyCase
  readonly passed: boolean
  /** Null if the case could not be asked, for the policy knows nobody whom it means. */
  readonly judgement: Judgement | null
  /** Empty when it passed; else what was expected and what was found, and lines that explain it. */
  readonly lines: readonly string[]
}

const LIMITS: DocumentLimits = { ...DEFAULT_DOCUMENT_LIMITS }

/** Read a document of cases, YAML 1.2 or JSON: whole, or every fault in it. Never throws. */
export function parseCases(text: string, file: string): Parsed<PolicyCases> {
  return parseDocument(casesShape, new Report(file, text), LIMITS, (document, _root, report) => ({
    file,
    cases: document.cases.flatMap((placed) => buildCase(placed, report)),
  }))
}

/** Whether a text, faultless or not, is meant as a document of cases: what to say to who gave it for a policy. */
export function areCases(text: string): boolean {
  return /^["']?lockgate-cases["']?\s*:/m.test(text) || /^\s*\{\s*"lockgate-cases"/.test(text)
}

function buildCase(placed: Placed<CaseEntry>, report: Report): readonly PolicyCase[] {
  const { value, node } = placed
  const action = actionOf(placed, report)
  if (action === null) return []
  const at = value.at === null ? null : Date.parse(value.at)
  if (Number.isNaN(at)) {
    faultAt(report, placed, ["at"], "there is no such time", "write it as 2026-01-31T09:00:00Z")
    return []
  }
  if (value.reason !== null && (value.reason === "allowed") !== (value.expect === "allow")) {
    faultAt(report, placed, ["reason"], `the reason does not go with expect: ${value.expect}`)
  }
  return [
    {
      name: value.name ?? `${value.as}: ${actionText(action)}`,
      line: report.position(node.at).line,
      named: { as: value.as, roles: value.roles, conduit: value.conduit, clientId: value["client-id"] },
      action,
      at,
      emergencies: value.emergency,
      inputs: new Map(value.inputs.map((input) => [input.name, { state: input.value }])),
      essentialOnly: value["essential-only"],
      expect: value.expect,
      rule: value.rule,
      reason: value.reason,
    },
  ]
}

function actionOf(placed: Placed<CaseEntry>, report: Report): CaseAction | null {
  const { value } = placed
  if ("modbus" in value) {
    const request = makeRequest(value.modbus)
    if (request.ok) return { kind: "modbus", request: request.value }
    faultAt(report, placed, ["modbus"], request.why, request.hint)
    return null
  }
  if ("subscribe" in value) return { kind: "subscribe", filter: value.subscribe, qos: value.qos }
  const given = (["text", "hex", "payload"] as const).filter((key) => value[key] !== null)
  if (given.length > 1) {
    faultAt(report, placed, [given[1] ?? ""], `the payload is given as ${given.join(" and as ")}`, "keep one of them")
    return null
  }
  const payload = bytesOf(value)
  const { qos, retain } = value
  const rest = { qos, retain, payload, payloadBytes: payload?.length ?? value.payload ?? 0 }
  return "publish" in value
    ? { kind: "publish", topic: value.publish, ...rest }
    : { kind: "receive", topic: value.receive, ...rest }
}

/** The payload that a case spells out, or null. */
function bytesOf({ text, hex }: { readonly text: string | null; readonly hex: string | null }): Uint8Array | null {
  if (text !== null) return new TextEncoder().encode(text)
  if (hex === null) return null
  const digits = hex.replaceAll(" ", "")
  return Uint8Array.from({ length: digits.length / 2 }, (_, k) => parseInt(digits.slice(k * 2, k * 2 + 2), 16))
}

/** What is asked, in a few words: `publish plant/flow-1/state`. */
export function actionText(action: CaseAction): string {
  switch (action.kind) {
    case "publish":
    case "receive":
      return `${action.kind} ${action.topic}`
    case "subscribe":
      return `subscribe ${action.filter}`
    case "modbus":
      return requestText(action.request)
  }
}

/** The question that a case puts to this policy, or why it cannot. */
export function questionOf(policy: Policy, one: PolicyCase): Found<Question> {
  const who = findWho(policy, one.named, one.action.kind === "modbus" ? "modbus" : "mqtt")
  if (!who.ok) return who
  const { at, emergencies, inputs, essentialOnly, action } = one
  return { ok: true, value: { who: who.value, at, emergencies, inputs, essentialOnly, ...action } }
}

/**
 * Ask the compiled policy every case; `policy` is what it was compiled from. Token buckets are full before each case. One
 * result a case, in their order.
 */
export function runCases(policy: Policy, compiled: CompiledPolicy, cases: PolicyCases): readonly CaseResult[] {
  return cases.cases.map((one) => runCase(policy, compiled, one))
}

function runCase(policy: Policy, compiled: CompiledPolicy, one: PolicyCase): CaseResult {
  const question = questionOf(policy, one)
  if (!question.ok) {
    const hint = question.hint === null ? "" : ` (${question.hint})`
    return { case: one, passed: false, judgement: null, lines: [`cannot be asked: ${question.why}${hint}`] }
  }
  const judgement = askFilter(compiled, question.value)
  const id = policy.rules[judgement.rule]?.id ?? null
  const right =
    judgement.allowed === (one.expect === "allow") &&
    (one.rule === null || one.rule === id) &&
    (one.reason === null || one.reason === judgement.reason)
  if (right) return { case: one, passed: true, judgement, lines: [] }
  const say = (allowed: boolean, rule: string | null, reason: Reason | null): string =>
    [allowed ? "allow" : "deny", rule === null ? "" : ` by ${rule}`, reason === null || allowed ? "" : ` (${reason})`].join("") // prettier-ignore
  const expected = say(one.expect === "allow", one.rule, one.reason)
  const found = say(judgement.allowed, id, judgement.reason)
  const why = explain(policy, question.value).lines
  return { case: one, passed: false, judgement, lines: [`expected ${expected}, found ${found}`, ...why] }
}

/**
 * Ids of the rules that no case was decided by, in the order of the policy: allows that let none pass, denies that stopped
 * none. A denial that only names the nearest rule is not decided by it.
 */
export function rulesNotExercised(policy: Policy, results: readonly CaseResult[]): readonly string[] {
  const decided = ({ judgement }: CaseResult): number =>
    judgement !== null && (judgement.allowed || judgement.reason === "deny-rule") ? judgement.rule : -1
  const seen = new Set(results.map(decided))
  return policy.rules.flatMap(({ id }, index) => (seen.has(index) ? [] : [id]))
}

/** What the cases in `text` find wrong with a policy, a line for each failure; nothing when every case passes. */
export function failuresOf(policy: Policy, compiled: CompiledPolicy, text: string): readonly string[] {
  const parsed = parseCases(text, "cases")
  if (!parsed.ok) return parsed.faults.map(formatFault)
  return runCases(policy, compiled, parsed.value).flatMap(({ case: { line, name }, passed, lines }) =>
    passed ? [] : [`line ${line}, ${name}: ${lines[0] ?? "failed"}`],
  )
}
