/**
 * Who wins: one table of every condition that may close conduits, for both classes of flow.
 *
 * A flow is *essential* if the policy marks the rule that allows it so. The house rule: no condition in our hands stops
 * an essential flow that the policy allows. The only rows that do are those after which nothing is left that could say
 * what the policy allows, or which flow is essential; passing anything then would be a hole, not a service.
 *
 * @see IEC 62443-4-2 NDR 5.2, NDR 5.2 RE(1), RE(2), RE(3); common constraint CCSC 1
 */

/** What can be wrong with the gateway, or ordered by the operator. */
export type Condition =
  | "no-policy"
  | "policy-integrity-failure"
  | "filter-fault"
  | "policy-expired"
  | "integrity-failure"
  | "boundary-lost"
  | "island"
  | "log-failing"
  | "log-full-uncollected"
  | "log-full"
  | "policy-uncertain"
  | "clock-lost"
  | "certificate-expired"
  | "crl-stale"

export type FlowState = "open" | "closed"

/** One row of the posture table. */
export interface PostureRow {
  /** When the condition holds. */
  readonly when: string
  readonly normal: FlowState
  readonly essential: FlowState
  readonly why: string
  readonly clause: string
}

export const POSTURE: Readonly<Record<Condition, PostureRow>> = {
  "no-policy": {
    when: "no valid policy is in force",
    normal: "closed",
    essential: "closed",
    why: "Without a policy nothing says which flow is allowed, let alone essential; a gateway from the box is shut.",
    clause: "NDR 5.2 RE(1)",
  },
  "policy-integrity-failure": {
    when: "the policy in force no longer matches what was signed",
    normal: "closed",
    essential: "closed",
    why: "Which flows are allowed and essential is read from the very thing that was altered.",
    clause: "CR 3.4",
  },
  "filter-fault": {
    when: "the filter has failed in itself, or cannot be loaded",
    normal: "closed",
    essential: "closed",
    why: "Only the filter can tell an essential flow from any other; without its decision all would pass, or none.",
    clause: "NDR 5.2 RE(3)",
  },
  "policy-expired": {
    when: "the policy's validity has surely ended",
    normal: "closed",
    essential: "open",
    why: "The owner has set an end to these permissions; the process itself must not stop because nobody renewed them.",
    clause: "NDR 5.2 RE(3), CCSC 1",
  },
  "integrity-failure": {
    when: "firmware or state other than the policy was found altered",
    normal: "closed",
    essential: "open",
    why: "A gateway that may have been tampered with carries only what the plant cannot be without; the policy verified.",
    clause: "CR 3.4, CCSC 1",
  },
  "boundary-lost": {
    when: "the packet filter that keeps zones apart beside the conduits is not in force, or not known to be",
    normal: "closed",
    essential: "open",
    why: "Who goes around the gateway is not held by its conduits; part of a boundary is closed as a whole, but the process goes on.",
    clause: "NDR 5.2 RE(3), CR 5.1",
  },
  island: {
    when: "the operator has ordered island mode",
    normal: "closed",
    essential: "open",
    why: "Island mode cuts the zones apart, and the operator does so in order to keep the process running.",
    clause: "NDR 5.2 RE(2)",
  },
  "log-failing": {
    when: "the audit log cannot be written",
    normal: "closed",
    essential: "open",
    why: "What is let through without a record cannot be answered for; losing the record must not cost the process.",
    clause: "CR 2.10",
  },
  "log-full-uncollected": {
    when: "the audit log has no room, and its oldest entries may not go: no collector has acknowledged them, or policy keeps all",
    normal: "closed",
    essential: "open",
    why: "Each new entry would destroy one that nobody else holds; what may be lost for ever must not be added to at leisure.",
    clause: "CR 2.9, CR 2.10",
  },
  "log-full": {
    when: "the audit log has no room and drops its oldest entries, which a collector has acknowledged or policy gives up",
    normal: "open",
    essential: "open",
    why: "Nothing is lost that the owner wants kept; were flows closed, whoever can cause many entries could switch the plant off.",
    clause: "CR 2.9, CR 2.10",
  },
  "policy-uncertain": {
    when: "the policy's validity can be neither confirmed nor denied",
    normal: "open",
    essential: "open",
    why: "Uncertain is not a no: else each power cut would stop every gateway without a battery-backed clock.",
    clause: "CR 2.11, CCSC 1",
  },
  "clock-lost": {
    when: "no trusted clock bounds the time",
    normal: "open",
    essential: "open",
    why: "Each decision on freshness already reckons with the interval; to close as well would punish the same fact twice.",
    clause: "CR 2.11, CCSC 1",
  },
  "certificate-expired": {
    when: "a certificate of the gateway itself has expired",
    normal: "open",
    essential: "open",
    why: "Whether our date matters is for our peers to judge; closing on our side protects nobody and stops everybody.",
    clause: "CR 1.8, CCSC 1",
  },
  "crl-stale": {
    when: "a list of revoked certificates is past its next update",
    normal: "open",
    essential: "open",
    why: "Revoked serials stay refused; were flows closed, whoever holds back the list could switch the plant off.",
    clause: "CR 1.9, CCSC 1",
  },
}

/** Every condition, in the order of the table: what closes most comes first. */
export const CONDITIONS = Object.keys(POSTURE) as readonly Condition[]

/** The table in lines of text, for people: a heading, then one line a condition with its clause. */
export function postureTable(): readonly string[] {
  const row = (condition: string, normal: string, essential: string, clause: string): string =>
    `${condition.padEnd(26)}${normal.padEnd(9)}${essential.padEnd(11)}${clause}`
  return [
    row("condition", "normal", "essential", "clause"),
    ...CONDITIONS.map((condition) => {
      const { normal, essential, clause } = POSTURE[condition]
      return row(condition, normal, essential, clause)
    }),
  ]
}

/** What the two classes of flow may do, and which conditions closed something. Assignable to the engine's `FlowPosture`. */
export interface Posture {
  readonly normal: FlowState
  readonly essential: FlowState
  /** In the order of the table; empty if both classes are open. */
  readonly because: readonly Condition[]
}

/** The posture under all of `conditions` at once: a class is open only if every condition leaves it open. */
export function posture(conditions: ReadonlySet<Condition>): Posture {
  const present = CONDITIONS.filter((condition) => conditions.has(condition))
  const closing = (flow: "normal" | "essential"): Condition[] =>
    present.filter((condition) => POSTURE[condition][flow] === "closed")
  return {
    normal: closing("normal").length > 0 ? "closed" : "open",
    essential: closing("essential").length > 0 ? "closed" : "open",
    because: present.filter((c) => POSTURE[c].normal === "closed" || POSTURE[c].essential === "closed"),
  }
}
