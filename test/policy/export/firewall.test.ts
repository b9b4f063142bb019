import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { GatewayEnds } from "../../../policy/export/ends.ts"
import { writeFirewall } from "../../../policy/export/firewall.ts"
import { makePolicy } from "../../support/policies.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/export/firewall")
const POLICY = makePolicy([])
const UPSTREAM = { host: "192.0.2.7", port: 8883, credential: "control" }
const conduit = (address: string, port = 8883, upstream = UPSTREAM) => ({ listen: { address, port }, upstream })
const ends = (change: Partial<GatewayEnds> = {}): GatewayEnds => ({
  gateway: "gw-1",
  conduits: { field: conduit("192.0.2.17") },
  management: null,
  ...change,
})
const write = (change: Partial<GatewayEnds> = {}, addresses = {}) => writeFirewall(POLICY, ends(change), { addresses })
/** Rules of a chain that let something pass, without comments. */
const accepts = (ruleset: string, chain: string): readonly string[] =>
  (new RegExp(`chain ${chain} \\{\\n([^}]*(?:\\{[^}]*\\}[^}]*)*)\\n  \\}`).exec(ruleset)?.[1] ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.endsWith("accept"))

const ICMP = "icmp type { destination-unreachable, time-exceeded, parameter-problem } ct state related accept"

test("[NDR 5.2] nothing but listener, upstream, loopback and what belongs to them passes", () => {
  const { ruleset, notes } = write()
  assert.equal(accepts(ruleset, "input"), [
    'iif "lo" accept',
    "ct state established accept",
    ICMP,
    "ip daddr 192.0.2.17 fib daddr . iif type local tcp dport 8883 ct state new accept",
  ])
  assert.equal(accepts(ruleset, "output"), [
    'oif "lo" accept',
    "ct state established accept",
    ICMP,
    "ip daddr 192.0.2.7 tcp dport 8883 ct state new accept",
  ])
  assert.equal(accepts(ruleset, "forward"), [])
  assert.is(ruleset.match(/policy drop;/g)?.length, 6)
  assert.equal(notes, [])
  assert.is(write().ruleset, ruleset)
})

test("[NDR 5.2] what is not both in the policy and on the board is closed, and said to be", () => {
  const { ruleset, notes } = write({ conduits: { other: conduit("192.0.2.17", 1883) } })
  assert.is(accepts(ruleset, "input").length, 3)
  assert.not.match(ruleset, "1883")
  assert.equal(notes, ["conduit field has no ends on this board: nothing is open for it", "ends of other are not in the policy: they stay closed"]) // prettier-ignore
})

test("a named broker needs its addresses told; two names never share a set", () => {
  const named = { conduits: { field: conduit("192.0.2.17", 8883, { ...UPSTREAM, host: "b.example" }) }, management: { ...UPSTREAM, host: "b_2e_example" } } // prettier-ignore
  const without = write(named)
  assert.is(without.notes.length, 2)
  assert.not.match(without.ruleset, "elements")
  const { ruleset, notes } = write(named, { "b.example": ["192.0.2.8", "2001:db8::8"], b_2e_example: ["192.0.2.9"] })
  assert.equal(notes, [])
  const sets = ruleset.match(/set (\S+) \{/g) ?? []
  assert.is(new Set(sets).size, 3)
  assert.match(ruleset, "elements = { 192.0.2.8 }")
})

test("neighbours on IPv6 are asked only where something is on IPv6", () => {
  assert.not.match(write().ruleset, "icmpv6")
  assert.match(write({ conduits: { field: conduit("2001:db8::1") } }).ruleset, "nd-neighbor-solicit")
})

test("a listener on loopback needs no hole, and one without a port is refused", async () => {
  assert.is(accepts(write({ conduits: { field: conduit("127.0.0.1") } }).ruleset, "input").length, 3)
  await rejects(() => write({ conduits: { field: conduit("192.0.2.17", 0) } }), "ERR_FIREWALL_PORT")
  await rejects(() => write({ conduits: { field: conduit("gateway.example") } }), "ERR_FIREWALL_ADDRESS")
})

test("[CR 3.5] no text becomes a rule", async () => {
  const hostile = `x"; } table inet evil { chain y { accept } }\naccept #\u2028`
  const policy = { ...POLICY, name: hostile }
  const { ruleset } = writeFirewall(policy, ends({ gateway: hostile }), { addresses: {} })
  const rules = (text: string): string => text.split("\n").filter((line) => !line.trim().startsWith("#")).join("\n") // prettier-ignore
  assert.is(rules(ruleset), rules(write().ruleset))
  const injected = { ...UPSTREAM, host: "1::2 accept; #" }
  await rejects(() => write({ management: injected }), "ERR_FIREWALL_ADDRESS")
  await rejects(() => write({ management: { ...UPSTREAM, host: "999.1.1.1" } }), "ERR_FIREWALL_ADDRESS")
  await rejects(() => write({ management: { ...UPSTREAM, host: "b" } }, { b: ["::; accept"] }), "ERR_FIREWALL_ADDRESS")
})

test("the kernel is told to forward nothing", () => {
  assert.match(write().sysctl, /^net\.ipv4\.ip_forward = 0$/m)
  assert.match(write().sysctl, /^net\.ipv6\.conf\.all\.forwarding = 0$/m)
})

test.run()
