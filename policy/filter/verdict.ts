/**
 * A verdict is one small integer, so that deciding allocates nothing:
 *
 *      31             8 7       0
 *     +----------------+---------+
 *     | rule index + 1 | reason  |
 *     +----------------+---------+
 *
 * The rule part is 0 when no rule bears on the verdict. The index counts `Policy.rules`.
 */
export type Verdict = number

/** Why; the numbers are part of the worker messages and never reused. */
export const REASON = {
  allowed: 0,
  "no-rule": 1,
  "deny-rule": 2,
  qos: 3,
  retain: 4,
  "payload-size": 5,
  rate: 6,
  reserved: 7,
  "bad-topic": 8,
  "not-contained": 9,
  "shared-subscription": 10,
  "too-complex": 11,
  "not-essential": 12,
  /** The rule is not in force at this hour. */
  hours: 13,
  /** The rule waits for an override. */
  emergency: 14,
  /** The payload is not of the form that the rule demands. */
  "payload-form": 15,
  /** Never final: a rule looks into the payload, so ask again with the whole packet in hand. */
  incomplete: 16,
  /** Modbus: not a request, or one that contradicts itself. */
  "bad-request": 17,
  unit: 18,
  function: 19,
  address: 20,
  /** A write that covers a part of a point with a value rule. */
  "part-of-point": 21,
  value: 22,
  /** The rule waits for an input of the board to be in another state, or nobody knows in which it is. */
  when: 23,
} as const

export type Reason = keyof typeof REASON

const NAMES = Object.keys(REASON) as Reason[]

/** Build a verdict; `rule` is an index into `Policy.rules`, or -1 for none. */
export function verdict(reason: number, rule: number): Verdict {
  return reason | ((rule + 1) << 8)
}

/** True if the verdict lets the message pass. */
export function isAllowed(v: Verdict): boolean {
  return (v & 0xff) === 0
}

/** The reason's number. */
export function reasonOf(v: Verdict): number {
  return v & 0xff
}

/** The reason's name, for logs. */
export function reasonName(v: Verdict): Reason {
  return NAMES[v & 0xff] ?? "no-rule"
}

/** Index into `Policy.rules`, or -1. */
export function ruleOf(v: Verdict): number {
  return (v >>> 8) - 1
}
