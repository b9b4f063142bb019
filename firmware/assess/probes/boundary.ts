/** Probes of the zone boundary: the live filter and session code, asked with packets that must not pass. */
import { randomUUID } from "node:crypto"
import type { Policy } from "../../../policy/language/policy.ts"
import { isAllowed } from "../../../policy/filter/verdict.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { decideReference } from "../../../policy/filter/reference.ts"
import type { GatewayProbe } from "../probe-context.ts"
import { classesOf, exampleTopic } from "./classes.ts"
import { concat, connectPacket, contains, publishPacket, subscribePacket } from "./packets.ts"

/** Not `lockgate-...`: such a client id is refused at CONNECT, and then nothing would be tested. */
const SUBJECT = "probe-of-the-gateway"
const NO_POLICY: ProbeResult = { outcome: "not-tested", why: "no policy is in force: nothing listens, nothing passes" }

/** A peer with no role gets nothing through, whatever the policy says. */
export const strangerHasNoRights: GatewayProbe = {
  id: "boundary.no-role-no-rights",
  summary: "a peer without any role publishes to every topic that some rule allows; nothing may reach the broker",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    if (policy === null) return NO_POLICY
    let asked = 0
    for (const conduit of policy.conduits.filter(({ protocol }) => protocol === "mqtt")) {
      const marker = randomUUID()
      const topics = policy.rules
        .filter((r) => r.protocol === "mqtt")
        .filter((r) => r.effect === "allow")
        .flatMap((r) => r.topics.map((filter) => exampleTopic(filter, SUBJECT)))
      const bytes = concat(connectPacket(SUBJECT), ...topics.map((topic) => publishPacket(topic, marker)))
      const seen = await context.rehearse({ conduit: conduit.name, subject: SUBJECT, roles: [], bytes })
      if (seen === null) return NO_POLICY
      if (contains(seen.forwarded, marker)) {
        return failed(
          `nothing to reach the broker of ${conduit.name}`,
          "a message of a peer without roles was forwarded",
        )
      }
      asked += topics.length
    }
    return { outcome: "passed", evidence: `${asked} messages of a peer without roles, none forwarded` }
  },
}

/** The filter in force and the plain reading of the policy agree, for topics made from the policy and beside it. */
export const filterAgreesWithPolicy: GatewayProbe = {
  id: "boundary.filter-agrees-with-policy",
  summary: "messages to topics made from the policy and just beside it pass exactly when its plain reading allows them",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    if (policy === null) return NO_POLICY
    let passed = 0
    let stopped = 0
    for (const { conduit, roles } of classesOf(policy)) {
      for (const topic of probeTopics(policy)) {
        const marker = randomUUID()
        const bytes = concat(connectPacket(SUBJECT), publishPacket(topic, marker))
        const seen = await context.rehearse({ conduit, subject: SUBJECT, roles, bytes })
        if (seen === null) return NO_POLICY
        const forwarded = contains(seen.forwarded, marker)
        const asked = { policy, conduit, roles, action: "publish", name: SUBJECT, clientId: SUBJECT } as const
        const message = { topic: Buffer.from(topic), qos: 0, retain: false, payloadBytes: marker.length, nowMs: 0 }
        const essentialOnly = context.essentialOnly()
        const allowed = isAllowed(decideReference({ ...asked, essentialOnly }, message, new Map()))
        if (forwarded !== allowed) {
          const word = allowed ? "pass" : "be stopped"
          return failed(`${topic} with roles ${roles.join(", ")} to ${word} on ${conduit}`, `forwarded: ${forwarded}`)
        }
        if (forwarded) passed++
        else stopped++
      }
    }
    return { outcome: "passed", evidence: `${passed} messages passed and ${stopped} were stopped as the policy reads` }
  },
}

/** The gateway's own topics stay closed, even to `#`. */
export const reservedStaysClosed: GatewayProbe = {
  id: "boundary.reserved-topics",
  summary: "no role may publish to or subscribe under lockgate/ and $lockgate/",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    if (policy === null) return NO_POLICY
    let asked = 0
    for (const { conduit, roles } of classesOf(policy)) {
      for (const topic of ["lockgate/probe/x", "$lockgate/x"]) {
        const marker = randomUUID()
        const bytes = concat(
          connectPacket(SUBJECT),
          publishPacket(topic, marker),
          subscribePacket(`${topic}/${marker}/#`),
        )
        const seen = await context.rehearse({ conduit, subject: SUBJECT, roles, bytes })
        if (seen === null) return NO_POLICY
        if (contains(seen.forwarded, marker)) return failed(`${topic} to be closed on ${conduit}`, "it was forwarded")
        asked += 2
      }
    }
    return { outcome: "passed", evidence: `${asked} requests under reserved topics, none forwarded` }
  },
}

const CONNECT = connectPacket(SUBJECT)

/** Broken inputs, each with what is wrong with it; every one must end the connection and forward nothing of itself. */
const MALFORMED: readonly { readonly what: string; readonly bytes: Uint8Array }[] = [
  { what: "a first packet that is not CONNECT", bytes: publishPacket("probe/x", "malformed-probe") },
  { what: "a second CONNECT", bytes: concat(CONNECT, CONNECT) },
  { what: "a length of five bytes", bytes: concat(CONNECT, Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x01)) },
  { what: "QoS 3", bytes: concat(CONNECT, withHeader(publishPacket("probe/x", "malformed-probe"), 0x36)) },
  { what: "a topic longer than its packet", bytes: concat(CONNECT, Uint8Array.of(0x30, 4, 0xff, 0xff, 0x61, 0x61)) },
  { what: "a reserved packet type", bytes: concat(CONNECT, Uint8Array.of(0x00, 0)) },
  { what: "SUBSCRIBE with wrong flags", bytes: concat(CONNECT, withHeader(subscribePacket("probe/#"), 0x80)) },
  { what: "a packet that only a broker sends", bytes: concat(CONNECT, Uint8Array.of(0xd0, 0)) },
]

function withHeader(packet: Uint8Array, header: number): Uint8Array {
  const copy = packet.slice()
  copy[0] = header
  return copy
}

/** Malformed MQTT ends the connection and never reaches the broker. */
export const malformedIsRefused: GatewayProbe = {
  id: "mqtt.malformed-refused",
  summary: "malformed MQTT of eight kinds ends the connection and forwards nothing of it",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    const first = policy === null ? undefined : [...classesOf(policy)][0]
    if (first === undefined) return NO_POLICY
    for (const { what, bytes } of MALFORMED) {
      const clean = await context.rehearse({ ...first, subject: SUBJECT, bytes: CONNECT })
      const seen = await context.rehearse({ ...first, subject: SUBJECT, bytes })
      if (seen === null || clean === null) return NO_POLICY
      if (seen.closed === null) return failed(`${what} to end the connection`, "the connection stays open")
      // An orderly DISCONNECT (2 bytes) may follow the forwarded CONNECT; nothing else may.
      if (seen.forwarded.length > clean.forwarded.length + 2) {
        return failed(`${what} to stay on this side`, `${seen.forwarded.length - clean.forwarded.length} bytes passed`)
      }
    }
    return { outcome: "passed", evidence: `${MALFORMED.length} malformed inputs, each ended the connection` }
  },
}

/** Topics that rules name, and their neighbours: one level more, one less, one letter off, another subject's. */
function probeTopics(policy: Policy): readonly string[] {
  const topics = new Set<string>([`probe-${randomUUID()}`])
  for (const rule of policy.rules.filter((r) => r.protocol === "mqtt").slice(0, 200)) {
    for (const filter of rule.topics.slice(0, 5)) {
      const topic = exampleTopic(filter, SUBJECT)
      topics.add(topic)
      topics.add(`${topic}/more`)
      topics.add(`${topic}x`)
      topics.add(topic.replaceAll(SUBJECT, "somebody-else"))
      const cut = topic.lastIndexOf("/")
      if (cut > 0) topics.add(topic.slice(0, cut))
    }
  }
  return [...topics].filter((topic) => topic !== "")
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
