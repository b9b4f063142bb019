import { generateKeyPairSync } from "node:crypto"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { STEP_MS } from "../../../policy/time/step-watch.ts"
import { signTime } from "../../time/statement.ts"
import { moment } from "../../time/time-events.ts"
import type { GatewayProbe } from "../probe-context.ts"

/** The newest entry on disk bears every time that it should, and they agree with what is known now. */
export const entriesAreStamped: GatewayProbe = {
  id: "time.entries-stamped",
  summary:
    "the newest log entry bears wall time, interval, boot and monotonic time, and the wall clock is not surely wrong",
  safety: "passive",
  vantage: "inside",
  async run({ time }) {
    const entry = await time.newestEntry()
    if (entry === null) return failed("an entry in the log", "none")
    const { earliestAt, latestAt, wallAt, floor } = time.report()
    if (entry.boot !== time.bootId) return failed("the id of this run in the newest entry", "another one")
    if (entry.mono > time.monotonicMs()) return failed("a monotonic time that has passed", `${entry.mono} ms, which is to come`) // prettier-ignore
    if (entry.latest !== null && entry.latest < entry.earliest)
      return failed("an interval", "its end is before its begin")
    // Whole milliseconds in an entry.
    if (entry.earliest > floor.at + 1) return failed("an earliest that rests on proved bounds", `${moment(entry.earliest)} over a floor of ${moment(floor.at)}`) // prettier-ignore
    if (wallAt < earliestAt || (latestAt !== null && wallAt > latestAt)) {
      return failed(`a wall clock between ${moment(earliestAt)} and ${moment(latestAt)}`, moment(wallAt))
    }
    const latest = entry.latest === null ? "no latest known" : moment(entry.latest)
    return { outcome: "passed", evidence: `entry ${entry.seq}: ${entry.time}, surely from ${moment(entry.earliest)} to ${latest}` } // prettier-ignore
  },
}

/** The clock follows the system's time source, and is near to it. */
export const clockFollowsSource: GatewayProbe = {
  id: "time.synchronised",
  summary: "the board's time daemon follows a source, and the clock is near to it",
  safety: "passive",
  vantage: "inside",
  async run({ time }) {
    const { sync, network } = time.report()
    if (sync.daemon === "none") return { outcome: "not-tested", why: "no time daemon runs on this board (chrony, systemd-timesyncd)" } // prettier-ignore
    if (network === "none") return { outcome: "not-tested", why: "the board file believes no network time" }
    if (!sync.synchronised) return failed(`${sync.daemon} to follow a source`, sync.why)
    const { offsetMs, source, authentication, errorMs } = sync
    if (offsetMs !== null && Math.abs(offsetMs) > STEP_MS) return failed(`at most ${STEP_MS} ms from the source`, `${Math.round(offsetMs)} ms`) // prettier-ignore
    const whom = source === null ? "" : ` with ${source}`
    return { outcome: "passed", evidence: `${sync.daemon}${whom}, authentication ${authentication}, within ${Math.ceil(errorMs ?? 0)} ms` } // prettier-ignore
  },
}

const REHEARSED_MS = 60_000

/** The live watch would tell a wall clock that is set, forwards and backwards, and not one that nobody touches. */
export const stepsAreTold: GatewayProbe = {
  id: "time.steps-told",
  summary: "the live watch of the clocks, rehearsed, tells a wall clock that is set a minute either way, and no other",
  safety: "passive",
  vantage: "inside",
  async run({ time }) {
    for (const byMs of [REHEARSED_MS, -REHEARSED_MS]) {
      const step = time.rehearseStep(byMs)
      if (step === null || Math.abs(step.byMs - byMs) > 2 * STEP_MS)
        return failed(`a step of ${byMs} ms to be told`, step === null ? "nothing" : `${step.byMs} ms`)
    }
    if (time.rehearseStep(0) !== null) return failed("nothing while nobody sets the clock", "a step")
    return { outcome: "passed", evidence: "steps of a minute forwards and backwards would be told" }
  },
}

/** Nobody but who may sign the time sets it. */
export const forgedTimeIsRefused: GatewayProbe = {
  id: "time.forged-refused",
  summary: "a time signed by a key that nobody trusts, and a policy bundle given as a time, would be refused",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const { privateKey: key } = generateKeyPairSync("ed25519")
    const stranger = { algorithm: "EdDSA", thumbprint: "A".repeat(43), key } as const
    const statement = { gateway: "any", nonce: "A".repeat(22), at: 0, withinMs: 0, purpose: "set" } as const
    const forged = await context.time.examine(await signTime(statement, stranger))
    if (forged !== "ERR_TIME_SIGNATURES") return failed("ERR_TIME_SIGNATURES for a stranger's time", forged ?? "it would be taken") // prettier-ignore
    const bundle = context.bundleInForce()
    const other = bundle === null ? null : await context.time.examine(bundle)
    if (bundle !== null && other === null) return failed("a refusal of a policy bundle as a time", "it would be taken")
    return { outcome: "passed", evidence: `stranger: ${forged}${other === null ? "" : `; policy bundle: ${other}`}` }
  },
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
