import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { EngineContext } from "../../../../firmware/conduits/engine-context.ts"
import type { EngineConduit } from "../../../../firmware/conduits/messages.ts"
import { createSharedUpstream } from "../../../../firmware/conduits/modbus/shared-upstream.ts"
import { freePorts } from "../../../peers/ports.ts"

const test = suite("firmware/conduits/modbus/shared-upstream")

test("[CR 7.1] masters that come and go do not dial dead units each time: who may not dial is told at once", async () => {
  const [port = 0] = await freePorts(1)
  const conduit = { name: "drives", upstream: { host: "127.0.0.1", port }, modbus: null } as unknown as EngineConduit
  let nowMs = 0
  let dials = 0
  // What a dial touches of an engine.
  const touched = {
    nowMs: () => nowMs,
    randomSuffix: () => "ffffff",
    after: (delayMs: number, action: () => void) => {
      const timer = setTimeout(action, delayMs)
      return () => clearTimeout(timer)
    },
    limits: { connectTimeoutMs: 1_000 },
    report: () => undefined,
    trust: { upstream: () => ({ credential: null }), opened: () => dials++ },
  }
  const shared = createSharedUpstream(conduit, touched as unknown as EngineContext)
  const comesAndGoes = async (): Promise<string> => {
    const upstream = shared.join()
    const outcome = await upstream.ask({ unit: 1, pdu: Uint8Array.of(3, 0, 0, 0, 1), master: 1, priority: 1 })
    shared.leave()
    return outcome.kind === "none" ? outcome.why : outcome.kind
  }
  assert.equal([await comesAndGoes(), dials], ["lost", 1])
  for (let k = 0; k < 20; k++) assert.is(await comesAndGoes(), "lost")
  assert.is(dials, 1)
  // The longest first pause: 250 ms and half of that.
  nowMs = 376
  assert.equal([await comesAndGoes(), dials], ["lost", 2])
})

test.run()
