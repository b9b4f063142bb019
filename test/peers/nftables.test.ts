import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Policy } from "../../policy/language/policy.ts"
import { writeFirewall } from "../../policy/export/firewall.ts"
import { makePolicy } from "../support/policies.ts"
import { checkRuleset, loadRuleset } from "./nftables.ts"

const test = suite("peers/nftables")

const upstream = { host: "192.0.2.7", port: 8883, credential: "x" }
const ends = (address: string, host = upstream.host) => ({
  gateway: "gw-1",
  conduits: { field: { listen: { address, port: 8883 }, upstream: { ...upstream, host } } },
  management: null,
})
const POLICY: Policy = { ...makePolicy([]), name: `a "policy"; } flush ruleset\n{ # \u202e` }

test("finds what is no ruleset", () => {
  assert.ok(checkRuleset("table inet x {}\n").ok)
  assert.not.ok(checkRuleset("table inet x { chain y { nonsense } }\n").ok)
})

for (const [what, address, host, addresses] of [
  ["IPv4", "192.0.2.17", "192.0.2.7", {}],
  ["IPv6", "2001:db8::17", "2001:db8::7", {}],
  ["any address, a named broker", "0.0.0.0", "broker.example", { "broker.example": ["192.0.2.7", "2001:db8::7"] }],
  ["any address of both kinds, a broker without address", "::", "broker-1.example", {}],
  ["loopback", "127.0.0.1", "127.0.0.1", {}],
] as const)
  test(`[NDR 5.2] the printed ruleset is taken by nft, loaded twice: ${what}`, () => {
    const { ruleset } = writeFirewall(POLICY, ends(address, host), { addresses })
    const checked = checkRuleset(ruleset)
    assert.ok(checked.ok, checked.output)
    const loaded = loadRuleset(ruleset)
    assert.ok(loaded.ok, loaded.output)
    assert.is(loaded.output.match(/policy drop;/g)?.length, 6)
    assert.is(loaded.output.match(/table /g)?.length, 2)
  })

test.run()
