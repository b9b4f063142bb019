import { suite } from "uvu"
import * as assert from "uvu/assert"
import { once } from "node:events"
import { createServer, type AddressInfo } from "node:net"
import { floodsAreHeldOff, memoryIsBounded, silenceEnds } from "../../../firmware/assess/probes/load.ts"
import type { GatewayProbe, ProbeContext } from "../../../firmware/assess/probe-context.ts"
import { rehearseLoad, type LoadRehearsal } from "../../../firmware/conduits/load/rehearse-load.ts"
import { DEFAULT_LIMITS } from "../../../firmware/config/gateway-config.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"

const test = suite("firmware/assess/probes-load")

const LIMITS = { ...DEFAULT_LIMITS, halfOpenMs: 100 }

const run = (probe: GatewayProbe, rehearsal: LoadRehearsal | null): Promise<ProbeResult> =>
  probe.run({ limits: LIMITS, rehearseLoad: async () => rehearsal } as unknown as ProbeContext)
const outcome = async (probe: GatewayProbe, rehearsal: LoadRehearsal | null): Promise<string> =>
  (await run(probe, rehearsal)).outcome

test("limits that hold are found to", async () => {
  assert.equal((await run(floodsAreHeldOff, rehearseLoad(LIMITS, 0))).outcome, "passed")
  assert.equal((await run(memoryIsBounded, rehearseLoad(LIMITS, 1))).outcome, "passed")
})

test("[CR 7.1, CR 7.1 RE(1)] limits that do not hold under a flood are found", async () => {
  const many = { perSecond: 1_000_000, burst: 1_000_000 }
  for (const broken of [
    { sourceHandshakes: many, handshakes: many },
    { handshakes: many },
    { maxSubjectConnections: LIMITS.maxSubjectConnections + 1 },
  ]) {
    assert.is(
      await outcome(floodsAreHeldOff, rehearseLoad({ ...LIMITS, ...broken }, 0)),
      "failed",
      JSON.stringify(broken),
    )
  }
  const held = rehearseLoad(LIMITS, 0)
  for (const broken of [{ provenLetIn: false }, { essentialTookPlace: false }, { otherTookPlace: true }]) {
    assert.is(await outcome(floodsAreHeldOff, { ...held, ...broken }), "failed", JSON.stringify(broken))
  }
  assert.is(await outcome(floodsAreHeldOff, null), "failed")
})

test("[CR 7.2] a bound on memory that does not hold, or is paid for by essential connections first, is found", async () => {
  const lax = { ...LIMITS, maxMemoryBytes: LIMITS.maxMemoryBytes * 8 }
  assert.is(await outcome(memoryIsBounded, rehearseLoad(lax, 0)), "failed")
  assert.is(await outcome(memoryIsBounded, rehearseLoad(LIMITS, LIMITS.maxMemoryBytes + 1)), "failed")
  assert.is(await outcome(memoryIsBounded, { ...rehearseLoad(LIMITS, 0), essentialShed: true }), "failed")
  assert.is(await outcome(memoryIsBounded, null), "failed")
})

test("[CR 7.1] a listener that bears with silence for ever is found; one that does not passes", async () => {
  let patient = true
  const server = createServer((socket) => {
    socket.on("error", () => undefined)
    if (!patient) setTimeout(() => socket.destroy(), 50)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const listening = () => [{ conduit: "telemetry", address: "127.0.0.1", port }]
  const context = { limits: LIMITS, listening } as unknown as ProbeContext
  assert.is((await silenceEnds.run(context)).outcome, "failed")
  patient = false
  assert.is((await silenceEnds.run(context)).outcome, "passed")
  const slow = { ...LIMITS, halfOpenMs: 60_000, connectTimeoutMs: 60_000 }
  assert.is((await silenceEnds.run({ ...context, limits: slow })).outcome, "not-tested")
  assert.is((await silenceEnds.run({ ...context, listening: () => [] })).outcome, "not-tested")
  server.close()
})

test.run()
