import { createServer } from "node:net"
import { once } from "node:events"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { ProbeContext } from "../../../firmware/assess/probe-context.ts"
import { brokerRefusesStrangers } from "../../../firmware/assess/probes/broker.ts"
import {
  faultsClose,
  islandCloses,
  waysInAreControlled,
  waysInNeedApproval,
} from "../../../firmware/assess/probes/closing.ts"
import { runProbe } from "../../../firmware/assess/run.ts"
import { enginePolicyOf } from "../../../firmware/conduits/engine-policy.ts"
import { prepareInForce } from "../../../firmware/conduits/in-force.ts"
import { waysIn, type AccessStatus } from "../../../firmware/management/access.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import type { GatewayProbe } from "../../../firmware/assess/probe-context.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"

const test = suite("firmware/assess/probes-closing")

const rules = [
  makeRule({ topics: ["a"], conduits: ["field", "plain"] }),
  makeRule({ id: "vital", topics: ["b"], essential: true }),
]
const POLICY = makePolicy(rules, [["sensor"]], ["field", "plain"])
const BASE = makePolicy(rules, [["sensor"]], ["field", "plain", "remote"])
/** `remote` begins in a zone that is not the owner's. */
const WITH_REMOTE: Policy = {
  ...BASE,
  zones: [...BASE.zones, { ...BASE.zones[0]!, name: "outside", kind: "untrusted" }],
  conduits: BASE.conduits.map((one) =>
    one.name === "remote" ? { ...one, from: "outside", access: "approved" as const } : one,
  ),
}
const ON = { remainingSeconds: 60, by: "local:owner", reason: "repair" }

function contextOf(policy: Policy, change: Partial<ProbeContext> = {}): ProbeContext {
  const epoch = { epoch: 1, policy: enginePolicyOf(policy, compilePolicy(policy)), authorities: {} }
  const seen: Partial<ProbeContext> = {
    policy: () => policy,
    islandOn: () => false,
    listening: () => ["field", "plain"].map((conduit) => ({ conduit, address: "127.0.0.1", port: 1 })),
    access: () => waysIn(policy).map((way) => ({ ...way, on: null })),
    openUnder: async (posture, failed) => {
      const { conduits } = prepareInForce(epoch, posture, 1, undefined, undefined, { granted: [], failed })
      return [...conduits].filter(([, { open }]) => open).map(([name]) => name)
    },
    ...change,
  }
  return seen as ProbeContext
}
const outcome = async (probe: GatewayProbe, policy: Policy, change: Partial<ProbeContext> = {}): Promise<string> =>
  (await runProbe(probe, contextOf(policy, change))).outcome

test("[NDR 5.2 RE(2)] island mode leaves essential flows only; an engine that leaves more, listens still, or is slow is found", async () => {
  assert.is(await outcome(islandCloses, POLICY), "passed")
  assert.is(await outcome(islandCloses, POLICY, { openUnder: async () => ["field", "plain"] }), "failed")
  assert.is(await outcome(islandCloses, POLICY, { openUnder: async () => ["field"] }), "failed")
  assert.is(await outcome(islandCloses, POLICY, { islandOn: () => true }), "failed")
  const slow = async (): Promise<string[]> => new Promise((resolve) => setTimeout(resolve, 60, []))
  assert.is(await outcome(islandCloses, POLICY, { openUnder: slow }), "failed")
  assert.is(await outcome(islandCloses, POLICY, { policy: () => null }), "not-tested")
})

test("[NDR 5.2 RE(3)] a fault that does not close its conduit, or closes others, is found", async () => {
  assert.is(await outcome(faultsClose, POLICY), "passed")
  assert.is(await outcome(faultsClose, POLICY, { openUnder: async () => ["field", "plain"] }), "failed")
  const all = async (_: unknown, failed: readonly string[]): Promise<string[]> =>
    failed.length > 0 ? [] : ["field", "plain"]
  assert.is(await outcome(faultsClose, POLICY, { openUnder: all }), "failed")
  assert.is(await outcome(faultsClose, POLICY, { openUnder: async () => [] }), "not-tested")
})

test("[NDR 1.13] a way in that is not listed, that listens unapproved or in the clear is found", async () => {
  const listening = () => [{ conduit: "remote", address: "127.0.0.1", port: 1 }]
  const access = (): AccessStatus[] => [{ conduit: "remote", access: "approved", zone: "outside", on: ON }]
  assert.is(await outcome(waysInAreControlled, WITH_REMOTE), "passed")
  assert.is(await outcome(waysInAreControlled, WITH_REMOTE, { listening, access }), "passed")
  assert.is(await outcome(waysInAreControlled, WITH_REMOTE, { listening }), "failed")
  assert.is(await outcome(waysInAreControlled, WITH_REMOTE, { access: () => [] }), "failed")
  const clear = WITH_REMOTE.conduits.map((one) => ({ ...one, transport: { from: "tcp", to: "tls" } as const }))
  assert.is(await outcome(waysInAreControlled, { ...WITH_REMOTE, conduits: clear }), "failed")
  assert.is(await outcome(waysInAreControlled, POLICY), "not-tested")
})

test("[NDR 1.13 RE(1)] a way in that policy leaves open for ever is found", async () => {
  assert.is(await outcome(waysInNeedApproval, WITH_REMOTE), "passed")
  const always = WITH_REMOTE.conduits.map((one) => ({ ...one, access: "always" as const }))
  assert.is(await outcome(waysInNeedApproval, { ...WITH_REMOTE, conduits: always }), "failed")
  assert.is(await outcome(waysInNeedApproval, POLICY), "not-tested")
})

test("[NDR 5.2] a broker that is not there says nothing; one that answers anybody is found (see also probes.test.ts)", async () => {
  const at = (port: number): Partial<ProbeContext> => {
    const row = { name: "upstream/x", kind: "tcp-tls", purpose: "", authentication: "" } as const
    return { interfaces: [{ ...row, direction: "dials", at: `127.0.0.1:${port}` }] }
  }
  assert.is(await outcome(brokerRefusesStrangers, POLICY, at(1)), "not-tested")
  assert.is(await outcome(brokerRefusesStrangers, POLICY, { interfaces: [] }), "not-tested")
  const silent = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1")
  await once(silent, "listening")
  assert.is(await outcome(brokerRefusesStrangers, POLICY, at((silent.address() as { port: number }).port)), "failed")
  silent.close()
})

test.run()
