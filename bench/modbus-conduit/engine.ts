/**
 * The conduit engine with one Modbus conduit, clear text at both ends, a process of its own.
 *
 * Request: `start {upstreamPort, rules}` -> `{port}`.
 */
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { startEngine } from "../../firmware/conduits/engine-port.ts"
import { enginePolicyOf } from "../../firmware/conduits/engine-policy.ts"
import { DEFAULT_LIMITS } from "../../firmware/config/gateway-config.ts"
import { compilePolicy } from "../../policy/compile/compile.ts"
import { parsePolicy } from "../../policy/language/parse-policy.ts"
import { freePort } from "../../test/peers/ports.ts"
import { serveLines } from "../conduit/lines.ts"

/** What the engine under measurement is started with. */
export interface ModbusEngineRequest {
  readonly upstreamPort: number
  readonly rules: number
}

/** One rule that allows what the masters ask, among others for other units. */
function policyText(rules: number): string {
  const rule = (k: number): object => ({
    id: `r${k}`,
    allow: ["read-holding-registers", "write-single-register"],
    roles: ["master"],
    units: k === 0 ? 1 : 2 + (k % 200),
    registers: `${k % 60_000}-${(k % 60_000) + 99}`,
    record: "none",
  })
  return JSON.stringify({
    "lockgate-policy": 1,
    name: "bench",
    zones: { from: { level: 1, "clear-text": true }, to: { level: 1, "clear-text": true } },
    roles: { master: "asks" },
    subjects: [{ zone: "from", match: { address: "127.0.0.1" }, name: "master", roles: ["master"] }],
    conduits: { units: { from: "from", to: "to", protocol: "modbus", transport: "tcp" } },
    rules: Array.from({ length: rules }, (_, k) => rule(k)),
  })
}

serveLines({
  async start({ upstreamPort, rules }: ModbusEngineRequest) {
    const parsed = parsePolicy(policyText(rules), "bench")
    if (!parsed.ok) throw new Error(parsed.faults[0]?.message)
    const port = await freePort()
    const conduit = {
      name: "units",
      listen: { address: "127.0.0.1", port },
      serverCredential: null,
      upstream: { host: "127.0.0.1", port: upstreamPort, serverName: "" },
      clientCredential: null,
      upstreamAuthority: "",
      modbus: { line: null, points: [] },
    }
    const nothing = (): void => undefined
    const time = { earliestAt: Date.now() - 1_000, latestAt: Date.now() + 3_600_000 }
    const setup = { clock: createLinuxClock(), conduits: [conduit], limits: DEFAULT_LIMITS, time, allowStall: false }
    const hear = { events: nothing, counters: nothing, listening: nothing, certificateSeen: nothing, alive: nothing }
    const engine = await startEngine(setup, { ...hear, failed: () => undefined, fault: nothing, died: nothing })
    await engine.setPosture({ normal: "open", essential: "open" })
    const policy = enginePolicyOf(parsed.value, compilePolicy(parsed.value))
    await engine.setEpoch({ epoch: 1, policy, authorities: {} })
    return { port }
  },
})
