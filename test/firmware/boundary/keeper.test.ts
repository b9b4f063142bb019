import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createBoundary } from "../../../firmware/boundary/keeper.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryPacketFilter } from "../../../hal/memory/packet-filter.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import type { GatewayEnds } from "../../../policy/export/ends.ts"
import { makePolicy } from "../../support/policies.ts"

const test = suite("firmware/boundary/keeper")

const UPSTREAM = { host: "broker.example", port: 8883, credential: "control" }
const ENDS: GatewayEnds = {
  gateway: "gw-1",
  conduits: { field: { listen: { address: "192.0.2.17", port: 8883 }, upstream: UPSTREAM } },
  management: null,
}
const POLICY = makePolicy([])

function start(mode: "apply" | "off" = "apply", ends = ENDS) {
  const filter = new MemoryPacketFilter()
  filter.names["broker.example"] = ["192.0.2.7"]
  const clock = new MemoryClock()
  const events: AuditEvent[] = []
  const lost: boolean[] = []
  const boundary = createBoundary({ mode, filter, clock, ends, note: (event) => events.push(event) })
  boundary.onLost((is) => lost.push(is))
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    filter,
    boundary,
    events,
    lost,
    said: () => events.map(({ id }) => id),
    /** Until the next look is over. */
    async look(): Promise<void> {
      clock.advance(2_000)
      await settle()
    },
  }
}

test("[CR 5.1] before a policy nothing comes in; with one, what it names, by addresses of the board's own list", async () => {
  const { filter, boundary, said } = start()
  await boundary.follow(null)
  assert.not.match(filter.rules!, "dport")
  assert.equal(boundary.status, { packetFilter: "simulated", fault: null })
  await boundary.follow(POLICY)
  assert.match(filter.rules!, "ip daddr 192.0.2.17 fib daddr . iif type local tcp dport 8883 ct state new accept")
  assert.match(filter.rules!, "elements = { 192.0.2.7 }")
  assert.equal(said(), ["boundary.applied", "boundary.applied"])
  boundary.stop()
})

test("[CR 5.1] off: nothing is touched, and the status says so", async () => {
  const { filter, boundary, look } = start("off")
  await boundary.follow(POLICY)
  await look()
  assert.equal([filter.applied, boundary.status.packetFilter], [0, "off"])
})

for (const [what, change] of [
  ["are gone", (filter: MemoryPacketFilter) => (filter.rules = null)],
  ["are others", (filter: MemoryPacketFilter) => (filter.rules = `${filter.rules ?? ""}\n# more`)],
  [
    "let something be forwarded",
    (filter: MemoryPacketFilter) => (filter.rules = filter.rules!.replace("policy drop", "policy accept")),
  ],
] as const)
  test(`[CR 5.1] [NDR 5.2 RE(3)] rules that ${what} are an alarm, close conduits, and are put back`, async () => {
    const { filter, boundary, look, said, lost } = start()
    await boundary.follow(POLICY)
    const before = filter.rules
    await look()
    assert.equal(said(), ["boundary.applied"])
    change(filter)
    await look()
    assert.is(filter.rules, before)
    assert.equal(said(), ["boundary.applied", "boundary.lost", "boundary.restored"])
    assert.equal(lost, [false, true, false])
    boundary.stop()
  })

test("[CR 5.1] what cannot be put in force stays lost, is said once, and is tried again", async () => {
  const { filter, boundary, look, said, lost } = start()
  filter.failing = 3
  await boundary.follow(POLICY)
  assert.is(boundary.status.packetFilter, "LOST")
  assert.match(boundary.status.fault!, "ERR_PACKET_FILTER")
  await look()
  await look()
  assert.equal(lost, [false, true])
  await look()
  assert.equal(lost, [false, true, false])
  assert.equal(said(), ["boundary.lost", "boundary.restored"])
  assert.match(filter.rules!, "8883")
  boundary.stop()
})

test("[CR 5.1] a filter that cannot be read is taken for lost", async () => {
  const { filter, boundary, look, lost } = start()
  await boundary.follow(POLICY)
  filter.blind = true
  await look()
  assert.equal(lost, [false, true])
  filter.blind = false
  await look()
  assert.equal(lost, [false, true, false])
  boundary.stop()
})

test("[NDR 5.2] forwarding that somebody switches on is an alarm and is switched off; the rules stand, so flows go on", async () => {
  const { filter, boundary, look, events, lost } = start()
  filter.forwarding.add("net.ipv6.conf.all.forwarding")
  await boundary.follow(POLICY)
  filter.forwarding.add("net.ipv4.ip_forward")
  await look()
  assert.equal([...filter.forwarding], [])
  assert.equal(
    events.filter(({ id }) => id === "boundary.forwarding").map(({ reason }) => reason),
    ["net.ipv6.conf.all.forwarding", "net.ipv4.ip_forward"],
  )
  assert.equal(lost, [false])
  filter.stuck.add("net.ipv4.ip_forward")
  filter.forwarding.add("net.ipv4.ip_forward")
  await look()
  assert.equal(lost, [false, true])
  boundary.stop()
})

test("[CR 5.1] a board file that no ruleset can be made of is lost, not open", async () => {
  const listen = { address: "192.0.2.17", port: 0 }
  const { filter, boundary, lost } = start("apply", { ...ENDS, conduits: { field: { listen, upstream: UPSTREAM } } })
  await boundary.follow(null)
  await boundary.follow(POLICY)
  assert.equal(lost, [false, true])
  assert.match(boundary.status.fault!, "ERR_FIREWALL_PORT")
  assert.not.match(filter.rules!, "dport")
  boundary.stop()
})

test.run()
