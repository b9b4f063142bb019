import { modbusFlowText } from "./replay-modbus.ts"
import type { Change, Outcome, PeerChanges, Simulation, Why } from "./simulate.ts"

/** Lines a peer and list, at most; the rest is counted. */
const LINES = 10

const HEADS: Readonly<Record<Outcome, string>> = {
  "denied": "WOULD BE DENIED, and passed",
  "may-be-denied": "may be denied, and passed",
  "allowed": "would pass, and was denied",
  "may-be-allowed": "may pass, and was denied",
} // prettier-ignore

const ORDER: readonly Outcome[] = ["denied", "may-be-denied", "allowed", "may-be-allowed"]

/** Why, in words for who signs it off. */
const WORDS: Readonly<Partial<Record<Why, string>>> = {
  "no-rule": "no rule allows it",
  "deny-rule": "a rule denies it",
  "qos": "its QoS is too high",
  "retain": "it is retained",
  "payload-size": "its payload is too large",
  "not-contained": "it asks for more than is allowed",
  "shared-subscription": "a shared subscription could lose messages",
  "too-complex": "it asks for too much at once",
  "bad-request": "it is no Modbus request",
  "unit": "not a unit that is allowed",
  "function": "not a function that is allowed there",
  "address": "no one rule holds all of its addresses",
  "part-of-point": "it writes a part of a point that has bounds",
  "reserved": "the topic is the gateway's own",
  "no-conduit": "the conduit is gone",
  "no-zone": "the zone is gone",
  "no-subject": "its certificate makes it nobody there",
  "ambiguous-subject": "its certificate makes it more than one subject",
  "bad-name": "its certificate has no name that fits",
  "no-rights": "its roles have no rights there",
  "client-id": "it may not use this client id",
  "rate-exceeded": "more in one second than the rate lets through",
  "rate-near": "in its busiest second the rate may not suffice",
  "allowed": "allowed",
  "depends": "it hangs on the payload or the hour, which a recording does not tell",
} // prettier-ignore

const HANGS_MODBUS = "it hangs on the value written or the hour, which a recording does not tell"

/**
 * What a simulation came to, in lines for a person: totals first, then each peer with at most ten lines a list. Topics
 * stand as they were recorded; `time` writes a moment.
 */
export function describeSimulation(simulation: Simulation, time: (at: number) => string): readonly string[] {
  const { totals, peers } = simulation
  const lines: string[] = []
  for (const outcome of ORDER) {
    const concerned = peers.filter((peer) => peer.changes.some((change) => change.outcome === outcome))
    if (concerned.length === 0) continue
    const { flows, messages } = totals.changed[outcome]
    lines.push(`${HEADS[outcome]}: ${counted(messages, "message")}, ${counted(flows, "flow")}, ${counted(concerned.length, "peer")}`) // prettier-ignore
    for (const peer of concerned) lines.push(...peerLines(peer, outcome, time))
    lines.push("")
  }
  lines.push(`${counted(totals.messages, "message")} in ${counted(totals.flows, "flow")}: ${counted(totals.same, "flow")} fare as they did`) // prettier-ignore
  if (simulation.missed > 0) {
    lines.push(
      `note: the recordings had no room for ${counted(simulation.missed, "message")}; nothing is known of them`,
    )
  }
  const { denied, "may-be-denied": mayBe } = totals.changed
  if (denied.flows > 0) lines.push("Something that passed would be denied.")
  else if (mayBe.flows > 0) lines.push("Nothing that passed would surely be denied; what may be is listed above.")
  else lines.push("Nothing that passed would be denied.")
  return lines
}

function peerLines(peer: PeerChanges, outcome: Outcome, time: (at: number) => string): readonly string[] {
  const own = peer.changes.filter((change) => change.outcome === outcome)
  const client = peer.clientId === "" || peer.clientId === peer.subject ? "" : `, client ${peer.clientId}`
  const lines = [`  ${peer.subject} (${peer.conduit}${client})${roleChange(peer)}`]
  for (const change of own.slice(0, LINES)) {
    lines.push(`    ${subjectOf(change)}: ${reasonOf(change)}; ${times(change.flow.count)}, last ${time(change.lastAt)}`) // prettier-ignore
  }
  const rest = own.slice(LINES)
  if (rest.length > 0) {
    const messages = rest.reduce((sum, { flow }) => sum + flow.count, 0)
    lines.push(`    and ${counted(rest.length, "more flow")} with ${counted(messages, "message")}`)
  }
  return lines
}

function roleChange({ rolesBefore, rolesNow }: PeerChanges): string {
  if (rolesNow === null || rolesNow.join(" ") === rolesBefore.join(" ")) return ""
  return `, was ${rolesBefore.join(" and ") || "nothing"}, becomes ${rolesNow.join(" and ")}`
}

function subjectOf({ flow }: Change): string {
  if (flow.kind === "modbus") return modbusFlowText(flow)
  const topic = flow.topic === "" ? "(no topic)" : flow.topic
  const qos = flow.qos > 0 ? ` QoS ${flow.qos}` : ""
  const size = flow.action === "subscribe" ? "" : ` up to ${flow.maxBytes} B`
  return `${flow.will ? "will" : flow.action} ${topic}${qos}${flow.retain ? " retained" : ""}${size}`
}

function reasonOf({ rule, why, flow }: Change): string {
  if (why === "allowed") return rule === null ? "it is allowed" : `rule ${rule} allows it`
  const words = why === "depends" && flow.kind === "modbus" ? HANGS_MODBUS : (WORDS[why] ?? why)
  return rule === null ? words : `${words} (rule ${rule})`
}

function times(count: number): string {
  return count === 1 ? "once" : `${grouped(count)} times`
}

function counted(count: number, what: string): string {
  return `${grouped(count)} ${what}${count === 1 ? "" : "s"}`
}

function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",")
}
