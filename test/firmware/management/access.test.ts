import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openAccess, waysIn } from "../../../firmware/management/access.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { MemoryLog } from "../../support/commands.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/management/access")
const MINUTE = 60_000

const text = (conduits: string, rule = "conduits: [remote], essential: false"): string => `
lockgate-policy: 1
name: x
zones: { plant: { level: 2 }, office: { level: 1 }, outside: { level: 0, kind: untrusted } }
roles: { vendor: maintains }
subjects: [{ zone: outside, match: { cn: "{name}" }, roles: [vendor] }]
conduits: { ${conduits} }
rules: [{ id: r, allow: publish, roles: [vendor], topics: ["a"], ${rule} }]
`
const REMOTE = "remote: { from: outside, to: plant, protocol: mqtt }"
const read = (conduits: string, rule?: string) => parsePolicy(text(conduits, rule), "p.yaml")
function policyOf(conduits: string): Policy {
  const parsed = read(conduits)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults))
  return parsed.value
}

async function open(
  storage = new MemoryStorage(),
  policy = policyOf(`${REMOTE}, other: { from: office, to: plant, protocol: mqtt }`),
) {
  const clock = new MemoryClock()
  const log = new MemoryLog()
  const applied: (readonly string[])[] = []
  const access = await openAccess({ storage, clock, audit: log.audit, apply: (names) => applied.push(names) })
  access.policyChanged(policy)
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    storage,
    clock,
    log,
    applied,
    access,
    settle,
    said: () => log.events.map(({ id, object, subject, reason }) => [id, object, subject, reason ?? null]),
  }
}

test("[NDR 1.13 RE(1)] what comes in from an untrusted zone waits for approval unless the policy says otherwise", () => {
  const access = (conduits: string): string[] => policyOf(conduits).conduits.map((one) => `${one.name} ${one.access}`)
  const base = (more: string): string => `remote: { from: outside, to: plant, protocol: mqtt${more} }`
  assert.equal(access(base("")), ["remote approved"])
  assert.equal(access(base(", direction: out")), ["remote approved"])
  assert.equal(access(base(", access: always")), ["remote always"])
  assert.equal(access("remote: { from: plant, to: outside, protocol: mqtt, direction: out }"), ["remote always"])
  assert.equal(access("remote: { from: plant, to: outside, protocol: mqtt }"), ["remote approved"])
  assert.equal(access("remote: { from: office, to: plant, protocol: mqtt }"), ["remote always"])
  assert.equal(access("remote: { from: office, to: plant, protocol: mqtt, access: approved }"), ["remote approved"])
})

test("[NDR 1.13] a rule that is essential cannot name a way in that waits for a person", () => {
  const fault = read(REMOTE, "conduits: [remote], essential: true")
  assert.ok(!fault.ok && fault.faults[0]?.path === "rules[0].conduits[0]" && /approval/.test(fault.faults[0].message), JSON.stringify(fault)) // prettier-ignore
  assert.ok(read(REMOTE.replace("mqtt", "mqtt, access: always"), "conduits: [remote], essential: true").ok)
  assert.ok(read(`${REMOTE}, other: { from: office, to: plant, protocol: mqtt }`, "essential: true").ok)
})

test("[NDR 1.13] every way in is listed, and nothing else", () => {
  const ways = waysIn(policyOf(`${REMOTE}, up: { from: plant, to: outside, protocol: mqtt, direction: out }, other: { from: office, to: plant, protocol: mqtt }`)) // prettier-ignore
  assert.equal(ways, [
    { conduit: "remote", access: "approved", zone: "outside" },
    { conduit: "up", access: "always", zone: "outside" },
  ])
})

test("[NDR 1.13 RE(1)] approved by somebody, for a time, with a reason; it ends by itself, and the log says so", async () => {
  const { access, clock, applied, said, settle } = await open()
  assert.equal(access.status(), [{ conduit: "remote", access: "approved", zone: "outside", on: null }])
  assert.is(await access.grant("remote", 30, "pump repair", "anna"), null)
  assert.equal(access.status()[0]?.on, { remainingSeconds: 1800, by: "anna", reason: "pump repair" })
  clock.advance(30 * MINUTE)
  await settle()
  assert.equal(applied, [["remote"], []])
  assert.equal(said(), [
    ["access.granted", "remote", "anna", null],
    ["access.ended", "remote", "anna", "expired"],
  ])
})

test("[NDR 1.13 RE(1)] what waits for nobody cannot be approved, and nothing without a reason", async () => {
  const { access, applied } = await open()
  await rejects(() => access.grant("other", 30, "why", "anna"), "ERR_ACCESS_UNKNOWN")
  await rejects(() => access.grant("remote", 30, "  ", "anna"), "ERR_ACCESS_REASON")
  assert.equal(applied, [])
})

test("[NDR 1.13] one command ends all; a policy without the conduit and a restart end it, too", async () => {
  const first = await open()
  await first.access.grant("remote", 30, "x", "anna")
  assert.equal(await first.access.endAll("bert"), ["remote"])
  assert.equal(first.applied.at(-1), [])
  assert.equal(first.said().at(-1), ["access.ended", "remote", "bert", "command"])
  await first.access.grant("remote", 30, "x", "anna")
  first.access.policyChanged(null)
  await first.settle()
  assert.equal([first.applied.at(-1), first.said().at(-1)?.[3]], [[], "policy"])
  first.access.policyChanged(policyOf(REMOTE))
  await first.access.grant("remote", 30, "x", "anna")
  await first.settle()
  const next = await open(first.storage)
  assert.equal(next.said(), [["access.ended", "remote", null, "restart"]])
  assert.is(next.access.status()[0]?.on, null)
})

test.run()
