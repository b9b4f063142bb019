/** Probes of the audit trail: what is caused is written whole, who caused it cannot deny it, and operators hear of it. */
import { createHash, randomBytes } from "node:crypto"
import { parseEntry, type Entry } from "../../../policy/audit/entry.ts"
import { EVENTS } from "../../../policy/audit/event.ts"
import type { EventKind } from "../../../policy/audit/event/kind.ts"
import type { Principal } from "../../../policy/command/port.ts"
import { decideReference } from "../../../policy/filter/reference.ts"
import { isAllowed, ruleOf } from "../../../policy/filter/verdict.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { GatewayProbe, ProbeContext } from "../probe-context.ts"
import { classesOf, exampleTopic } from "./classes.ts"
import { concat, connectPacket, publishPacket } from "./packets.ts"

const PROBE: Principal = { name: "probe", permissions: ["read", "policy"], via: "local" }
/** A version that was never on trial: refused by its handler, after everything that is looked at here. */
const HARMLESS = { command: "policy.confirm", arguments: { version: 2 ** 31 } }
const SUBJECT = "probe-of-the-trail"
/** How far back entries are looked at. */
const NEWEST = 1024
/** For the broker's acknowledgement and the alarms to come by. */
const REACH_MS = 5_000

/** Events are caused on purpose, and read back with every field that they must have. */
export const eventsAreWritten: GatewayProbe = {
  id: "audit.events-written",
  summary:
    "a refused request, a reading, a change and an entry of the log's own are caused; each is read back from the log with " +
    "time, source, category, type, event and outcome",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const { trail, commands } = context
    const before = trail.size
    await commands.execute(null, { command: "status", arguments: {} })
    await commands.execute(PROBE, { command: "alarm.list", arguments: {} })
    await commands.execute(PROBE, HARMLESS)
    await trail.append({ id: "audit.probed", outcome: "success", source: "assess" })
    const entries = await entriesFrom(context, before)
    const wanted = ["command.refused", "command.read", "command.accepted", "command.executed", "audit.probed"] as const
    for (const id of wanted) {
      const entry = entries.find(({ event, subject, source }) => event === id && (subject === "probe" || subject === null || source === "assess")) // prettier-ignore
      if (entry === undefined) return failed(`an entry ${id}, which was caused just now`, "none")
      const { category, severity } = EVENTS[id]
      if (entry.category !== category || entry.type !== severity) return failed(`${id} as ${category}, ${severity}`, `${entry.category}, ${entry.type}`) // prettier-ignore
      const empty = (["time", "source", "boot", "gateway", "outcome"] as const).find((key) => entry[key] === "")
      if (empty !== undefined) return failed(`${id} with ${empty}`, "it is empty")
    }
    const gap = entries.findIndex(({ seq }, k) => seq !== before + k)
    if (gap !== -1) return failed(`entry ${before + gap}`, "another number")
    const words = new Set(wanted.map((id) => EVENTS[id].category))
    const count = (category: string): number => Object.values<EventKind>(EVENTS).filter((kind) => kind.category === category).length // prettier-ignore
    const backup = count("backup-restore")
    const evidence =
      `${wanted.length} events caused and read back, of ${[...words].join(", ")}; ${count("control-system")} kinds of control-system events; ` +
      (backup === 0 ? "nothing is backed up or restored in this release" : `${backup} kinds of backup and restore`)
    return { outcome: "passed", evidence }
  },
}

/** A request as nobody has sent it before: what is kept is it, to the byte, under the hash that the entries name. */
export const requestsAreKept: GatewayProbe = {
  id: "audit.requests-kept",
  summary:
    "a request with white space of its own is given; the entries name its SHA-256, under which it lies to the byte",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const space = [...randomBytes(64)].map((byte) => (byte % 2 === 0 ? " " : "\t")).join("")
    const received = new TextEncoder().encode(`${space}${JSON.stringify(HARMLESS)}`)
    const hash = createHash("sha256").update(received).digest("hex")
    const before = context.trail.size
    await context.commands.execute(PROBE, HARMLESS, received)
    const entries = (await entriesFrom(context, before)).filter(({ request }) => request === hash)
    for (const id of ["command.accepted", "command.executed"]) {
      const entry = entries.find(({ event }) => event === id)
      if (entry === undefined) return failed(`${id} with the hash of the request as it was received`, "none")
      if (entry.subject !== PROBE.name) return failed(`${id} of ${PROBE.name}`, entry.subject ?? "nobody")
    }
    const kept = await context.trail.keptRequest(hash)
    if (kept === null) return failed("the request to be kept", "it is not there")
    if (Buffer.compare(kept, received) !== 0) return failed("the very bytes that were received", "other bytes")
    const evidence =
      "a request was kept to the byte and named by its two entries; a request over the local socket is unsigned, and vouched " +
      "for by the socket's peer credentials only; a policy bundle is signed by people"
    return { outcome: "passed", evidence }
  },
}

/** What policy says to record is recorded, and each entry of it says how the peer is known. */
export const recordedFlowsHaveProof: GatewayProbe = {
  id: "audit.flows-have-proof",
  summary:
    "a peer that does not exist does what rules with `record` allow: the live session records it; entries of such actions bear " +
    "a certificate's fingerprint, or the address of a peer in clear text",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    if (policy === null) return { outcome: "not-tested", why: "no policy is in force" }
    if (policy.rules.every(({ record }) => record === "none")) return { outcome: "not-tested", why: "no rule of the policy says `record`" } // prettier-ignore
    let rehearsed = 0
    for (const { conduit, roles } of classesOf(policy)) {
      for (const rule of policy.rules) {
        if (rule.protocol !== "mqtt" || rule.record === "none" || !rule.actions.includes("publish")) continue
        const topic = exampleTopic(rule.topics[0] ?? "", SUBJECT)
        const asked = { policy, conduit, roles, action: "publish", name: SUBJECT, clientId: SUBJECT } as const
        const message = { topic: Buffer.from(topic), qos: 0, retain: false, payloadBytes: 1, nowMs: 0 }
        const verdict = decideReference({ ...asked, essentialOnly: context.essentialOnly() }, message, new Map())
        if (!isAllowed(verdict) || (policy.rules[ruleOf(verdict)]?.record ?? "none") === "none") continue
        const bytes = concat(connectPacket(SUBJECT), publishPacket(topic, "1"))
        const seen = await context.rehearse({ conduit, subject: SUBJECT, roles, bytes })
        if (seen === null) return { outcome: "not-tested", why: "no policy is in force" }
        if ((seen.recorded ?? 0) === 0)
          return failed(`a message to ${topic} on ${conduit} to be recorded`, "it was not")
        rehearsed++
      }
    }
    const clear = new Set(policy.conduits.filter(({ transport }) => transport.from !== "tls").map(({ name }) => name))
    const entries = await entriesFrom(context, Math.max(0, context.trail.size - NEWEST))
    const flows = entries.filter(({ event, subject }) => event === "flow.allowed" && subject !== null)
    for (const { seq, conduit, detail = {} } of flows) {
      const { fingerprint, address } = detail
      if (typeof fingerprint === "string" && /^[0-9a-f]{64}$/.test(fingerprint)) continue
      if (clear.has(conduit ?? "") && typeof address === "string" && address !== "") continue
      return failed(`entry ${seq} with a fingerprint, or in clear text an address`, "neither")
    }
    const evidence = `${rehearsed} rehearsed messages recorded; ${flows.length} entries of allowed actions, each with fingerprint or address`
    return { outcome: "passed", evidence }
  },
}

/** What happens here reaches those who watch: the log at their broker, and the alarms. */
export const operatorsHear: GatewayProbe = {
  id: "monitoring.reaches-operator",
  summary:
    "a denial is caused; the operators' broker acknowledges its entry, and the alarm rules have looked at it, in time",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const { trail } = context
    if (trail.published() === null)
      return failed("management.mqtt in the board file, to tell anybody", "no such section")
    const before = trail.size
    const answer = await context.commands.execute(null, { command: "status", arguments: {} })
    const entry = answer.ok ? null : answer.entry
    if (entry === null || entry < before) return failed("an entry for a request of nobody", "none")
    const reached = (): boolean => (trail.published() ?? 0) > entry && trail.alarmsLookedAt() > entry
    const startedMs = performance.now()
    while (!reached() && performance.now() - startedMs < REACH_MS)
      await new Promise((resolve) => setTimeout(resolve, 20))
    if (trail.alarmsLookedAt() <= entry)
      return failed(`alarm rules that have looked at entry ${entry}`, `${trail.alarmsLookedAt()}`)
    if (!reached())
      return failed(
        `the broker to have entry ${entry} in ${REACH_MS} ms`,
        `it has those below ${trail.published() ?? 0}`,
      )
    const evidence = `a denial, entry ${entry}, was acknowledged by the broker and judged by the alarm rules in ${Math.round(performance.now() - startedMs)} ms` // prettier-ignore
    return { outcome: "passed", evidence }
  },
}

async function entriesFrom({ trail }: ProbeContext, from: number): Promise<readonly Entry[]> {
  const found = await trail.read(from, Math.max(0, trail.size - from))
  return found.map(({ line }) => parseEntry(line))
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
