import { suite } from "uvu"
import * as assert from "uvu/assert"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { POLICY, startRig, type Rig } from "../support/rig.ts"
import { attacked, attackStorm } from "../storm/attack.storm.ts"
import { STORM, tellStorm } from "../storm/figures.ts"

const test = suite("system/attack")

const ESSENTIAL = POLICY.replace(
  "  - { id: no-secrets",
  '  - { id: vital, allow: publish, roles: [pump], topics: ["vital/%u"], qos: 1, essential: true }\n  - { id: no-secrets',
)
const MAX = 3

let rig: Rig
test.before(async () => {
  // The short form is over before the budgets of a real gateway are used up.
  const small = "limits: { handshakes: 20/s burst 40, source-handshakes: 10/s burst 20, max-half-open: 16 }"
  rig = await startRig({ policy: ESSENTIAL, ...(STORM ? {} : { board: small }) })
})
test.after(() => rig.stop())

test("[CR 7.1] [CR 7.1 RE(1)] [CR 7.2] under an attack mix honest messages all arrive, and connections and memory stay bounded", async () => {
  const figures = await attackStorm(rig, STORM ? 60 : 3, STORM ? 20 : 5)
  tellStorm("attack mix", "full speed, honest clients beside", figures)
  const { lost, cut, mostSockets, mostMemoryMib, attacks } = figures
  assert.equal([lost, cut], [0, 0], JSON.stringify(figures))
  assert.ok(attacks > 200, `${attacks}`)
  assert.ok(mostSockets < 600 && mostMemoryMib < 1_024, JSON.stringify(figures))
  const entries = await rig.audit()
  const refused = entries.filter((e) => e.event === "conduit.peer-refused")
  const turned = refused.filter((e) => (e.reason ?? "").startsWith("too-many-"))
  assert.ok(turned.length > 0, "refusals are in the log")
  // Every refusal is in a count; at most 65 entries an interval of a second or more.
  assert.ok(refused.length <= 65 * ((STORM ? 60 : 3) + 10), `${refused.length}`)
})

test("[CR 7.1] [CR 7.1 RE(1)] a peer that pings without pause is read no faster than its budget lets it, and coming back does not help", async () => {
  // A gateway of its own: whoever is shed within one second is one entry, under the name of the first.
  const own = await startRig({ policy: ESSENTIAL })
  try {
    const { cert, key } = own.tls(own.peer("pinger"))
    const honest = await mqttPeer(own, { name: "beside" })
    const done = attacked({
      kind: "slow-reader",
      port: own.port,
      seconds: 1,
      sockets: 2,
      tls: { cert, key },
      clientId: "pinger",
    })
    let sent = 0
    for (const end = performance.now() + 1_000; performance.now() < end; sent++) {
      assert.is(await honest.publish("plant/beside/x", `${sent}`), 0)
    }
    const came = await done
    assert.ok(came <= 12, `${came} connections, not one after the other`)
    const entry = await own.entry((e) => e.event === "conduit.load-shed" && e.subject === "pinger")
    assert.is(entry.reason, "pace")
    assert.ok(sent > 20, `${sent}`)
    await honest.end(true)
  } finally {
    await own.stop()
  }
})

test("[CR 7.1] a full conduit: an essential peer takes the place of another one, anybody else is refused", async () => {
  const full = await startRig({ policy: ESSENTIAL, board: `limits: { max-connections: ${MAX} }` })
  try {
    const sensors = await Promise.all(Array.from({ length: MAX }, (_, k) => mqttPeer(full, { name: `s${k}` })))
    await mqttPeer(full, { name: "late" }).then(
      () => assert.unreachable("it is full"),
      () => undefined,
    )
    const pump = await mqttPeer(full, { name: "p1", kind: "pump" })
    assert.is(await pump.publish("vital/p1", "runs"), 0)
    assert.is(sensors.filter((peer) => peer.closed > 0).length, 1)
    const entry = await full.entry((e) => e.event === "conduit.load-shed")
    assert.equal([entry.reason, entry.detail?.["essential"]], ["displaced", false])
    await full.entry((e) => e.event === "conduit.peer-refused" && e.reason === "too-many-connections")
    await Promise.all([pump, ...sensors].map((peer) => peer.end(true)))
  } finally {
    await full.stop()
  }
})

test.run()
