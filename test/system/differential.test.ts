/**
 * The same random sessions directly at mosquitto and through a gateway whose policy allows everything: the clients must not
 * be able to tell. What may differ stands in firmware/conduits/mqtt/SEMANTICS.md, "What is rewritten", and is read from there.
 */
import { readFileSync } from "node:fs"
import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { startMosquitto, type Mosquitto } from "../peers/mosquitto.ts"
import { STORM, tellStorm } from "../storm/figures.ts"
import { startRig, type Rig } from "../support/rig.ts"
import { anyScript, runScript, type Ground, type Script, type Transcript } from "../support/session-script.ts"
import type { WireVersion } from "../support/wire-client.ts"

const POLICY = `
lockgate-policy: 1
name: everything
zones:
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
roles:
  anybody: may do everything
subjects:
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, roles: [anybody], client-id: "%u*" }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
rules:
  - { id: all, allow: [publish, subscribe, receive], roles: [anybody], topics: ["#"], qos: 2, retain: true, payload: 256MiB }
  - { id: g, allow: subscribe, roles: [anybody], topics: ["$share/g/#", "$share/h/#"], qos: 2 }
`
const BROKER = ["max_queued_messages 0", "max_topic_alias 10"]
/** Scripts of each version. */
const SCRIPTS = STORM ? 300 : 3
const OUR_MAXIMUM = 16 * 1024 * 1024
const OUR_ALIASES = 32

const test = suite("system/differential")
let rig: Rig
let direct: Mosquitto
let grounds: { readonly direct: Ground; readonly conduit: Ground }
const told = { scripts: 0, connections: 0, packets: 0, differences: 0 }

test.before(async () => {
  const config = ["message_size_limit 0", "max_inflight_messages 100", ...BROKER]
  ;[rig, direct] = await Promise.all([startRig({ policy: POLICY, brokerConfig: BROKER }), startMosquitto({ config })])
  const { cert, key } = rig.tls(rig.peer("d"))
  const tls = { cert: readFileSync(cert), key: readFileSync(key) }
  grounds = {
    direct: { end: { port: direct.port }, logs: () => direct.logs() },
    conduit: { end: { port: rig.port, tls }, logs: () => rig.broker.logs() },
  }
})
test.after(async () => {
  tellStorm("random cases", "MQTT sessions directly and through the gateway", told)
  await Promise.all([rig.stop(), direct.stop()])
})

/** What the named rewrites make of a packet for the client: field by the name it has in SEMANTICS.md. */
const REWRITES: Readonly<Record<string, (properties: Record<string, unknown>) => void>> = {
  "Maximum Packet Size": (p) =>
    (p["maximumPacketSize"] = Math.min((p["maximumPacketSize"] as number | undefined) ?? Infinity, OUR_MAXIMUM)),
  "Topic Alias Maximum": (p) => {
    if (p["topicAliasMaximum"] !== undefined)
      p["topicAliasMaximum"] = Math.min(p["topicAliasMaximum"] as number, OUR_ALIASES)
  },
  "Assigned Client Identifier": (p) => {
    if (p["assignedClientIdentifier"] !== undefined) p["assignedClientIdentifier"] = "assigned"
  },
  // Parsed properties have no order between different ones.
  "order of properties": () => undefined,
}

const page = readFileSync(new URL("../../firmware/conduits/mqtt/SEMANTICS.md", import.meta.url), "utf8")
const NAMED = [...page.matchAll(/^\| CONNACK 5 \| ([^|]+) \|/gm)].map((match) => match[1]!.trim())

test("the list of rewrites in SEMANTICS.md is what the comparison forgives, and all of it", () => {
  assert.equal(NAMED.toSorted(), Object.keys(REWRITES).toSorted())
})

/** Seconds of an expiry that may go by while a message waits. */
const WAITED_S = 30

const FLOWS = ["puback", "pubrec", "pubrel", "pubcomp", "unsuback"]

/**
 * Messages of QoS 0 behind the others, and acknowledgements by kind behind all else: how far a flow has come when the next
 * message is sent is a matter of who is quicker, directly as through the gateway. MQTT orders the messages of one QoS and
 * no others (section 4.6): one of QoS 0 overtakes those that wait for Receive Maximum, or does not, and so does an UNSUBACK.
 */
function byKind(packets: readonly any[]): any[] {
  const kindOf = ({ cmd, qos }: any): string =>
    cmd === "publish" && qos === 0 ? "qos 0" : FLOWS.includes(cmd) ? cmd : ""
  const kinds = ["", "qos 0", ...FLOWS]
  return kinds.flatMap((kind) => packets.filter((packet) => kindOf(packet) === kind))
}

/** A line for each packet. */
function forgiven(transcript: Transcript, rewrite: boolean): string[] {
  return transcript.flatMap(({ connection, packets }) =>
    byKind(packets).map((packet) => {
      if (packet.properties === undefined) return `${connection} ${JSON.stringify(packet)}`
      const properties: Record<string, unknown> = { ...packet.properties }
      if (packet.cmd === "connack" && packet.reasonCode === 0) {
        if (rewrite) for (const name of NAMED) REWRITES[name]?.(properties)
        else REWRITES["Assigned Client Identifier"]?.(properties)
      }
      // The broker counts down while a message waits: that is its clock, not ours.
      const expiry = properties["messageExpiryInterval"] as number | undefined
      if (expiry !== undefined && expiry > 3600 - WAITED_S) properties["messageExpiryInterval"] = 3600
      const sorted = Object.fromEntries(Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1)))
      return `${connection} ${JSON.stringify({ ...packet, properties: sorted })}`
    }),
  )
}

async function alike(script: Script, version: WireVersion): Promise<void> {
  const name = String(told.scripts++)
  const [plain, through] = await Promise.all([
    runScript(script, version, grounds.direct, name),
    runScript(script, version, grounds.conduit, name),
  ])
  told.connections += plain.length
  told.packets += plain.reduce((sum, { packets }) => sum + packets.length, 0)
  const [expected, got] = [forgiven(plain, true), forgiven(through, false)]
  const at = expected.findIndex((line, i) => line !== got[i])
  if (at < 0 && got.length === expected.length) return
  told.differences++
  assert.unreachable(`line ${at}: directly\n${expected[at]}\nthrough the gateway\n${got[at]}`)
}

for (const version of [4, 5] as const) {
  test(`[NDR 5.2] a client cannot tell the gateway from the broker where everything is allowed: MQTT ${version}`, async () => {
    const found = await fc.check(
      fc.asyncProperty(anyScript, (script) => alike(script, version)),
      {
        numRuns: SCRIPTS,
        endOnFailure: true,
        ...(STORM ? { interruptAfterTimeLimit: 900_000 } : { seed: 2000 + version }),
      },
    )
    // The script itself is long: it is found again by seed and path.
    if (found.failed) {
      const { seed, counterexamplePath, errorInstance } = found
      assert.unreachable(`seed ${seed}, path ${counterexamplePath}: ${String(errorInstance).slice(0, 3000)}`)
    }
    assert.ok(told.packets > 50, `${told.packets} packets were compared`)
  })
}

test.run()
