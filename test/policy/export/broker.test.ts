import { suite } from "uvu"
import * as assert from "uvu/assert"
import { brokersOf, writeBroker } from "../../../policy/export/broker.ts"
import type { GatewayEnds } from "../../../policy/export/ends.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/export/broker")
const FILES = { authority: "/m/ca.pem", certificate: "/m/b.pem", key: "/m/b.key", acl: "/m/acl" }
const OPTIONS = { identities: { control: "gw-1-control" }, files: FILES, listen: null }
const UPSTREAM = { host: "broker.example", port: 8883, credential: "control" }
const ENDS: GatewayEnds = {
  gateway: "gw-1",
  conduits: { field: { listen: { address: "192.0.2.17", port: 8883 }, upstream: UPSTREAM } },
  management: UPSTREAM,
}
const RULES = [
  makeRule({ id: "a", topics: ["plant/%u/#", "plant/s-1/temp", "by/%c"] }),
  makeRule({ id: "b", topics: ["all/+", "both"], actions: ["subscribe", "receive"] }),
  makeRule({ id: "c", topics: ["both"] }),
  makeRule({ id: "d", topics: ["$share/g/work/+"], actions: ["subscribe"] }),
  makeRule({ id: "e", topics: ["plant/+/secret"], effect: "deny" }),
  makeRule({ id: "f", topics: ["elsewhere"], conduits: ["other"] }),
]
const POLICY = makePolicy(RULES)
const aclOf = (policy = POLICY, ends = ENDS): readonly string[] =>
  writeBroker(policy, ends, "broker.example:8883", OPTIONS)
    .acl.split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))

test("the gateway may what the policy admits somebody, each topic once; everybody else nothing", () => {
  assert.equal(aclOf(), [
    "user gw-1-control",
    "topic readwrite both",
    "topic readwrite lockgate/gw-1/alarm/#",
    "topic readwrite lockgate/gw-1/log/#",
    "topic write by/+",
    "topic write lockgate/gw-1/audit/#",
    "topic write lockgate/gw-1/command/answer/#",
    "topic write lockgate/gw-1/heartbeat",
    "topic write lockgate/gw-1/online",
    "topic write plant/+/#",
    "topic read all/+",
    "topic read lockgate/gw-1/command/request",
    "topic read lockgate/gw-1/witness/#",
    "topic read work/+",
  ])
})

test("[CR 3.9] who may read the audit is named, and may not write as the gateway", () => {
  const readers = { operators: ["anna"], collectors: ["siem"] }
  const { acl } = writeBroker(POLICY, ENDS, "broker.example:8883", { ...OPTIONS, readers })
  assert.match(
    acl,
    /# operator\nuser anna\ntopic write lockgate\/gw-1\/log\/request\ntopic write lockgate\/gw-1\/command\/request\ntopic read lockgate\/gw-1\/#\n/,
  )
  assert.match(acl, /# collector\nuser siem\n/)
})

test("a conduit's direction counts, and its credential is who the broker sees", () => {
  const one = (direction: "in" | "out") => {
    const conduits = POLICY.conduits.map((conduit) => ({ ...conduit, direction }))
    return aclOf({ ...POLICY, conduits }, { ...ENDS, management: null })
  }
  assert.equal(one("out").filter((line) => line.startsWith("topic read")), []) // prettier-ignore
  assert.equal(one("in").filter((line) => line.includes("write")), []) // prettier-ignore
})

test("one listener, gateway certificates only", () => {
  const { configuration } = writeBroker(POLICY, ENDS, "broker.example:8883", OPTIONS)
  const lines = configuration.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
  assert.equal(lines.filter((line) => line.startsWith("listener")), ["listener 8883"]) // prettier-ignore
  for (const line of [
    "require_certificate true",
    "use_identity_as_username true",
    "allow_anonymous false",
    "acl_file /m/acl",
  ])
    // prettier-ignore
    assert.ok(lines.includes(line), line)
})

test("spaces at the ends of a topic, which the file cannot hold, are any word there", () => {
  const lines = aclOf(makePolicy([makeRule({ topics: [" a/b ", "c/ d /e"] })]), { ...ENDS, management: null })
  assert.equal(lines.slice(1), ["topic write +/+", "topic write c/ d /e"])
})

test("[CR 3.5] unknown brokers, unknown identities and names that are more than names are refused", async () => {
  assert.equal(brokersOf({ ...ENDS, management: { ...UPSTREAM, host: "::1" } }), ["[::1]:8883", "broker.example:8883"])
  await rejects(() => writeBroker(POLICY, ENDS, "x:1", OPTIONS), "ERR_BROKER_UNKNOWN")
  const as = (name: string) => ({ ...OPTIONS, identities: { control: name } })
  for (const name of ["", "a b", "a\ntopic readwrite #", "#a"]) {
    await rejects(() => writeBroker(POLICY, ENDS, "broker.example:8883", as(name)), "ERR_BROKER_IDENTITY")
  }
  const files = { ...FILES, acl: "/m/acl\nallow_anonymous true" }
  await rejects(() => writeBroker(POLICY, ENDS, "broker.example:8883", { ...OPTIONS, files }), "ERR_BROKER_PATH")
  const hostile = writeBroker({ ...POLICY, name: "x\nuser root" }, ENDS, "broker.example:8883", OPTIONS)
  assert.not.match(hostile.acl, /^user root/m)
})

test.run()
