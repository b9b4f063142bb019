/** Probes of who may do what: the same enforcement for people, processes and devices, and roles that only a signed policy fills. */
import { randomUUID } from "node:crypto"
import { ALL_PERMISSIONS } from "../../../policy/command/permission.ts"
import type { Principal } from "../../../policy/command/port.ts"
import { decideReference } from "../../../policy/filter/reference.ts"
import { isAllowed } from "../../../policy/filter/verdict.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { GatewayProbe, ProbeContext } from "../probe-context.ts"
import { classesOf, exampleTopic, type PeerClass } from "./classes.ts"
import { concat, connectPacket, contains, publishPacket, subscribePacket } from "./packets.ts"
import { alterations } from "./tampering.ts"

const SUBJECT = "probe-of-authority"
const NO_POLICY: ProbeResult = { outcome: "not-tested", why: "no policy is in force: nothing listens, nothing passes" }
const WAYS: readonly Principal["via"][] = ["local", "serial", "mqtt"]
/** Most rules that are read, topics that are tried, and readings of the whole policy: a probe has ten seconds. */
const MAX_TOPICS = 100
const MAX_READINGS = 2_000_000

/** Nobody is let past the rules for being a person, a process or a device. */
export const everyUserIsJudged: GatewayProbe = {
  id: "authority.every-user",
  summary:
    "a device without roles publishes and subscribes; a person, a process and a remote sender without permission ask for " +
    "the status: nothing passes, nothing is answered, and who has the permission is",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const asked = await peopleAndProcesses(context)
    if (typeof asked !== "number") return asked
    const policy = context.policy()
    if (policy === null) return NO_POLICY
    let tried = 0
    for (const conduit of policy.conduits.filter(({ protocol }) => protocol === "mqtt")) {
      const marker = randomUUID()
      const bytes = concat(
        connectPacket(SUBJECT),
        publishPacket(`${marker}/x`, marker),
        subscribePacket(`${marker}/#`),
        subscribePacket("#"),
      )
      const alone = await context.rehearse({ conduit: conduit.name, subject: SUBJECT, roles: [], bytes: connectPacket(SUBJECT) }) // prettier-ignore
      const seen = await context.rehearse({ conduit: conduit.name, subject: SUBJECT, roles: [], bytes })
      if (seen === null || alone === null) return NO_POLICY
      // Beyond the CONNECT itself nothing may arrive at the broker but an orderly DISCONNECT of two bytes.
      if (contains(seen.forwarded, marker) || seen.forwarded.length > alone.forwarded.length + 2) {
        return failed(`nothing of a device without roles to pass ${conduit.name}`, "something was forwarded")
      }
      tried++
    }
    const evidence = `${asked} requests of people and processes without permission refused; a device without roles kept out of ${tried} conduits`
    return { outcome: "passed", evidence }
  },
}

/** How many requests were refused as they must be, or what went wrong. `status` changes nothing and is not logged. */
async function peopleAndProcesses(context: ProbeContext): Promise<number | ProbeResult> {
  const request = { command: "status", arguments: {} }
  const others = ALL_PERMISSIONS.filter((permission) => permission !== "read")
  let asked = 0
  for (const via of WAYS) {
    for (const permissions of [[], others]) {
      const answer = await context.commands.execute({ name: "probe", permissions, via }, request)
      if (answer.ok || answer.code !== "ERR_NOT_PERMITTED") {
        return failed(`status to be refused over ${via} without permission`, answer.ok ? "an answer" : answer.code)
      }
      asked++
    }
    // A door that refuses everybody would prove nothing.
    const answer = await context.commands.execute({ name: "probe", permissions: ["read"], via }, request)
    if (!answer.ok) return failed(`status to be answered over ${via} with the permission to read`, answer.code)
  }
  const nobody = await context.commands.execute(null, request)
  if (nobody.ok || nobody.code !== "ERR_NOT_AUTHENTICATED") {
    return failed("status to be refused to nobody", nobody.ok ? "an answer" : nobody.code)
  }
  return asked + 1
}

/** What a role may do is what the signed policy says, and nothing else changes it. */
export const rolesAreThePolicys: GatewayProbe = {
  id: "authority.roles-by-policy",
  summary:
    "messages of each set of roles, whole and with one role less, pass exactly as the policy in force says; the same " +
    "policy, altered or unsigned, is refused",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    const bundle = context.bundleInForce()
    if (policy === null || bundle === null) return NO_POLICY
    let passed = 0
    let stopped = 0
    for (const [peer, topic] of questions(policy)) {
      const marker = randomUUID()
      const bytes = concat(connectPacket(SUBJECT), publishPacket(topic, marker))
      const seen = await context.rehearse({ ...peer, subject: SUBJECT, bytes })
      if (seen === null) return NO_POLICY
      const forwarded = contains(seen.forwarded, marker)
      if (forwarded !== reads(policy, peer, topic, marker.length, context.essentialOnly())) {
        const roles = peer.roles.length === 0 ? "no role" : peer.roles.join(", ")
        return failed(
          `${topic} to ${forwarded ? "be stopped" : "pass"} for ${roles} on ${peer.conduit}`,
          "the opposite",
        )
      }
      if (forwarded) passed++
      else stopped++
    }
    for (const { what, text } of alterations(bundle)) {
      const reason = await context.offerBundle(text)
      if (reason === null) return failed(`the roles of the policy to change by signature only`, `${what} was accepted`)
    }
    const evidence = `${passed} messages passed and ${stopped} were stopped as the roles in the policy say; no other bundle changes them`
    return { outcome: "passed", evidence }
  },
}

/** Who is asked to publish what: every class whole, and without each of its roles in turn. */
function* questions(policy: Policy): Generator<readonly [PeerClass, string]> {
  const topics = new Set<string>()
  for (const rule of policy.rules) {
    if (topics.size >= MAX_TOPICS) break
    // What passes once may be stopped the second time under a rate; gates and payloads have probes of their own.
    const plain = rule.protocol === "mqtt" && rule.rate === null && rule.hours === null && rule.emergency === null
    if (!plain || rule.payload.kind !== "any" || !rule.actions.includes("publish")) continue
    const [filter] = rule.topics
    if (filter !== undefined) topics.add(exampleTopic(filter, SUBJECT))
  }
  let left = Math.floor(MAX_READINGS / Math.max(1, policy.rules.length))
  for (const whole of classesOf(policy)) {
    const without = whole.roles.map((role) => ({ ...whole, roles: whole.roles.filter((other) => other !== role) }))
    for (const peer of [whole, ...without]) {
      for (const topic of topics) if (left-- > 0) yield [peer, topic]
    }
  }
}

function reads(policy: Policy, peer: PeerClass, topic: string, payloadBytes: number, essentialOnly: boolean): boolean {
  const asked = { policy, ...peer, action: "publish", name: SUBJECT, clientId: SUBJECT, essentialOnly } as const
  const message = { topic: Buffer.from(topic), qos: 0, retain: false, payloadBytes, nowMs: 0 }
  return isAllowed(decideReference(asked, message, new Map()))
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
