/**
 * The conduit engine: all listeners of the gateway, driven by messages alone (`messages.ts`).
 *
 * It runs in a worker thread (`engine-worker.ts`). It decides nothing by itself: policy, posture and time are told to
 * it, everything it sees is reported back.
 */
import { InvariantError } from "../../policy/base/errors.ts"
import { createDenialAggregator } from "../../policy/audit/aggregate.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { FlowCache } from "../../policy/filter/cache/flow.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import { createBuckets } from "../../policy/filter/decide.ts"
import type { ModbusTable } from "../../policy/filter/modbus/table.ts"
import type { FilterTable } from "../../policy/filter/table.ts"
import { setGates } from "../../policy/filter/gates.ts"
import { NO_INPUTS, type Inputs } from "../../policy/filter/inputs.ts"
import { advance } from "../../policy/time/advance.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Limits } from "../config/gateway-config.ts"
import { createFactsCache } from "../tls/certificate-facts.ts"
import { factsFromPem } from "../tls/pem.ts"
import { canMakeCode } from "../code-from-text.ts"
import { BucketStore, type RateMemory } from "./bucket-store.ts"
import { createReadPools } from "./read-pools.ts"
import { snapshot } from "./counters.ts"
import type { EngineContext } from "./engine-context.ts"
import { FlowRecorder } from "./flow-recorder.ts"
import { NOT_HELD, prepareInForce, type InForce } from "./in-force.ts"
import { createListener, type ConduitListener } from "./listener.ts"
import type {
  EngineEpoch,
  FlowPosture,
  FromEngine,
  GatewayAnswer,
  Held,
  Listening,
  RightsAsk,
  SpoolAsk,
  ToEngine,
} from "./messages.ts"
import { SpoolDesk } from "./mqtt/spool-desk.ts"
import { TrustInForce } from "./trust-in-force.ts"
import { TrafficRecording } from "./traffic-tap.ts"
import type { createModbusProtocol } from "./modbus/protocol.ts"
import type { ModbusUpstream } from "./modbus/upstream.ts"
import type { Hash } from "./mqtt/recording.ts"
import { createLoadMemory, limitsOfOne, LoadControl } from "./load/load-control.ts"
import { rehearseLoad } from "./load/rehearse-load.ts"
import { startLoadWatch, type LoadWatch } from "./load/load-watch.ts"
import { rehearse } from "./mqtt/rehearse.ts"

const REPORT_INTERVAL_MS = 1_000
/** A timer takes no longer wait than some 24 days. */
const LONGEST_WAIT_MS = 3_600_000
/** Longest slice of a sweep over connections: a swap of policy must not hold up traffic. */
const SWEEP_SLICE_MS = 2

/** What the engine is given by the thread that runs it. */
export interface EngineDeps {
  readonly allowStall: boolean
  readonly post: (message: FromEngine) => void
  readonly nowMs: () => number
  readonly after: (delayMs: number, action: () => void) => () => void
  /** Call after the current input was handled. */
  readonly soon: (action: () => void) => void
  readonly randomSuffix: () => string
  /** The wall clock, Unix milliseconds: what a stored message is stamped with. */
  readonly wallMs: () => number
  /** One a thread: its seed is secret. */
  readonly flows: FlowCache
  /** Memory in which `flows` looks at packets, for chunks to be received there. */
  readonly landing?: Uint8Array<ArrayBuffer>
  readonly newHash: () => Hash
  /** As in `EngineContext`. */
  readonly openLine?: (line: string) => ModbusUpstream
  /** As in `EngineContext`. */
  readonly modbus?: typeof createModbusProtocol
}

/** The conduit engine: messages in, messages out through `EngineDeps.post`. */
export interface Engine {
  handle(message: ToEngine): void
}

/** An engine without conduits; the first message it needs is `configure`. */
export function createEngine(deps: EngineDeps): Engine {
  const listeners = new Map<string, ConduitListener>()
  const aggregator = createDenialAggregator()
  const recorder = new FlowRecorder((event) => report(event))
  const buckets = new BucketStore<FilterTable>(createBuckets)
  const modbusBuckets = new BucketStore<ModbusTable>(createBuckets)
  const recording = new TrafficRecording(deps.nowMs)
  const trust = new TrustInForce()
  const asked = new Map<number, (answer: GatewayAnswer) => void>()
  // A thread that replaces another must not take an answer to that one for its own.
  let tickets = parseInt(deps.randomSuffix().slice(0, 10), 16) || 0
  const askGateway = (ask: SpoolAsk | RightsAsk, answered: (answer: GatewayAnswer) => void): void => {
    asked.set(++tickets, answered)
    deps.post({ kind: "asked", ticket: tickets, ask })
  }
  const spool = new SpoolDesk({
    ask: askGateway,
    flows: deps.flows,
    nowMs: deps.nowMs,
    wallMs: deps.wallMs,
    random: () => parseInt(deps.randomSuffix().slice(0, 6), 16) / 0x1000000,
    after: deps.after,
  })
  const readBuffers = createReadPools(deps.landing ?? null)
  const anchors = new Map<string, readonly CertificateFacts[]>()
  let epoch: EngineEpoch | null = null
  let posture: FlowPosture = { normal: "open", essential: "open" }
  let inForce: InForce | null = null
  let held: Held = NOT_HELD
  let generation = 0
  let time: TimeInterval = { earliestAt: 0, latestAt: Infinity }
  let timeToldMs = deps.nowMs()
  let emergencies: ReadonlySet<string> = new Set()
  let inputs: Inputs = NO_INPUTS
  let cancelBorder = (): void => undefined
  let outbox: AuditEvent[] = []
  let load: LoadControl | null = null
  let worker = 0
  let rates: RateMemory | null = null
  let watch: LoadWatch | null = null
  let limits: Limits | null = null
  let stopping = false
  let turn: Promise<void> = Promise.resolve()

  const report = (event: AuditEvent): void => {
    if (outbox.length === 0) deps.soon(flushOutbox)
    outbox.push(event)
  }
  const flushOutbox = (): void => {
    if (outbox.length > 0) deps.post({ kind: "events", events: outbox })
    outbox = []
  }

  function anchorsOf(pem: string): readonly CertificateFacts[] {
    const known = anchors.get(pem) ?? factsFromPem(pem)
    anchors.set(pem, known)
    return known
  }

  function contextWith(limits: EngineContext["limits"], workers: number, control: LoadControl): EngineContext {
    return {
      limits,
      workers,
      load: control,
      buckets,
      modbusBuckets,
      recording,
      spool,
      rights: (ask, told) => {
        askGateway({ what: "rights", ...ask }, (answer) => {
          if (answer.kind === "rights") told(answer.text)
        })
      },
      readBuffers,
      flows: deps.flows,
      ...(deps.openLine === undefined ? {} : { openLine: deps.openLine }),
      ...(deps.modbus === undefined ? {} : { modbus: deps.modbus }),
      certificates: createFactsCache(4_096),
      trust,
      time: () => time,
      nowMs: deps.nowMs,
      after: deps.after,
      randomSuffix: deps.randomSuffix,
      anchorsOf,
      report,
      denied: (key, object) => aggregator.add(key, object, deps.nowMs()),
      allowed: (flow) => recorder.note(flow, deps.nowMs()),
      newHash: deps.newHash,
      refusedPeer: (peer) => aggregator.addPeer(peer, deps.nowMs()),
      certificateSeen: (notBeforeAt) => {
        if (notBeforeAt > time.earliestAt) deps.post({ kind: "certificate-seen", notBeforeAt })
      },
      reopened: () => deps.post({ kind: "listening", listening: listeningNow() }),
      fault: (conduit, code, message) => deps.post({ kind: "fault", conduit, code, message }),
      failed,
      sweep: (items, visit) => sweep(items, visit),
    }
  }

  function sweep<T>(items: readonly T[], visit: (item: T) => void, from = 0): void {
    const until = deps.nowMs() + SWEEP_SLICE_MS
    let at = from
    while (at < items.length && deps.nowMs() < until) {
      const item = items[at++]
      if (item !== undefined) visit(item)
    }
    if (at < items.length) deps.soon(() => sweep(items, visit, at))
  }

  const prepare = (of: EngineEpoch): InForce => prepareInForce(of, posture, ++generation, anchorsOf, trust, held)

  /** Once a conduit: later exceptions are those of its own closing. What it was doing is told by name and place only. */
  function failed(conduit: string, error: unknown): void {
    if (held.failed.includes(conduit)) return
    held = { ...held, failed: [...held.failed, conduit] }
    if (epoch !== null) inForce = prepare(epoch)
    closeNow(inForce)
    deps.post({ kind: "failed", conduit, fault: describeFault(error) })
    deps.post({ kind: "listening", listening: listeningNow() })
  }

  /** What may no longer be open closes in this turn of the loop; nothing opens. */
  function closeNow(next: InForce | null): void {
    for (const [name, listener] of listeners) {
      if (next?.conduits.get(name)?.open !== true) void listener.apply(next)
    }
  }

  async function apply(number: number): Promise<void> {
    inForce = epoch === null ? null : prepare(epoch)
    if (inForce !== null) {
      const { table, modbus } = inForce.epoch.policy.compiled
      buckets.share(table, rates?.mqtt ?? null, worker)
      modbusBuckets.share(modbus, rates?.modbus ?? null, worker)
    }
    watchGates()
    const now = inForce
    await Promise.all([...listeners.values()].map((listener) => listener.apply(now)))
    spool.wake()
    deps.post({ kind: "applied", number, listening: listeningNow() })
  }

  /** Set the gates of the policy in force, and come back at the next border. True if one is not what it was. */
  function watchGates(): boolean {
    cancelBorder()
    if (inForce === null) return false
    const now = advance(time, deps.nowMs() - timeToldMs)
    const { table, modbus } = inForce.epoch.policy.compiled
    const set = [table, modbus].map((gated) => setGates(gated, now, emergencies, inputs))
    const againInMs = Math.min(...set.map((own) => own.againInMs))
    if (againInMs !== Infinity)
      cancelBorder = deps.after(Math.min(Math.ceil(againInMs), LONGEST_WAIT_MS), gatesMayChange)
    return set.some(({ changed }) => changed)
  }

  /** Time, an override or an input says something new: if a gate has changed, every peer is judged again as by a new policy. */
  function gatesMayChange(): void {
    if (!watchGates() || inForce === null) return
    inForce = { ...inForce, generation: ++generation }
    for (const listener of listeners.values()) void listener.apply(inForce)
  }

  function listeningNow(): readonly Listening[] {
    return [...listeners.values()].map((listener) => listener.listening()).filter((l) => l !== null)
  }

  /** Changes are applied one after the other, each whole. Closing takes effect at once, in this turn of the loop. */
  function change(number: number): void {
    if (epoch === null || posture.normal === "closed") {
      const now = epoch === null ? null : prepare(epoch)
      for (const listener of listeners.values()) void listener.apply(now)
    }
    turn = turn.then(() => apply(number))
  }

  function reportPeriodically(): void {
    if (stopping) return
    for (const event of aggregator.flush(deps.nowMs())) report(event)
    for (const event of load?.flush() ?? []) report(event)
    recorder.flush(deps.nowMs())
    deps.post({ kind: "counters", conduits: [...listeners].map(([name, l]) => snapshot(name, l.counters)) })
    deps.after(REPORT_INTERVAL_MS, reportPeriodically)
  }

  function handle(message: ToEngine): void {
    switch (message.kind) {
      case "configure": {
        time = message.time
        timeToldMs = deps.nowMs()
        const { conduits, share } = message
        limits = message.limits
        const memory = share?.load ?? createLoadMemory(limits, conduits.length)
        worker = share?.worker ?? 0
        load = new LoadControl(memory, worker, limits, deps.nowMs)
        load.forget(worker)
        const own = limitsOfOne(limits, memory.workers)
        const context = contextWith(own, memory.workers, load)
        for (const conduit of conduits) listeners.set(conduit.name, createListener(conduit, context))
        watch = startLoadWatch({
          limits: own,
          peers: () => [...listeners.values()].flatMap(({ peers }) => [...peers]),
          nowMs: deps.nowMs,
          after: deps.after,
          sweep,
        })
        reportPeriodically()
        return
      }
      case "epoch":
        epoch = message.epoch
        rates = message.rates ?? null
        return change(message.number)
      case "trust":
        trust.take(message.trust)
        trust.cutRevoked(report)
        return change(message.number)
      case "posture":
        posture = message.posture
        return change(message.number)
      case "time":
        time = message.time
        timeToldMs = deps.nowMs()
        return gatesMayChange()
      case "overrides":
        emergencies = new Set(message.emergencies)
        return gatesMayChange()
      case "inputs":
        inputs = new Map(message.inputs)
        return gatesMayChange()
      case "access": {
        // What has failed here and is not known there yet stays closed: only `restore` opens it.
        const failedHere = held.failed.filter((name) => !message.held.failed.includes(name))
        held = { granted: message.held.granted, failed: [...message.held.failed, ...failedHere] }
        if (epoch !== null) closeNow(prepare(epoch))
        return change(message.number)
      }
      case "restore":
        held = { ...held, failed: held.failed.filter((name) => name !== message.conduit) }
        return change(message.number)
      case "open-under": {
        const failing = { granted: held.granted, failed: [...held.failed, ...message.failed] }
        const would = epoch === null ? null : prepareInForce(epoch, message.posture, 0, anchorsOf, trust, failing)
        const conduits = [...(would?.conduits ?? [])].filter(([name, { open }]) => open && listeners.has(name))
        return deps.post({ kind: "open-under", number: message.number, conduits: conduits.map(([name]) => name) })
      }
      case "break":
        if (deps.allowStall) listeners.get(message.conduit)?.breakNext()
        return
      case "spooled":
        return spool.take(message.held, message.sends)
      case "answer": {
        const answered = asked.get(message.ticket)
        asked.delete(message.ticket)
        return answered?.(message.answer)
      }
      case "ping":
        return deps.post({ kind: "pong", number: message.number })
      case "rehearse":
        return deps.post({
          kind: "rehearsed",
          number: message.number,
          result: rehearse(inForce, message.rehearsal, deps.nowMs(), deps.flows),
        })
      case "rehearse-load":
        return deps.post({
          kind: "load-rehearsed",
          number: message.number,
          result: limits === null ? null : rehearseLoad(limits, watch?.heldBytes() ?? 0),
        })
      case "is-revoked": {
        const own = inForce?.conduits.get(message.conduit)
        const revoked = own === undefined ? null : own.revoked(message.issuerDer, message.serial)
        return deps.post({ kind: "revocation", number: message.number, revoked })
      }
      case "try-code":
        return deps.post({ kind: "code-tried", number: message.number, made: canMakeCode() })
      case "record":
        recording.start()
        return recording.collect(message.number, false, deps.post, deps.soon)
      case "collect":
        return recording.collect(message.number, message.stop, deps.post, deps.soon)
      case "stall": {
        if (!deps.allowStall) return
        const until = deps.nowMs() + message.ms
        while (deps.nowMs() < until);
        return
      }
      case "crash":
        if (deps.allowStall) throw new InvariantError("ERR_CRASHED_ON_PURPOSE", "a test lets this thread die")
        return
      case "stop":
        stopping = true
        spool.stop()
        cancelBorder()
        watch?.stop()
        for (const listener of listeners.values()) void listener.apply(null)
        for (const event of aggregator.flush(deps.nowMs(), true)) report(event)
        for (const event of load?.flush() ?? []) report(event)
        recorder.flush(deps.nowMs(), true)
        flushOutbox()
        // Withdrawn peers get the time of a round trip to read why.
        deps.after(100, () => deps.post({ kind: "stopped" }))
    }
  }

  return { handle }
}

/** Kind and place of an exception, without its text, which may quote what it was given. */
function describeFault(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const place = /([\w.-]+\.[jt]s:\d+:\d+)\)?\n/.exec(`${error.stack ?? ""}\n`)?.[1] ?? "?"
  return `${error.name} at ${place}`
}
