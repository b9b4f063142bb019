/**
 * The composition root: builds every object of a gateway on one board and hands each what it needs, in start order.
 *
 *     outputs safe -> time and log -> packet filter -> supervisor -> serial lines -> conduit engine -> inputs -> policy
 *     -> management -> publisher
 *
 * Stopping runs it backwards. Nothing here decides: facts go from ports to `policy/`, decisions come back.
 */
import { createHash, randomBytes } from "node:crypto"
import type { Board } from "../hal/board.ts"
import type { CommandPort } from "../policy/command/port.ts"
import type { Inputs } from "../policy/filter/inputs.ts"
import type { Policy } from "../policy/language/policy.ts"
import { auditStorageOf } from "../policy/language/audit-shape.ts"
import { peopleRulesOf } from "../policy/people/rules.ts"
import type { Condition } from "../policy/posture.ts"
import type { AuditLog } from "./audit/log.ts"
import { openRetention } from "./audit/retention.ts"
import { createBoundary } from "./boundary/keeper.ts"
import type { FailedConduits } from "./boundary/failed-conduits.ts"
import { watchRadios } from "./boundary/radios.ts"
import { createCommandDoor } from "./command-door.ts"
import { startConduits } from "./running-conduits.ts"
import { startLog } from "./running-log.ts"
import { openHeld } from "./held-conduits.ts"
import { createSupervision } from "./supervision.ts"
import type { EnginePort } from "./conduits/engine-port.ts"
import type { HeldSubject, Listening } from "./conduits/messages.ts"
import { createPolicyActivation } from "./bundles/activation.ts"
import { createCompiler } from "./bundles/compile-port.ts"
import { createIncoming } from "./bundles/incoming.ts"
import { createBundleVerifier } from "./bundles/verify.ts"
import { endsOf } from "./config/ends.ts"
import { checkAgainstPolicy, describeFit } from "./config/fit.ts"
import type { GatewayConfig } from "./config/gateway-config.ts"
import { orderedByInputs } from "./gpio/island-order.ts"
import { gpioWhenNeeded, NO_OUTPUTS } from "./gpio/late.ts"
import { openIsland } from "./management/island.ts"
import { refuseInspector } from "./inspector.ts"
import { refuseKeyLog } from "./tls/key-log.ts"
import { linesSocket } from "./lines/socket-path.ts"
import { createLocalSocket } from "./management/local-socket.ts"
import type { StatusReport } from "./management/status-report.ts"
import { readText } from "./material.ts"
import { openAccounts } from "./people/accounts.ts"
import { openSigningIn } from "./people/at-the-door.ts"
import { createSignedDoor } from "./people/signed-door.ts"
import { createApprovals } from "./people/approvals.ts"
import { createGatekeeper } from "./people/gatekeeper.ts"
import { createPostureKeeper } from "./posture-keeper.ts"
import { recordingWhenNeeded } from "./recording/late.ts"
import { ROOMS } from "./rooms.ts"
import { createSpoolAnswers } from "./spool/answers.ts"
import { spoolWhenNeeded } from "./spool/late.ts"
import { startPublishing } from "./publishing.ts"
import { startWitnessing, type Witnessing } from "./witnessing.ts"
import { openTrust } from "./trust/keeper.ts"
import { newestEntry } from "./time/own-log.ts"
import { createSignedTimes } from "./time/signed-time.ts"
import { createTimeVerifier } from "./time/statement.ts"
import { VERSION } from "./version.ts"

/** What differs between a gateway in the field and one under test. */
export interface GatewayOptions {
  /** Let a test block the conduit engine's loop. Never on a board. */
  readonly allowStall?: boolean
  readonly watchdogMs?: number
  readonly loopDeadlineMs?: number
}

/** A running gateway. */
export interface Gateway {
  /** The one door for every change. */
  readonly commands: CommandPort
  readonly listening: readonly Listening[]
  readonly log: AuditLog
  readonly engine: EnginePort
  status(): StatusReport
  /** Stop in order: peers are told, what is in hand is logged, files are closed. */
  stop(): Promise<void>
}

/**
 * Build and start a gateway; resolves when everything that policy allows is open.
 *
 * @throws LockgateError when the board file's material cannot be used, or the board cannot be; nothing stays open then
 */
export async function startGateway(
  board: Board,
  config: GatewayConfig,
  options: GatewayOptions = {},
): Promise<Gateway> {
  const runtime = { execArgv: process.execArgv, nodeOptions: process.env["NODE_OPTIONS"] }
  refuseKeyLog(runtime)
  if (config.inspector === "refuse") refuseInspector(runtime)
  const closers: (() => void | Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close()
  }
  try {
    return await build(board, config, options, closers, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function build(
  board: Board,
  config: GatewayConfig,
  options: GatewayOptions,
  closers: (() => void | Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Gateway> {
  const { clock, storage } = board
  const startedAt = clock.wall().at

  // Before anything else the outputs are safe, whatever ended the gateway before.
  const { outputs: named } = config.gpio
  const outputs = named.length === 0 ? NO_OUTPUTS : await (await ROOMS.outputs()).holdOutputs(board.gpio, named)
  closers.push(() => outputs.release())

  // Time and log: from here on everything that happens is written down.
  const { time, bootId, log, audit, note, requests, alarms } = await startLog(board, config, closers)
  // Nothing goes beside the conduits, from before the first of them listens.
  const { packetFilter, interfaces } = board
  const boundary = createBoundary({
    mode: config.packetFilter,
    filter: packetFilter,
    clock,
    ends: endsOf(config),
    note,
  })
  await boundary.follow(null)
  closers.push(() => boundary.stop())
  const trust = await openTrust({
    config,
    keyStore: board.keyStore,
    storage,
    interval: () => time.interval(),
    note,
    condition: (condition, holds) => void posture.set(condition, holds),
  })

  const supervision = createSupervision({ board, note, ...options })

  // Before the conduits, which ask them; ended after them.
  if (Object.keys(config.lines).length > 0) {
    const linesAt = { socket: linesSocket(config.stateFolder), lines: config.lines, serial: board.serial ?? null }
    const serialLines = await (await ROOMS.lines()).startLines({ ...linesAt, clock, note })
    closers.push(() => serialLines.stop())
  }

  let inForce: Policy | null = null
  let witnessing: Witnessing | null = null

  // What waits on disk for brokers that were lost.
  const buffered = await spoolWhenNeeded(storage, async () => {
    const [{ openSpool }, secret] = await Promise.all([ROOMS.spool(), board.keyStore.secret("spool")])
    return openSpool({ storage, secret, note })
  })
  closers.push(() => buffered.close())
  let tellHeld: (held: readonly HeldSubject[]) => void = () => undefined
  const spool = createSpoolAnswers(buffered, (held) => tellHeld(held))

  // The conduits: closed until they are told a policy.
  let failedConduits: FailedConduits | null = null
  const conduits = await startConduits({
    clock,
    config,
    material: trust.material,
    time,
    note,
    failed: (conduit, fault) => failedConduits?.fail(conduit, fault),
    asked: async (ask) => {
      if (ask.what !== "rights") return spool.answer(ask)
      const { rightsText } = await ROOMS.rights()
      return { kind: "rights", text: inForce === null ? "" : rightsText(inForce, ask.who, ask.denials) }
    },
    alive: () => supervision.engineAlive(),
    allowStall: options.allowStall ?? false,
  })
  const { engine } = conduits
  tellHeld = (held) => engine.setSpooled(held)
  tellHeld(spool.backlog())
  conduits.nowListening(await engine.setTrust(trust.engineTrust()))
  closers.push(() => engine.stop())

  const recordingOf = { storage, clock, engine, interval: () => time.interval(), note, gateway: config.gateway }
  const recording = await recordingWhenNeeded(storage, async () =>
    (await ROOMS.recording()).openRecordingKeeper(recordingOf),
  )
  closers.push(() => recording.close())

  const posture = createPostureKeeper(async (next, before) => {
    conduits.nowListening(await engine.setPosture({ normal: next.normal, essential: next.essential }))
    note({
      id: "gateway.posture",
      outcome: "success",
      source: "gateway",
      reason: next.because.join(" "),
      detail: { normal: next.normal, essential: next.essential, before: `${before.normal} ${before.essential}` },
    })
  })
  boundary.onLost((lost) => void posture.set("boundary-lost", lost))
  log.onState((state) => void posture.set("log-failing", state.condition === "failing"))
  // A log that was cut short or put back is altered state; it goes on, and so do essential flows.
  await posture.set("integrity-failure", log.state.rolledBack)
  const retention = await openRetention({
    log,
    storage,
    clock,
    capacityBytes: config.audit.capacityBytes,
    condition: (condition, holds) => posture.set(condition, holds),
  })
  closers.push(() => retention.stop())
  const island = orderedByInputs(await openIsland({ storage, audit, apply: (on) => posture.set("island", on) }))
  await posture.set("island", island.on)

  // The lines of the board: what its inputs say is known before any conduit opens.
  const gpioOf = {
    gpio: board.gpio,
    clock,
    storage,
    config: config.gpio,
    outputs,
    audit,
    note,
    changed: (inputs: Inputs) => {
      island.inputsChanged(inputs)
      engine.setInputs(inputs)
    },
    shows: () => ({ island: island.on, fault: posture.posture.because.some((condition) => condition !== "island") }),
  }
  const gpio = await gpioWhenNeeded({
    config: config.gpio,
    storage,
    simulated: board.gpio.simulate !== null,
    open: async () => (await ROOMS.gpio()).startGpio(gpioOf),
  })
  closers.push(() => gpio.stop())

  // What keeps conduits closed beside policy and posture: faults of our own, and ways in that nobody has approved.
  const { failures, access, overrides } = await openHeld({ storage, clock, audit, conduits }, closers)
  failedConduits = failures

  // Policy: what is in force, from the store; read and compiled in a thread of its own.
  const compiler = createCompiler({ clock })
  closers.push(() => compiler.stop())
  const policy = createPolicyActivation({
    storage,
    clock,
    interval: () => time.interval(),
    audit,
    gateway: config.gateway,
    threshold: config.trust.policyThreshold,
    verify: createBundleVerifier(trust.material.signers),
    prepare: (source) => compiler.prepare(source),
    apply: async (next) => {
      await retention.policyChanged(next?.policy ?? null)
      await boundary.follow(next?.policy ?? null)
      // Rules that could not be set have closed the posture: the engine knows before it is told what could listen.
      await posture.settled()
      await island.policyChanged(next?.policy.island ?? null)
      conduits.nowListening(
        await engine.setEpoch(
          next === null ? null : { epoch: next.version, policy: next.engine, authorities: trust.material.authorities },
        ),
      )
      inForce = next?.policy ?? null
      recording.policyInForce(next === null ? null : { version: next.version, sha256: sha256(next.statement.policy) })
      overrides.policyChanged(inForce)
      access.policyChanged(inForce)
      alarms.follow(inForce?.alarms ?? null)
      for (const text of inForce === null ? [] : describeFit(checkAgainstPolicy(config, inForce))) {
        note({ id: "policy.unfit", outcome: "failure", source: "gateway", detail: { text } })
      }
    },
    conditionsChanged: (conditions) => {
      const ofPolicy: readonly Condition[] = ["no-policy", "policy-expired", "policy-uncertain", "integrity-failure"]
      const holds = new Set<Condition>(conditions)
      if (log.state.rolledBack || witnessing?.isPutBack === true) holds.add("integrity-failure")
      for (const condition of ofPolicy) void posture.set(condition, holds.has(condition))
    },
  })
  const radios = watchRadios({ interfaces, clock, policy: () => inForce, note })
  closers.push(() => radios.stop())
  await posture.set("clock-lost", !time.bounded)
  await policy.start()
  closers.push(() => policy.stop())
  if (config.policyBundleFile !== null) await policy.installFromFile(await readText(config.policyBundleFile))
  await posture.settled()
  // With the rules of the policy: from here on entries become alarms, those since the last run first.
  alarms.start()

  // Management: the one door for every change, and the log on its way to the operators.
  const publishing = await startPublishing({
    config,
    trust,
    log,
    alarms,
    storage,
    clock,
    report: note,
    interval: () => time.interval(),
    firmware: VERSION,
    policyVersion: () => policy.status().inForce?.version ?? null,
    windowBytes: () => auditStorageOf(inForce).windowBytes,
  })
  closers.push(() => publishing.stop())
  const witnesses = await startWitnessing({
    ...{ config, trust, log, storage, clock, time, retention, report: note, keyStore: board.keyStore },
    putBack: () => void posture.set("integrity-failure", true),
  })
  witnessing = witnesses
  closers.push(() => witnesses.stop())
  trust.onChange(async () => {
    conduits.nowListening(await engine.setTrust(trust.engineTrust()))
    publishing.trustChanged()
    witnesses.trustChanged()
  })
  const status = (): StatusReport => ({
    gateway: config.gateway,
    startedAt,
    posture: posture.posture,
    island: island.on,
    policy: policy.status(),
    boundary: { ...boundary.status, radios: radios.unnamed },
    emergencies: overrides.status(),
    lines: gpio.status(),
    access: access.status(),
    conduits: conduits.status(failures.failed),
    buffered: spool.backlog(),
    alarms: alarms.open,
    time: time.report(),
    audit: {
      ...{ entries: log.size, publishing: publishing.state, kept: publishing.kept },
      ...{ room: retention.status, witnesses: witnesses.status },
    },
  })
  // Who may be somebody here: nobody yet, or people with accounts.
  const peopleOf = {
    ...{ storage, clock, audit, note, keyStore: board.keyStore, gateway: config.gateway },
    interval: () => time.interval(),
    rules: () => peopleRulesOf(inForce),
    random: (bytes: number) => randomBytes(bytes),
  }
  const accounts = await openAccounts({ ...peopleOf, words: [config.gateway] })
  const signingIn = await openSigningIn({ ...peopleOf, accounts })
  closers.push(() => signingIn.stop())
  const gatekeeper = createGatekeeper({ rules: peopleOf.rules, inputs: () => gpio.known })
  const approvals = createApprovals({ ...peopleOf, gatekeeper, accounts })
  closers.push(() => approvals.stop())
  const commands = createCommandDoor({
    config,
    accounts,
    signingIn,
    approvals,
    gatekeeper,
    interval: () => time.interval(),
    audit,
    requests,
    alarms,
    log,
    publishing,
    policy,
    posture,
    island,
    recording,
    overrides,
    lines: gpio,
    conduits,
    spool: buffered,
    status,
    trust,
    signedTimes: createSignedTimes({
      gateway: config.gateway,
      clock,
      time,
      verify: createTimeVerifier(trust.material.timeSigners),
      audit,
      random: () => randomBytes(16).toString("base64url"),
    }),
    clocks: {
      bootId,
      report: () => time.report(),
      rehearseStep: (byMs) => time.rehearseStep(byMs),
      monotonicMs: () => clock.monotonicMs(),
      newestEntry: () => newestEntry(log),
    },
    inForce: () => inForce,
    boundary,
    board,
    auditRoom: retention,
    access,
    failures,
    incoming: createIncoming({ storage, audit }),
    readPolicies: (documents) => compiler.examine(documents),
  })
  // Commands that bear their person's signature, whatever way they come.
  const signed = createSignedDoor({
    ...{ gateway: config.gateway, accounts, commands, clock, audit },
    interval: () => time.interval(),
    random: (bytes) => randomBytes(bytes),
  })
  closers.push(() => signed.stop())
  closers.push(publishing.answerCommands({ door: signed, accounts }))
  const socket = createLocalSocket({
    path: config.management.socket,
    commands,
    clock,
    audit,
    people: signingIn,
    signed,
  })
  await socket.start()
  closers.push(() => socket.stop())

  // Last the watchdog: armed only when everything runs.
  supervision.start(closers, () => {
    engine.ping()
    engine.setTime(time.interval())
    trust.look()
    gpio.refresh()
    void time.refresh().catch(() => undefined)
    void posture.set("clock-lost", !time.bounded)
  })
  return {
    commands,
    get listening() {
      return conduits.listening
    },
    log,
    engine,
    status,
    stop,
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}
