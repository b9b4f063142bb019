import { once } from "node:events"
import { connect, createServer, type TLSSocket } from "node:tls"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { generate, type Packet } from "mqtt-packet"
import { enginePolicyOf } from "../../../firmware/conduits/engine-policy.ts"
import { createEngine, type Engine } from "../../../firmware/conduits/engine.ts"
import type { EngineEpoch, FromEngine, RehearsalResult } from "../../../firmware/conduits/messages.ts"
import { DEFAULT_LIMITS } from "../../../firmware/config/gateway-config.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { ScriptFlowCache } from "../../../policy/filter/cache/script-cache.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import type { Hours, MqttConduit, MqttRule, Policy } from "../../../policy/language/policy.ts"
import type { TimeInterval } from "../../../policy/time/interval.ts"
import { createAuthority, issue } from "../../../provisioning/owner/authority.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"

const test = suite("firmware/conduits/engine")

const SHIFT: Hours = { days: [1, 2, 3, 4, 5], fromMinute: 360, toMinute: 1320, utcOffsetMinutes: 0 }
/** Monday, seconds before the shift begins. */
const at = (seconds: number, uncertainMs = 0): TimeInterval => {
  const moment = Date.UTC(2026, 10, 23, 6) + seconds * 1000
  return { earliestAt: moment - uncertainMs, latestAt: moment + uncertainMs }
}

function epochOf(policy: Policy, number = 1): EngineEpoch {
  // As it arrives in the engine's thread: a copy.
  return { epoch: number, policy: structuredClone(enginePolicyOf(policy, compilePolicy(policy))), authorities: {} }
}

const packet = (of: unknown): Uint8Array => new Uint8Array(generate(of as Packet))
const CONNECT = { cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: "dev", clean: true, keepalive: 0 }
const publish = (topic: string, payload = "x"): unknown => ({
  cmd: "publish",
  topic,
  payload,
  qos: 0,
  retain: false,
  dup: false,
})

/** An engine without conduits on a clock that stands still; `says` is what its live filter makes of a message. */
function still() {
  const clock = new MemoryClock()
  const posted: FromEngine[] = []
  let timers = 0
  const engine = createEngine({
    allowStall: false,
    post: (message) => posted.push(message),
    nowMs: () => clock.monotonicMs(),
    after: (delayMs, action) => {
      timers++
      assert.ok(delayMs >= 0 && delayMs < 2 ** 31, `${delayMs}`)
      return clock.after(delayMs, action)
    },
    soon: (action) => action(),
    wallMs: () => 0,
    randomSuffix: () => "x",
    flows: new ScriptFlowCache({ seed: new Uint32Array(8) }),
    newHash: () => ({ update: () => undefined, digest: () => "" }),
  })
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    clock,
    engine,
    timers: () => timers,
    async start(policy: Policy, time: TimeInterval): Promise<void> {
      engine.handle({ kind: "configure", conduits: [], limits: DEFAULT_LIMITS, time })
      engine.handle({ kind: "epoch", epoch: epochOf(policy), number: 1 })
      await settle()
    },
    async swap(policy: Policy): Promise<void> {
      engine.handle({ kind: "epoch", epoch: epochOf(policy, 2), number: 2 })
      await settle()
    },
    says(topic: string): string {
      const bytes = Buffer.concat([packet(CONNECT), packet(publish(topic))])
      const rehearsal = { conduit: "field", subject: "dev", roles: ["sensor"], bytes }
      engine.handle({ kind: "rehearse", number: 9, rehearsal })
      const last = posted.findLast((message) => message.kind === "rehearsed")
      const result = last?.kind === "rehearsed" ? last.result : null
      return (result as RehearsalResult).denied[0]?.reason ?? "allowed"
    },
  }
}

const gated = makePolicy([
  makeRule({ id: "day", topics: ["day"], hours: SHIFT }),
  makeRule({ id: "fire", topics: ["fire"], emergency: "fire" }),
  makeRule({ id: "night", topics: ["night"] }),
  makeRule({ id: "not-by-day", topics: ["night"], effect: "deny", hours: SHIFT }),
])

test("[CR 2.1] gates are set when a policy comes, by the time that is known then", async () => {
  for (const [time, day, night] of [
    [at(-60), "hours", "allowed"],
    [at(60), "allowed", "deny-rule"],
    [at(0, 5000), "hours", "deny-rule"],
  ] as const) {
    const { start, says } = still()
    await start(gated, time)
    assert.equal([says("day"), says("night"), says("fire")], [day, night, "emergency"])
  }
})

test("[CR 2.1] a border is kept to by the engine's own clock, without a message", async () => {
  const { start, says, clock } = still()
  await start(gated, at(-10))
  clock.advance(9_900)
  assert.equal([says("day"), says("night")], ["hours", "allowed"])
  clock.advance(200)
  assert.equal([says("day"), says("night")], ["allowed", "deny-rule"])
})

test("[CR 2.1] with an uncertain time, allow rules open late and close early, deny rules the other way round", async () => {
  const { start, says, clock } = still()
  await start(gated, at(-10, 5000))
  clock.advance(4_000)
  assert.equal([says("day"), says("night")], ["hours", "allowed"])
  clock.advance(2_000)
  assert.equal([says("day"), says("night")], ["hours", "deny-rule"])
  clock.advance(10_000)
  assert.equal([says("day"), says("night")], ["allowed", "deny-rule"])
})

test("a time message sets the gates at once, and the next border counts from it", async () => {
  const { start, says, clock, engine } = still()
  await start(gated, { earliestAt: 0, latestAt: Infinity })
  assert.equal([says("day"), says("night")], ["hours", "deny-rule"])
  clock.advance(1_000)
  engine.handle({ kind: "time", time: at(-5) })
  assert.equal([says("day"), says("night")], ["hours", "allowed"])
  clock.advance(5_100)
  assert.equal([says("day"), says("night")], ["allowed", "deny-rule"])
})

test("a border that is far away is waited for in steps that a timer takes", async () => {
  const { start, says, clock } = still()
  const yearly = makePolicy([makeRule({ topics: ["day"], hours: { ...SHIFT, days: [7] } })])
  await start(yearly, at(0))
  assert.is(says("day"), "hours")
  for (let hour = 0; hour < 6 * 24 + 1; hour++) clock.advance(3_600_000)
  assert.is(says("day"), "allowed")
})

test("[CR 2.1] emergencies are those that the last message names, also under a new policy", async () => {
  const { start, says, engine, swap } = still()
  await start(gated, at(0))
  engine.handle({ kind: "overrides", emergencies: ["leak", "fire"] })
  assert.is(says("fire"), "allowed")
  await swap(makePolicy([...gated.rules, makeRule({ topics: ["more"], emergency: "fire" })]))
  assert.equal([says("fire"), says("more")], ["allowed", "allowed"])
  engine.handle({ kind: "overrides", emergencies: ["leak"] })
  assert.equal([says("fire"), says("more")], ["emergency", "emergency"])
})

test("a policy without hours sets no timer for borders", async () => {
  const { start, timers } = still()
  await start(makePolicy([makeRule({ topics: ["#"] })]), at(0))
  // Two there are: counters once a second, and what connections hold.
  assert.is(timers(), 2)
})

/** An engine with one conduit between a real TLS client and a broker that only says CONNACK. */
async function live(rules: readonly MqttRule[], change: Partial<MqttConduit> = {}, connack = [0x20, 2, 0, 0]) {
  const validity = { notBeforeAt: Date.now() - 3_600_000, notAfterAt: Date.now() + 3_600_000 }
  const authority = await createAuthority({ name: "ca", validity })
  const san = { dns: ["localhost"], ip: ["127.0.0.1"] }
  const server = await issue(authority, { ...validity, subject: { cn: "gateway" }, san, usage: "server" })
  const device = await issue(authority, { ...validity, subject: { cn: "dev" }, san: {}, usage: "client" })
  const arrived: Buffer[] = []
  const broker = createServer({ key: server.key, cert: server.certificate }, (socket) => {
    socket.on("error", () => undefined)
    socket.once("data", () => socket.write(Uint8Array.from(connack)))
    socket.on("data", (chunk: Buffer) => arrived.push(chunk))
  })
  broker.listen(0, "127.0.0.1")
  await once(broker, "listening")
  const events: AuditEvent[] = []
  let opened: (port: number) => void = () => undefined
  const port = new Promise<number>((resolve) => (opened = resolve))
  let ended = (): void => undefined
  const stopped = new Promise<void>((resolve) => (ended = resolve))
  const timers = new Set<NodeJS.Timeout>()
  const engine: Engine = createEngine({
    allowStall: false,
    post: (message) => {
      if (message.kind === "applied" && message.listening[0] !== undefined) opened(message.listening[0].port)
      if (message.kind === "events") events.push(...message.events)
      if (message.kind === "stopped") ended()
    },
    nowMs: () => performance.now(),
    after: (delayMs, action) => {
      const timer = setTimeout(action, delayMs)
      timers.add(timer)
      return () => clearTimeout(timer)
    },
    soon: (action) => setImmediate(action),
    wallMs: () => 0,
    randomSuffix: () => "x",
    flows: new ScriptFlowCache({ seed: new Uint32Array(8) }),
    newHash: () => ({ update: () => undefined, digest: () => "same" }),
  })
  const now = { earliestAt: Date.now() - 1000, latestAt: Date.now() + 1000 }
  const credential = { key: server.key, certificate: server.certificate }
  engine.handle({
    kind: "configure",
    conduits: [
      {
        name: "field",
        listen: { address: "127.0.0.1", port: 0 },
        serverCredential: credential,
        upstream: { host: "127.0.0.1", port: (broker.address() as { port: number }).port, serverName: "localhost" },
        clientCredential: { key: device.key, certificate: device.certificate },
        upstreamAuthority: authority.certificate,
      },
    ],
    limits: DEFAULT_LIMITS,
    time: now,
  })
  let epochs = 0
  const enforce = (changed: Partial<MqttConduit>): void => {
    const policy = makePolicy(rules)
    const conduits = policy.conduits.map((one) => ({ ...one, ...changed }) as MqttConduit)
    const epoch = epochOf({ ...policy, conduits }, ++epochs)
    engine.handle({
      kind: "epoch",
      epoch: { ...epoch, authorities: { "cell-ca": authority.certificate } },
      number: epochs,
    })
  }
  enforce(change)
  const client: TLSSocket = connect({
    host: "127.0.0.1",
    port: await port,
    ca: authority.certificate,
    servername: "localhost",
    key: device.key,
    cert: device.certificate,
  })
  client.on("error", () => undefined)
  await once(client, "secureConnect")
  const until = async (holds: () => boolean, what: string): Promise<void> => {
    const end = performance.now() + 5_000
    while (!holds()) {
      if (performance.now() > end) assert.unreachable(`${what}; ${JSON.stringify(events)}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  return {
    engine,
    client,
    events,
    /** Another policy: the same rules, the conduit changed like this. */
    enforce,
    fingerprint: () => events.find(({ id }) => id === "conduit.connected")?.detail?.["fingerprint"],
    until,
    /** Said to the broker so far. */
    arrived: () => Buffer.concat(arrived).toString("latin1"),
    async stop(): Promise<void> {
      client.destroy()
      engine.handle({ kind: "stop" })
      await stopped
      broker.close()
      for (const timer of timers) clearTimeout(timer)
    },
  }
}

test("[CR 2.1] a live connection feels a gate at its next message, both ways, and nothing is said to it", async () => {
  const own = await live([
    makeRule({ id: "fire", topics: ["valve"], emergency: "fire" }),
    makeRule({ id: "any", topics: ["mark/#"] }),
  ])
  const { client, engine, until, arrived } = own
  const send = (topic: string): void => void client.write(packet(publish(topic)))
  const answers: Buffer[] = []
  client.on("data", (chunk: Buffer) => answers.push(chunk))
  client.write(packet(CONNECT))
  send("valve")
  send("mark/1")
  await until(() => arrived().includes("mark/1"), "the first message")
  assert.not(arrived().includes("valve"))
  engine.handle({ kind: "overrides", emergencies: ["fire"] })
  send("valve")
  await until(() => arrived().includes("valve"), "the message in an emergency")
  engine.handle({ kind: "overrides", emergencies: [] })
  send("valve")
  send("mark/2")
  await until(() => arrived().includes("mark/2"), "the last message")
  assert.is(arrived().split("valve").length, 2)
  assert.equal(Buffer.concat(answers), Buffer.from([0x20, 2, 0, 0]))
  await own.stop()
})

test("[CR 2.1] a will that only an emergency allows is taken back when the emergency ends", async () => {
  const own = await live([makeRule({ id: "fire", topics: ["alarm"], emergency: "fire" })])
  const { client, engine, until, arrived, events } = own
  engine.handle({ kind: "overrides", emergencies: ["fire"] })
  client.write(packet({ ...CONNECT, will: { topic: "alarm", payload: Buffer.from("x"), qos: 0, retain: false } }))
  await until(() => events.some(({ id }) => id === "conduit.connected"), "the connection")
  engine.handle({ kind: "overrides", emergencies: [] })
  await until(() => events.some(({ id }) => id === "conduit.disconnected"), "the end")
  await until(() => arrived().endsWith("\xe0\x00"), "DISCONNECT, so that the broker discards the will")
  await own.stop()
})

test("[CR 2.12 RE(1)] what a rule wants recorded is in the log with the peer's fingerprint; the rest is not", async () => {
  const own = await live([
    makeRule({ id: "set", topics: ["set/+"], record: "each" }),
    makeRule({ id: "same", topics: ["same"], record: "changes" }),
    makeRule({ id: "free", topics: ["free"] }),
  ])
  const { client, until, events } = own
  client.write(
    Buffer.concat([CONNECT, ...["free", "set/1", "set/1", "same", "same"].map((t) => publish(t))].map(packet)),
  )
  const flows = (): AuditEvent[] => events.filter(({ id }) => id === "flow.allowed")
  await until(() => flows().length >= 3 && own.fingerprint() !== undefined, "the entries")
  const fingerprint = own.fingerprint()
  assert.type(fingerprint, "string")
  const entry = (rule: string, object: string, record: string): unknown => ({
    id: "flow.allowed",
    outcome: "success",
    source: "conduit/field",
    subject: "dev",
    conduit: "field",
    object,
    rule,
    detail: { action: "publish", fingerprint, payloadBytes: 1, record },
  })
  assert.equal(flows(), [
    entry("set", "set/1", "each"),
    entry("set", "set/1", "each"),
    entry("same", "same", "changes"),
  ])
  await own.stop()
})

test("[CR 2.1] who authenticated at the broker is withdrawn when the policy takes that back; nobody else is", async () => {
  const METHOD = { authenticationMethod: "PLAIN" }
  const CASES = [
    { says: { properties: METHOD }, connack: [0x20, 11, 0, 0, 8, 0x15, 0, 5, ...Buffer.from("PLAIN")], isCut: true },
    { says: {}, connack: [0x20, 3, 0, 0, 0], isCut: false },
    // In, but without a CONNECT yet: it must not ask under the old policy.
    { says: null, connack: [], isCut: true },
  ]
  for (const { says, connack, isCut } of CASES) {
    const own = await live([makeRule({ topics: ["mark"] })], { enhancedAuth: "pass" }, connack)
    const { client, events, until } = own
    const isOver = (): boolean => events.some(({ reason }) => reason === "withdrawn")
    let seen = 0
    client.on("data", () => seen++)
    if (says !== null) {
      client.write(packet({ ...CONNECT, protocolVersion: 5, ...says }))
      await until(() => seen > 0, "the CONNACK")
    } else await new Promise((resolve) => setTimeout(resolve, 50))
    own.enforce({ enhancedAuth: "pass", upstreamIdentity: "strip" })
    own.enforce({ enhancedAuth: "refuse" })
    client.write(Uint8Array.of(0xc0, 0))
    if (isCut) await until(isOver, `withdrawn: ${JSON.stringify(says)}`)
    else await until(() => own.arrived().endsWith("\xc0\0"), "its next packet")
    assert.is(isOver(), isCut)
    if (says === null) assert.is(own.arrived(), "")
    await own.stop()
  }
})

test.run()
