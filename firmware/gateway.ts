/**
 * The composition root: builds every object of a gateway on one board and hands each what it needs, in start order.
 *
 *     time and log -> supervisor -> conduit engine -> policy -> management -> publisher
 *
 * Stopping runs it backwards. Nothing here decides: facts go from ports to `policy/`, decisions come back.
 */
import { randomUUID } from "node:crypto"
import type { Board } from "../hal/board.ts"
import { LockgateError } from "../policy/base/errors.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import type { CommandPort } from "../policy/command/port.ts"
import { compilePolicy } from "../policy/compile/compile.ts"
import { GATEWAY_POLICY_LIMITS, parsePolicy } from "../policy/language/parse-policy.ts"
import type { Policy } from "../policy/language/policy.ts"
import type { Condition } from "../policy/posture.ts"
import { CONTROLS, PROBES } from "./assess/controls.ts"
import { listeningSockets } from "./assess/open-sockets.ts"
import { assess } from "./assess/run.ts"
import { openAuditLog, type AuditLog } from "./audit/log.ts"
import { createPolicyActivation } from "./bundles/activation.ts"
import { createBundleVerifier } from "./bundles/verify.ts"
import { startEngine, type EnginePort } from "./conduits/engine-port.ts"
import type { ConduitCounters, Listening } from "./conduits/messages.ts"
import type { GatewayConfig } from "./config/gateway-config.ts"
import { createSupervisor, resetEvent } from "./health/supervisor.ts"
import { endpoint, interfaceTable } from "./interfaces.ts"
import { createHandlers } from "./management/handlers.ts"
import { openIsland } from "./management/island.ts"
import { createLocalSocket } from "./management/local-socket.ts"
import { createManagement } from "./management/pipeline.ts"
import type { StatusReport } from "./management/status-report.ts"
import { loadMaterial, readText } from "./material.ts"
import { createPostureKeeper } from "./posture-keeper.ts"
import { startPublishing } from "./publishing.ts"
import { createTimeKeeper } from "./time-keeper.ts"
import { BUILT_AT, VERSION } from "./version.ts"

const TICK_MS = 1_000
const WATCHDOG_MS = 15_000
const LOOP_DEADLINE_MS = 5_000

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

  // Time and log: from here on everything that happens is written down.
  const time = await createTimeKeeper({ clock, storage, builtAt: BUILT_AT })
  const log = await openAuditLog({
    storage,
    clock,
    gateway: config.gateway,
    bootId: randomUUID(),
    interval: () => time.logged(),
  })
  const audit = (event: AuditEvent): Promise<number> => log.append(event)
  /** For what happened anyway: the log counts what it cannot take, and its state closes what must close. */
  const note = (event: AuditEvent): void => void log.append(event).catch(() => undefined)
  closers.push(async () => {
    note({ id: "gateway.stopped", outcome: "success", source: "gateway" })
    await log.close()
  })
  const { identity, watchdog } = board
  note({
    id: "gateway.started",
    outcome: "success",
    source: "gateway",
    detail: { version: VERSION, board: identity.model, serial: identity.serial, reset: watchdog.lastReset },
  })
  const reset = resetEvent(watchdog.lastReset)
  if (reset !== null) note(reset)
  const material = await loadMaterial(config, board.keyStore)

  // The supervisor feeds the watchdog only while every loop is alive.
  const timeoutMs = options.watchdogMs ?? WATCHDOG_MS
  const supervisor = createSupervisor({ watchdog, clock, timeoutMs, report: note })
  const deadlineMs = options.loopDeadlineMs ?? LOOP_DEADLINE_MS
  const mainLoop = supervisor.loop("main", { deadlineMs })
  const engineLoop = supervisor.loop("conduits", { deadlineMs })

  // The conduit engine: closed until it is told a policy.
  let counters: readonly ConduitCounters[] = []
  let listening: readonly Listening[] = []
  const nowListening = (next: readonly Listening[]): void => {
    const opened = next.filter((l) => !listening.some((o) => o.conduit === l.conduit && o.port === l.port))
    const closed = listening.filter((l) => !next.some((n) => n.conduit === l.conduit))
    listening = next
    for (const { conduit, address, port } of opened) {
      note({
        id: "conduit.listening",
        outcome: "success",
        source: "conduits",
        conduit,
        object: endpoint(address, port),
      })
    }
    for (const { conduit } of closed) note({ id: "conduit.closed", outcome: "success", source: "conduits", conduit })
  }
  const engine = await startEngine(
    {
      clock,
      conduits: material.conduits,
      limits: config.limits,
      time: time.interval(),
      allowStall: options.allowStall ?? false,
    },
    {
      events: (events) => events.forEach(note),
      counters: (next) => (counters = next),
      listening: (next) => nowListening(next),
      certificateSeen: (notBeforeAt) => time.certificateSeen(notBeforeAt),
      alive: () => engineLoop.beat(),
      fault: (conduit, code, message) =>
        note({
          id: "conduit.closed",
          outcome: "failure",
          source: `conduit/${conduit ?? "*"}`,
          ...(conduit === null ? {} : { conduit }),
          reason: code,
          detail: { text: message.slice(0, 200) },
        }),
      died: (reason) => {
        note({
          id: "conduit.closed",
          outcome: "failure",
          source: "conduit/*",
          reason: "engine-died",
          detail: { text: reason.slice(0, 200) },
        })
        counters = []
        nowListening([])
      },
    },
  )
  closers.push(() => engine.stop())

  const posture = createPostureKeeper(async (next, before) => {
    nowListening(await engine.setPosture({ normal: next.normal, essential: next.essential }))
    note({
      id: "gateway.posture",
      outcome: "success",
      source: "gateway",
      reason: next.because.join(" "),
      detail: { normal: next.normal, essential: next.essential, before: `${before.normal} ${before.essential}` },
    })
  })
  log.onState((state) => void posture.set("log-failing", state.condition === "failing"))

  // Policy: what is in force, from the store.
  let inForce: Policy | null = null
  const policy = createPolicyActivation({
    storage,
    clock,
    interval: () => time.interval(),
    audit,
    gateway: config.gateway,
    threshold: config.trust.policyThreshold,
    verify: createBundleVerifier(material.signers),
    parsePolicy: (text, file) => parsePolicy(text, file, GATEWAY_POLICY_LIMITS),
    compile: compilePolicy,
    apply: async (next) => {
      nowListening(
        await engine.setEpoch(
          next === null
            ? null
            : { epoch: next.version, policy: next.policy, compiled: next.compiled, authorities: material.authorities },
        ),
      )
      inForce = next?.policy ?? null
    },
    conditionsChanged: (conditions) => {
      const ofPolicy: readonly Condition[] = ["no-policy", "policy-expired", "policy-uncertain", "integrity-failure"]
      for (const condition of ofPolicy)
        void posture.set(condition, (conditions as ReadonlySet<Condition>).has(condition))
    },
  })
  const island = await openIsland({ storage, audit, apply: (on) => posture.set("island", on) })
  await posture.set("island", island.on)
  await posture.set("clock-lost", !time.bounded)
  await policy.start()
  closers.push(() => policy.stop())
  if (config.policyBundleFile !== null) await policy.installFromFile(await readText(config.policyBundleFile))
  /** A change of policy may lift a condition or set one: it is done when the conduits have followed that, too. */
  const followed = async <T>(change: Promise<T>): Promise<T> => {
    const result = await change
    await posture.settled()
    return result
  }
  await posture.settled()

  // Management: the one door for every change.
  const publishing = startPublishing({
    config,
    material,
    log,
    storage,
    clock,
    report: note,
    interval: () => time.interval(),
  })
  const status = (): StatusReport => ({
    gateway: config.gateway,
    startedAt,
    posture: posture.posture,
    island: island.on,
    policy: policy.status(),
    conduits: Object.keys(config.conduits).map((name) => conduitStatus(name, listening, counters)),
    audit: { entries: log.size, publishing: publishing.state },
  })
  const commands: CommandPort = createManagement({
    audit,
    handlers: createHandlers({
      policy: {
        ...policy,
        activate: (...given) => followed(policy.activate(...given)),
        confirm: (...given) => followed(policy.confirm(...given)),
        rollback: (...given) => followed(policy.rollback(...given)),
      },
      island,
      status,
      trialSeconds: config.trialSeconds,
      assess: async () => {
        const rows = await assess(CONTROLS, PROBES, {
          policy: () => inForce,
          trialRunning: () => policy.status().trial !== null,
          islandOn: () => island.on,
          essentialOnly: () => posture.posture.normal === "closed",
          listening: () => listening,
          rehearse: (rehearsal) => engine.rehearse(rehearsal),
          commands,
          commandSocket: config.management.socket,
          interfaces: interfaceTable(config),
          openSockets: listeningSockets,
          ownCertificates: material.ownCertificates,
        })
        const count = (result: string): number => rows.filter((row) => row.result === result).length
        note({
          id: "assess.run",
          outcome: count("not met") === 0 ? "success" : "failure",
          source: "assess",
          detail: { met: count("met"), notMet: count("not met"), notTested: count("not tested") },
        })
        return rows
      },
    }),
  })
  const socket = createLocalSocket({ path: config.management.socket, commands, clock, audit })
  await socket.start()
  closers.push(() => socket.stop())
  closers.push(() => publishing.stop())

  // Last the heartbeat: armed only when everything runs.
  const supervising = new AbortController()
  const supervised = supervisor.start(supervising.signal).catch((error: unknown) => {
    // A board whose watchdog cannot be armed still serves its plant; the log says that nobody watches.
    if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
    note({
      id: "gateway.loop-stalled",
      outcome: "failure",
      source: "health",
      object: "watchdog",
      reason: String(error.code),
    })
  })
  closers.push(() => {
    supervising.abort()
    return supervised
  })
  closers.push(
    every(clock, TICK_MS, () => {
      mainLoop.beat()
      engine.ping()
      engine.setTime(time.interval())
      void time.refresh().catch(() => undefined)
      void posture.set("clock-lost", !time.bounded)
    }),
  )
  return {
    commands,
    get listening() {
      return listening
    },
    log,
    engine,
    status,
    stop,
  }
}

function conduitStatus(
  name: string,
  listening: readonly Listening[],
  counters: readonly ConduitCounters[],
): StatusReport["conduits"][number] {
  const at = listening.find((l) => l.conduit === name)
  const own = counters.find((c) => c.conduit === name) ?? null
  return {
    name,
    listening: at === undefined ? null : endpoint(at.address, at.port),
    connections: own?.connections ?? 0,
    allowed: (own?.allowedUp ?? 0) + (own?.allowedDown ?? 0),
    denied: (own?.deniedUp ?? 0) + (own?.deniedDown ?? 0),
    counters: own,
  }
}

/** Run `action` now and then every `ms`; the returned function ends that. */
function every(clock: Board["clock"], ms: number, action: () => void): () => void {
  let cancel = (): void => undefined
  const tick = (): void => {
    cancel = clock.after(ms, tick)
    action()
  }
  tick()
  return () => cancel()
}
