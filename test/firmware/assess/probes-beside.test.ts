import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { BoundaryView, ProbeContext } from "../../../firmware/assess/probe-context.ts"
import { noWayAround, packetFilterInForce } from "../../../firmware/assess/probes/beside.ts"
import { onlyNamedRadios } from "../../../firmware/assess/probes/radios.ts"
import { runProbe } from "../../../firmware/assess/run.ts"
import { MemoryNetworkInterfaces } from "../../../hal/memory/network-interfaces.ts"
import type { MemoryPacketFilter } from "../../../hal/memory/packet-filter.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import { keptBoundary } from "../../support/kept-boundary.ts"
import { makePolicy } from "../../support/policies.ts"

const test = suite("firmware/assess/probes-beside")

/** What these probes look at of a gateway. */
function contextOf(boundary: BoundaryView, policy: Policy | null = makePolicy([])): ProbeContext {
  const upstream = { name: "upstream/x", direction: "dials", kind: "tcp-tls", purpose: "", authentication: "" } as const
  const seen: Pick<ProbeContext, "boundary" | "policy" | "interfaces"> = {
    boundary,
    policy: () => policy,
    interfaces: [
      { ...upstream, at: "192.0.2.7:8883" },
      { ...upstream, at: "broker.example:8883" },
    ],
  }
  return seen as ProbeContext
}

/** The outcomes of the two probes of the packet filter. */
async function filterOutcomes(boundary: BoundaryView): Promise<readonly string[]> {
  const results = await Promise.all([packetFilterInForce, noWayAround].map((p) => runProbe(p, contextOf(boundary))))
  return results.map(({ outcome }) => outcome)
}

test("[CR 5.1] on a board whose rules are in force both probes pass, and say what they saw", async () => {
  const boundary = await keptBoundary()
  assert.equal(await filterOutcomes(boundary), ["passed", "passed"])
  const result = await runProbe(packetFilterInForce, contextOf(boundary))
  assert.match(JSON.stringify(result), "bridge forward")
})

const BREAKS: readonly (readonly [what: string, change: (filter: MemoryPacketFilter) => unknown, around: string])[] = [
  ["gone", (f) => (f.rules = null), "failed"],
  ["widened", (f) => (f.rules = (f.rules ?? "").replace('iif "lo" accept', "accept")), "passed"],
  [
    "letting something be forwarded",
    (f) => (f.rules = (f.rules ?? "").replace(/(hook forward .*\n)/, "$1    accept\n")),
    "passed",
  ],
  ["open by default", (f) => (f.rules = (f.rules ?? "").replaceAll("policy drop", "policy accept")), "failed"],
  ["beside the point: the kernel forwards", (f) => f.forwarding.add("net.ipv4.ip_forward"), "passed"],
  ["too late: something comes before them", (f) => f.beside.push("netdev x"), "passed"],
]
for (const [what, change, around] of BREAKS)
  test(`[CR 5.1] [NDR 5.2] rules that are ${what} are found`, async () => {
    assert.equal(await filterOutcomes(await keptBoundary((filter) => void change(filter))), ["failed", around])
  })

test("[CR 5.1] where the board file leaves the filter to others, or none is there, nothing is claimed", async () => {
  const boundary = await keptBoundary()
  assert.equal(await filterOutcomes({ ...boundary, mode: "off" }), ["not-tested", "not-tested"])
  assert.equal(await filterOutcomes({ ...boundary, simulated: true }), ["not-tested", "not-tested"])
  const unreachable = async () => "unreachable" as const
  assert.equal(await filterOutcomes({ ...boundary, tryAround: unreachable }), ["passed", "not-tested"])
})

test("[CR 2.2] [NDR 1.6] a radio that is up and that the policy does not name is found; a named one, or one switched off, is not", async () => {
  const boundary = await keptBoundary()
  const outcome = async (up: boolean, policy: Policy | null): Promise<string> => {
    const interfaces = { simulated: false, list: async () => [{ name: "wlan0", radio: "wifi" as const, up }] }
    return (await runProbe(onlyNamedRadios, contextOf({ ...boundary, interfaces }, policy))).outcome
  }
  const policy = makePolicy([])
  assert.is(await outcome(true, policy), "failed")
  assert.is(await outcome(true, null), "failed")
  assert.is(await outcome(true, { ...policy, radios: ["wlan0"] }), "passed")
  assert.is(await outcome(false, policy), "passed")
  const none = { ...boundary, interfaces: { simulated: false, list: async () => [] } }
  assert.is((await runProbe(onlyNamedRadios, contextOf(none))).outcome, "failed")
  const made = { ...boundary, interfaces: new MemoryNetworkInterfaces() }
  assert.is((await runProbe(onlyNamedRadios, contextOf(made))).outcome, "not-tested")
})

test.run()
