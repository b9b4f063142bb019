import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { ProbeContext, TrailView } from "../../../firmware/assess/probe-context.ts"
import {
  eventsAreWritten,
  operatorsHear,
  recordedFlowsHaveProof,
  requestsAreKept,
} from "../../../firmware/assess/probes/trail.ts"
import type { GatewayProbe } from "../../../firmware/assess/probe-context.ts"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { recordingHandlers } from "../../support/commands.ts"
import { policyOf, rehearsing, world } from "../../support/probe-world.ts"
import { POLICY } from "../../support/rig.ts"

const test = suite("firmware/assess/probes-trail")

const { context, close } = await world()
test.after(close)

const run = (probe: GatewayProbe, change: Partial<ProbeContext> = {}): Promise<ProbeResult> =>
  probe.run({ ...context, ...change })

/** The trail with something of it changed; its size stays alive. */
function trail(change: Partial<TrailView>): TrailView {
  return Object.create(context.trail, Object.getOwnPropertyDescriptors(change)) as TrailView
}

/** A door over the world's log with one thing broken. */
function door(audit: (event: AuditEvent) => Promise<number>): Pick<ProbeContext, "commands"> {
  return { commands: createManagement({ handlers: recordingHandlers([]), audit }) }
}

test("[CR 2.8, CR 2.12, CR 6.2] a trail that is whole passes", async () => {
  for (const probe of [eventsAreWritten, requestsAreKept, operatorsHear]) {
    assert.is((await run(probe)).outcome, "passed", probe.id)
  }
})

test("[CR 2.8] events that are not written, or as something else, are found", async () => {
  const { append } = context.trail
  for (const id of ["command.refused", "command.read", "command.accepted", "command.executed"]) {
    const silent = door((event) => (event.id === id ? Promise.resolve(context.trail.size) : append(event)))
    assert.is((await run(eventsAreWritten, silent)).outcome, "failed", id)
  }
  const other = door((event) => append({ ...event, id: "assess.run" }))
  assert.is((await run(eventsAreWritten, other)).outcome, "failed")
  const lost = trail({ append: async () => 0 })
  assert.is((await run(eventsAreWritten, { trail: lost })).outcome, "failed")
})

test("[CR 2.12] a request that is not named, is not kept, or is kept as something else, is found", async () => {
  const { append } = context.trail
  const unnamed = door((event) => append({ ...event, request: "0".repeat(64) }))
  assert.is((await run(requestsAreKept, unnamed)).outcome, "failed")
  const nobody = door((event) => append({ ...event, subject: null }))
  assert.is((await run(requestsAreKept, nobody)).outcome, "failed")
  // Its entries name the request, and nothing keeps it.
  assert.is((await run(requestsAreKept, door((event) => append(event)))).outcome, "failed") // prettier-ignore
  const altered = trail({ keptRequest: async () => new TextEncoder().encode("{}") })
  assert.is((await run(requestsAreKept, { trail: altered })).outcome, "failed")
})

const RECORDED = policyOf(
  POLICY.replace("{ id: report, allow: publish,", "{ id: report, record: each, allow: publish,"),
)

test("[CR 2.12 RE(1)] actions that are not recorded, or without saying who, are found", async () => {
  assert.is((await run(recordedFlowsHaveProof)).outcome, "not-tested")
  const recording = { policy: () => RECORDED, rehearse: rehearsing(RECORDED) }
  const good = await run(recordedFlowsHaveProof, recording)
  assert.match(good.outcome === "passed" ? good.evidence : good.outcome, /^[1-9]\d* rehearsed messages recorded/)
  const forgets = { policy: () => RECORDED, rehearse: rehearsing(policyOf(POLICY)) }
  assert.is((await run(recordedFlowsHaveProof, forgets)).outcome, "failed")
  const flow = { id: "flow.allowed", outcome: "success", source: "conduit/telemetry", conduit: "telemetry", subject: "s1" } as const // prettier-ignore
  await context.trail.append({ ...flow, detail: { fingerprint: "ab".repeat(32) } })
  assert.is((await run(recordedFlowsHaveProof, recording)).outcome, "passed")
  // An address will do in clear text only, and this conduit has none.
  await context.trail.append({ ...flow, detail: { address: "192.0.2.7" } })
  assert.is((await run(recordedFlowsHaveProof, recording)).outcome, "failed")
})

test("[CR 2.12 RE(1)] in clear text the address stands for the peer, and nothing at all is found", async () => {
  const own = await world()
  const clear = policyOf(
    POLICY.replace("record: each, ", "")
      .replace("{ id: report, allow", "{ id: report, record: each, allow")
      .replace("field: { level: 2,", "field: { level: 2, clear-text: true,")
      .replace("protocol: mqtt }", "protocol: mqtt, transport: { from: tcp } }"),
  )
  const at = { ...own.context, policy: () => clear, rehearse: rehearsing(clear) }
  const flow = { id: "flow.allowed", outcome: "success", source: "conduit/telemetry", conduit: "telemetry", subject: "s1" } as const // prettier-ignore
  await own.context.trail.append({ ...flow, detail: { address: "192.0.2.7" } })
  assert.is((await recordedFlowsHaveProof.run(at)).outcome, "passed")
  await own.context.trail.append({ ...flow, detail: { address: "" } })
  assert.is((await recordedFlowsHaveProof.run(at)).outcome, "failed")
  await own.close()
})

test("[CR 6.2] a gateway that tells nobody, and one whose alarm rules sleep, is found", async () => {
  assert.is((await run(operatorsHear, { trail: trail({ published: () => null }) })).outcome, "failed")
  const [deaf, asleep] = [run(operatorsHear, { trail: trail({ published: () => 0 }) }), run(operatorsHear, { trail: trail({ alarmsLookedAt: () => 0 }) })] // prettier-ignore
  assert.is((await deaf).outcome, "failed")
  assert.is((await asleep).outcome, "failed")
})

test.run()
