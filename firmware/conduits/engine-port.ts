/**
 * The gateway's side of the conduit engine: one thread or several at the same ports, driven as one.
 *
 * The engine holds no state that the gateway does not also hold: when a thread dies, its sockets die with it (nothing of
 * theirs is forwarded), the others go on, a new one is started and told everything again (`engine-thread.ts`).
 */
import { InvariantError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Inputs, KnownInput } from "../../policy/filter/inputs.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Clock } from "../../hal/clock.ts"
import type { Limits } from "../config/gateway-config.ts"
import { createRateMemory, type RateMemory } from "./bucket-store.ts"
import { addUp } from "./counters.ts"
import {
  startEngineThread,
  type CollectedHere,
  type EngineThread,
  type Question,
  type Report,
} from "./engine-thread.ts"
import { withPorts } from "./free-ports.ts"
import { createLoadMemory, type LoadMemory } from "./load/load-control.ts"
import type { LoadRehearsal } from "./load/rehearse-load.ts"
import type {
  ConduitCounters,
  EngineConduit,
  EngineEpoch,
  EngineTrust,
  FlowPosture,
  Held,
  HeldSubject,
  Listening,
  Rehearsal,
  RehearsalResult,
  GatewayAnswer,
  SpoolAsk,
  RightsAsk,
} from "./messages.ts"

/** What the engine tells the gateway. */
export interface EngineListener {
  events(events: readonly AuditEvent[]): void
  counters(conduits: readonly ConduitCounters[]): void
  fault(conduit: string | null, code: string, message: string): void
  certificateSeen(notBeforeAt: number): void
  /** Every thread answered a ping since the last time: their loops are alive. */
  alive(): void
  /** A thread died, and its connections with it; this still listens, in the others. A new one will be told what is in force. */
  died(reason: string, listening: readonly Listening[]): void
  /** A fault has closed this conduit; it stays closed until `restore`. */
  failed(conduit: string, fault: string): void
  /** A thread asks the spool, or for a subject's rights; never rejects. Absent: nothing can be kept, nobody is told. */
  asked?(ask: SpoolAsk | RightsAsk): Promise<GatewayAnswer>
  /** What listens has changed without being told: a new thread carries out what was in force, or a port became free. */
  listening(listening: readonly Listening[]): void
}

/** What the engine is started with. */
export interface EngineSetup {
  readonly clock: Clock
  readonly conduits: readonly EngineConduit[]
  readonly limits: Limits
  readonly time: TimeInterval
  readonly allowStall: boolean
  /** Threads, at least 1; default 1. */
  readonly workers?: number
  /** Where the serial lines are asked; nothing is there unless the board file names lines. Absent: this engine has none. */
  readonly linesSocket?: string
}

/** What a recording holds. */
export type Collected = CollectedHere

/** The engine as the gateway drives it. */
export interface EnginePort {
  /**
   * Policy for all conduits at once, or null for none. Resolves when it is in force, with what listens.
   * @throws HardwareError `ERR_ENGINE_DIED` if a thread died of it, or while it was told; the policy before it is in force again, in all of them
   */
  setEpoch(epoch: EngineEpoch | null): Promise<readonly Listening[]>
  /** Resolves when the conduits follow; told again to a new thread if the old one dies of something else meanwhile. */
  setPosture(posture: FlowPosture): Promise<readonly Listening[]>
  /** Credentials, authorities and revocations; resolves when every peer is judged by them. Told again like the posture. */
  setTrust(trust: EngineTrust): Promise<readonly Listening[]>
  setTime(time: TimeInterval): void
  /** All emergencies that are switched on; a new thread is told them again. */
  setOverrides(emergencies: readonly string[]): void
  /** All that is known of the board's inputs; a new thread is told it again. */
  setInputs(inputs: Inputs): void
  /** Ways in that were approved and conduits that have failed, all of them; a new thread is told them again. */
  setHeld(held: Held): Promise<readonly Listening[]>
  /** All subjects for whom messages wait on disk; a new thread is told it again. */
  setSpooled(held: readonly HeldSubject[]): void
  /** Let a conduit that has failed open again. */
  restore(conduit: string): Promise<readonly Listening[]>
  /** Conduits that would be open under another posture, or if these had failed; nothing changes. */
  openUnder(posture: FlowPosture, failed: readonly string[]): Promise<readonly string[]>
  /** Let the next bytes on a conduit fail, for the test of fail close; ignored unless `allowStall`. */
  breakConduit(conduit: string): void
  ping(): void
  /** Null when the conduit is not in the policy in force. */
  rehearse(rehearsal: Rehearsal): Promise<RehearsalResult | null>
  /** What the live limits make of a flood that never happens. */
  rehearseLoad(): Promise<LoadRehearsal | null>
  /** Whether the conduit would refuse that certificate as revoked; null when it is not in force. */
  isRevoked(conduit: string, issuerDer: string, serial: string): Promise<boolean | null>
  /** Whether the engine's thread made code of a text when tried just now. */
  makesCode(): Promise<boolean>
  /** Record traffic from now on; what an earlier recording held is forgotten. */
  startRecording(): Promise<void>
  /** All that was recorded until now; with `stop` nothing more is. Null if nothing is, or a thread died meanwhile and what it recorded is lost. */
  collectRecording(stop: boolean): Promise<Collected | null>
  /** Let a thread die as by a fault; ignored unless `allowStall`. */
  crash(worker: number): void
  /** Block the engine's loop, for the supervisor's test; ignored unless `allowStall`. */
  stall(ms: number): void
  stop(): Promise<void>
}

/** What is in force, as every thread is told. */
interface InForceNow {
  epoch: EngineEpoch | null
  rates: RateMemory | null
  posture: FlowPosture
  trust: EngineTrust | null
  time: TimeInterval
  emergencies: readonly string[]
  inputs: readonly (readonly [string, KnownInput])[]
  held: Held
  spooled: readonly HeldSubject[]
}

/** Start the engine's threads; resolves when they are ready to take a policy. */
export async function startEngine(setup: EngineSetup, listener: EngineListener): Promise<EnginePort> {
  const workers = setup.workers ?? 1
  const { limits, allowStall } = setup
  const conduits = workers === 1 ? setup.conduits : await withPorts(setup.conduits)
  const load = workers === 1 ? null : createLoadMemory(limits, conduits.length, workers)
  const now: InForceNow = {
    epoch: null,
    rates: null,
    posture: { normal: "open", essential: "open" },
    trust: null,
    time: setup.time,
    emergencies: [],
    inputs: [],
    held: { granted: [], failed: [] },
    spooled: [],
  }
  const counters: (readonly ConduitCounters[])[] = Array.from({ length: workers }, () => [])
  /** Of threads that died: connections are gone, what was counted was counted. */
  let past: readonly ConduitCounters[] = []
  const answered = new Set<number>()
  const threads: EngineThread[] = []
  const start = {
    allowStall,
    linesSocket: setup.linesSocket ?? null,
    speaksModbus: conduits.some(({ modbus }) => modbus !== undefined),
    originNs: process.hrtime.bigint(),
  }
  const starting = Array.from({ length: workers }, (_, worker) =>
    startEngineThread({
      clock: setup.clock,
      start,
      configure: () => ({ kind: "configure", conduits, limits, time: now.time, ...shareOf(load, worker) }),
      told: () => [
        { kind: "overrides", emergencies: now.emergencies },
        ...(now.trust === null ? [] : [{ kind: "trust", trust: now.trust } as const]),
        { kind: "inputs", inputs: now.inputs },
        { kind: "access", held: now.held },
        { kind: "spooled", held: now.spooled, sends: worker === 0 },
        { kind: "posture", posture: now.posture },
        epochQuestion(now.epoch, now.rates),
      ],
      reported: (report) => hear(worker, report),
      died: (reason) => {
        past = addUp([past, (counters[worker] ?? []).map((row) => ({ ...row, connections: 0 }))])
        counters[worker] = []
        listener.died(reason, listening())
      },
    }),
  )
  threads.push(...(await Promise.all(starting)))
  const [first] = threads
  if (first === undefined) throw new InvariantError("ERR_NO_WORKERS", "the conduits need a thread")

  /** Where anybody listens: a conduit is open as long as one thread has it open. */
  function listening(): readonly Listening[] {
    const all = new Map<string, Listening>()
    for (const thread of threads)
      for (const one of thread.listening) if (!all.has(one.conduit)) all.set(one.conduit, one)
    return [...all.values()]
  }

  function hear(worker: number, report: Report): void {
    switch (report.kind) {
      case "events":
        return listener.events(report.events)
      case "counters":
        counters[worker] = report.conduits
        return listener.counters(addUp([past, ...counters]))
      case "fault":
        return listener.fault(report.conduit, report.code, report.message)
      case "failed":
        return listener.failed(report.conduit, report.fault)
      case "listening":
        return listener.listening(listening())
      case "asked":
        return void answer(worker, report.ticket, report.ask)
      case "certificate-seen":
        return listener.certificateSeen(report.notBeforeAt)
      case "pong":
        answered.add(worker)
        if (answered.size < workers) return
        answered.clear()
        return listener.alive()
    }
  }

  async function answer(worker: number, ticket: number, ask: SpoolAsk | RightsAsk): Promise<void> {
    const found = (await listener.asked?.(ask)) ?? { kind: "failed" }
    threads[worker]?.post({ kind: "answer", ticket, answer: found })
  }

  /** Tell all of them, each until it has followed. */
  async function insist(question: Question): Promise<readonly Listening[]> {
    await Promise.all(threads.map((thread) => thread.insist(question)))
    return listening()
  }

  async function setEpoch(next: EngineEpoch | null): Promise<readonly Listening[]> {
    const rates = next === null ? null : ratesOf(next, workers)
    const question = epochQuestion(next, rates)
    const told = await Promise.allSettled(
      threads.map(async (thread) => {
        await thread.ask(question)
        return thread.deaths
      }),
    )
    const failed = told.find((one) => one.status === "rejected")
    if (failed !== undefined) {
      // One policy for all: those that follow the new one go back. A dead one is told the old by itself.
      const before = epochQuestion(now.epoch, now.rates)
      const ahead = threads.filter((_, k) => told[k]?.status === "fulfilled")
      await Promise.all(ahead.map((thread) => thread.insist(before)))
      throw failed.reason
    }
    now.epoch = next
    now.rates = rates
    // Whoever followed and died before the last one had followed was told the policy before.
    const late = threads.filter((thread, k) => told[k]?.status === "fulfilled" && told[k].value !== thread.deaths)
    await Promise.all(late.map((thread) => thread.insist(question)))
    return listening()
  }

  /** Questions whose answer is the same everywhere go to the first thread that lives. */
  const any = (): EngineThread => threads.find(({ isAlive }) => isAlive) ?? first

  return {
    setEpoch,
    setPosture: (posture) => {
      now.posture = posture
      return insist({ kind: "posture", posture })
    },
    setTrust: (trust) => {
      now.trust = trust
      return insist({ kind: "trust", trust })
    },
    setHeld: (held) => {
      now.held = held
      return insist({ kind: "access", held })
    },
    setSpooled: (held) => {
      now.spooled = held
      threads.forEach((thread, worker) => thread.post({ kind: "spooled", held, sends: worker === 0 }))
    },
    restore: (conduit) => insist({ kind: "restore", conduit }),
    openUnder: async (posture, failed) => {
      const answer = await any().ask({ kind: "open-under", posture, failed })
      return answer.kind === "open-under" ? answer.conduits : []
    },
    breakConduit: (conduit) => threads.forEach((thread) => thread.post({ kind: "break", conduit })),
    setTime: (time) => {
      now.time = time
      for (const thread of threads) thread.post({ kind: "time", time })
    },
    setOverrides: (emergencies) => {
      now.emergencies = emergencies
      for (const thread of threads) thread.post({ kind: "overrides", emergencies })
    },
    setInputs: (next) => {
      now.inputs = [...next]
      for (const thread of threads) thread.post({ kind: "inputs", inputs: now.inputs })
    },
    ping: () => threads.forEach((thread) => thread.ping()),
    rehearse: async (rehearsal) => {
      const answer = await any().ask({ kind: "rehearse", rehearsal })
      return answer.kind === "rehearsed" ? answer.result : null
    },
    rehearseLoad: async () => {
      const answer = await any().ask({ kind: "rehearse-load" })
      return answer.kind === "load-rehearsed" ? answer.result : null
    },
    isRevoked: async (conduit, issuerDer, serial) => {
      const answer = await any().ask({ kind: "is-revoked", conduit, issuerDer, serial })
      return answer.kind === "revocation" ? answer.revoked : null
    },
    makesCode: async () => {
      const answers = await Promise.all(threads.map((thread) => thread.ask({ kind: "try-code" })))
      return answers.some((answer) => answer.kind !== "code-tried" || answer.made)
    },
    startRecording: async () => {
      await Promise.all(threads.map((thread) => thread.ask({ kind: "record" })))
    },
    collectRecording: async (stop) => joined(await Promise.all(threads.map((thread) => thread.collect(stop)))),
    crash: (worker) => threads[worker]?.post({ kind: "crash" }),
    stall: (ms) => first.post({ kind: "stall", ms }),
    stop: async () => {
      await Promise.all(threads.map((thread) => thread.stop()))
    },
  }
}

function shareOf(load: LoadMemory | null, worker: number): { readonly share?: { worker: number; load: LoadMemory } } {
  return load === null ? {} : { share: { worker, load } }
}

function epochQuestion(epoch: EngineEpoch | null, rates: RateMemory | null): Question {
  return { kind: "epoch", epoch, ...(rates === null ? {} : { rates }) }
}

function ratesOf({ policy: { compiled } }: EngineEpoch, workers: number): RateMemory | null {
  if (workers === 1) return null
  const { table, modbus } = compiled
  return { mqtt: createRateMemory(table.rateCount, workers), modbus: createRateMemory(modbus.rateCount, workers) }
}

/** What all threads recorded; null if one of them has lost it. */
function joined(all: readonly (Collected | null)[]): Collected | null {
  const whole = all.filter((one) => one !== null)
  if (whole.length < all.length) return null
  const sum = (of: (one: Collected) => number): number => whole.reduce((total, one) => total + of(one), 0)
  return {
    peers: whole.flatMap(({ peers }) => peers),
    messages: sum(({ messages }) => messages),
    missed: { peers: sum(({ missed }) => missed.peers), messages: sum(({ missed }) => missed.messages) },
  }
}
