/** Probes of what closes conduits: island mode, faults of the gateway itself, and ways in that nobody has approved. */
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { POSTURE } from "../../../policy/posture.ts"
import { waysIn } from "../../management/access.ts"
import type { FlowPosture } from "../../conduits/messages.ts"
import type { GatewayProbe } from "../probe-context.ts"

const OPEN: FlowPosture = { normal: "open", essential: "open" }
const SHUT: FlowPosture = { normal: "closed", essential: "closed" }
/** Longest that the conduits may take to follow. */
const ISLAND_MS = 50
/** A machine that pauses once is no slow gateway. */
const ATTEMPTS = 3
const NO_POLICY: ProbeResult = { outcome: "not-tested", why: "no policy is in force" }

/** Under island mode the live engine would have only conduits with essential flows open, and says so in time. */
export const islandCloses: GatewayProbe = {
  id: "boundary.island-closes",
  summary:
    "the live engine is asked what it would have open in island mode; it answers within 50 ms: essential flows only",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    if (policy === null) return NO_POLICY
    const { normal, essential } = POSTURE.island
    const may = new Set(policy.rules.filter((rule) => rule.essential && rule.effect === "allow").flatMap((rule) => rule.conduits)) // prettier-ignore
    let fastest = Infinity
    for (let k = 0; k < ATTEMPTS && fastest > ISLAND_MS; k++) {
      const from = performance.now()
      const open = await context.openUnder({ normal, essential }, [])
      fastest = Math.min(fastest, performance.now() - from)
      const stray = open.find((name) => !may.has(name))
      if (stray !== undefined) return failed("only conduits with essential flows open in island mode", stray)
    }
    if (fastest > ISLAND_MS) return failed(`an answer in ${ISLAND_MS} ms`, `${Math.round(fastest)} ms`)
    const [left] = await context.openUnder(SHUT, [])
    if (left !== undefined) return failed("every conduit closed when both classes of flow are", left)
    const now = context.islandOn() ? context.listening().find(({ conduit }) => !may.has(conduit)) : undefined
    if (now !== undefined) return failed("only conduits with essential flows to listen: island mode is on", now.conduit)
    return { outcome: "passed", evidence: `asked the engine, which answered in ${fastest.toFixed(1)} ms: nothing but essential flows` } // prettier-ignore
  },
}

/** A conduit that has failed is closed in the live engine's eyes, and it alone. */
export const faultsClose: GatewayProbe = {
  id: "boundary.fail-close",
  summary:
    "the live engine is asked what it would have open if each conduit failed; that one is closed, the others are not",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    if (context.policy() === null) return NO_POLICY
    const whole = await context.openUnder(OPEN, [])
    if (whole.length === 0) return { outcome: "not-tested", why: "no conduit could be open" }
    for (const one of whole) {
      const open = await context.openUnder(OPEN, [one])
      if (open.includes(one)) return failed(`${one} to be closed when it has failed`, "open")
      const other = whole.find((name) => name !== one && !open.includes(name))
      if (other !== undefined) return failed(`${other} to go on when ${one} has failed`, "closed")
    }
    return { outcome: "passed", evidence: `${whole.length} conduits: each closes by its own fault alone` }
  },
}

/** Every way in from an untrusted zone is listed, encrypted, and does not listen unless policy or a person lets it. */
export const waysInAreControlled: GatewayProbe = {
  id: "access.ways-in-controlled",
  summary: "the ways in of the policy in force are held against the list of approvals and against what listens",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    if (policy === null) return NO_POLICY
    const ways = waysIn(policy)
    if (ways.length === 0) return { outcome: "not-tested", why: "no conduit of the policy touches an untrusted zone" }
    const listed = new Map(context.access().map((one) => [one.conduit, one]))
    const listening = new Set(context.listening().map(({ conduit }) => conduit))
    for (const { conduit, access } of ways) {
      const own = listed.get(conduit)
      if (own === undefined) return failed(`${conduit} in the list of ways in`, "it is not there")
      if (access === "approved" && own.on === null && listening.has(conduit)) {
        return failed(`${conduit} to be closed: nobody has approved it`, "it listens")
      }
      const { transport, from, to } = policy.conduits.find(({ name }) => name === conduit) ?? {}
      const clear = own.zone === from ? transport?.from : own.zone === to ? transport?.to : "tls"
      if (clear !== "tls") return failed(`${conduit} to be encrypted towards ${own.zone ?? ""}`, String(clear))
    }
    const on = context.access().filter((one) => one.on !== null).length
    return { outcome: "passed", evidence: `${ways.length} ways in, ${on} approved now; none listens without` }
  },
}

/** No way in from an untrusted zone is open by policy alone. */
export const waysInNeedApproval: GatewayProbe = {
  id: "access.needs-approval",
  summary: "no conduit that something comes in by from an untrusted zone says access: always",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    if (policy === null) return NO_POLICY
    const outside = new Set(policy.zones.filter(({ kind }) => kind === "untrusted").map(({ name }) => name))
    const ways = policy.conduits.filter(({ from, to, direction }) => outside.has(from) || (outside.has(to) && direction !== "out")) // prettier-ignore
    if (ways.length === 0) return { outcome: "not-tested", why: "nothing comes in from an untrusted zone" }
    const always = ways.find(({ access }) => access === "always")
    if (always !== undefined) return failed("each way in from an untrusted zone to wait for approval", `${always.name} is always open`) // prettier-ignore
    return { outcome: "passed", evidence: `${ways.length} ways in, each closed until a person approves it for a time` }
  },
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
