/**
 * The storm of process kills: `kill -9` of a whole gateway under load, again and again.
 *
 * It says nothing about fsync, since the page cache survives a process: for that see the power cuts (model).
 */
import { setTimeout as pause } from "node:timers/promises"
import { mqttPeer, type MqttPeer } from "../support/mqtt-peer.ts"
import { auditOnDisk, startRig, type Rig } from "../support/rig.ts"

const CLIENTS = ["s1", "s2", "s3"] as const
const CONFIRMED = 2

/** What was counted over all kills. */
export interface KillFigures {
  readonly kills: number
  /** Messages that a client knows to be at the broker, and how many of those the broker did not deliver. */
  readonly messagesAcknowledged: number
  readonly messagesLost: number
  /** Entries on disk at the end. */
  readonly entries: number
  /** Entries whose number a command was answered with before a kill, and how many of those were gone after it. */
  readonly entriesAcknowledged: number
  readonly entriesLost: number
  /** Entries that were on disk before a start and read differently after it. */
  readonly entriesChanged: number
  readonly tornTails: number
  readonly repairs: number
  readonly damages: number
  /** Restarts after which another policy than the confirmed one was in force. */
  readonly wrongPolicies: number
  readonly slowestRestartMs: number
  /** From the restart until every client was served again. */
  readonly slowestRecoveryMs: number
}

/** Kill and start a gateway `rounds` times while clients publish and commands are given; `given` is one just started. */
export async function killGateway(rounds: number, given: Rig | null = null): Promise<KillFigures> {
  const rig = given ?? (await startRig())
  const load = await startLoad(rig)
  let [entriesLost, entriesChanged, tornTails, wrongPolicies] = [0, 0, 0, 0]
  let [slowestRestartMs, slowestRecoveryMs] = [0, 0]
  try {
    await rig.command("policy.activate", { bundle: await rig.bundle(CONFIRMED) })
    await rig.command("policy.confirm", { version: CONFIRMED })
    for (let round = 0; round < rounds; round++) {
      // Every other time a third policy is on trial when the power goes: it must be gone after.
      if (round % 2 === 1) await rig.command("policy.activate", { bundle: await rig.bundle(CONFIRMED + 1 + round) })
      await load.progress()
      await pause(100 + Math.random() * 500)
      await rig.gateway.kill9()
      const acknowledged = load.lastEntry
      const before = auditOnDisk(rig.stateFolder)
      if (before.tornBytes > 0) tornTails++
      entriesLost += Math.max(0, acknowledged + 1 - before.lines.length)
      const startedMs = performance.now()
      await rig.gateway.start()
      slowestRestartMs = Math.max(slowestRestartMs, performance.now() - startedMs)
      const { inForce, trial } = (await rig.status()).policy
      if (inForce?.version !== CONFIRMED || inForce.state !== "confirmed" || trial !== null) wrongPolicies++
      await load.progress()
      slowestRecoveryMs = Math.max(slowestRecoveryMs, performance.now() - startedMs)
      const after = auditOnDisk(rig.stateFolder).lines
      entriesChanged += before.lines.filter((line, i) => after[i] !== line).length
    }
    const { acknowledged, lost } = await load.stop()
    const { entries } = auditOnDisk(rig.stateFolder)
    entriesChanged += entries.filter((e, i) => e.seq !== i).length
    return {
      kills: rounds,
      messagesAcknowledged: acknowledged,
      messagesLost: lost,
      entries: entries.length,
      entriesAcknowledged: load.answered,
      entriesLost,
      entriesChanged,
      tornTails,
      repairs: entries.filter((e) => e.event === "audit.repaired").length,
      damages: entries.filter((e) => /^(audit|policy)\.(damaged|lost)$/.test(e.event)).length,
      wrongPolicies,
      slowestRestartMs: Math.round(slowestRestartMs),
      slowestRecoveryMs: Math.round(slowestRecoveryMs),
    }
  } finally {
    await load.stop()
    if (given === null) await rig.stop()
  }
}

interface Load {
  /** The highest number that a command was answered with, and how many were. */
  readonly lastEntry: number
  readonly answered: number
  /** Resolves when every client has had five more answers from the broker and one more command was answered. */
  progress(): Promise<void>
  stop(): Promise<{ readonly acknowledged: number; readonly lost: number }>
}

/** Clients that publish QoS 1 and come back by themselves, and somebody who gives commands that are refused. */
async function startLoad(rig: Rig): Promise<Load> {
  const seen = await rig.watch("plant/#")
  const acknowledged = CLIENTS.map(() => new Set<number>())
  const peers: MqttPeer[] = await Promise.all(CLIENTS.map((name) => mqttPeer(rig, { name, reconnectPeriod: 100 })))
  let running = true
  let lastEntry = -1
  let answered = 0
  const publishing = peers.map(async (peer, i) => {
    for (let n = 0; running; n++) {
      // What is not answered before the kill is sent again by the client itself: at least once.
      await Promise.all([
        peer.publish(`plant/${CLIENTS[i]!}/n`, String(n)).then(
          (code) => code === 0 && acknowledged[i]!.add(n),
          () => undefined,
        ),
        peer.publish("forbidden", "x", { qos: 0 }).catch(() => undefined),
        pause(2),
      ])
    }
  })
  const commanding = (async () => {
    while (running) {
      try {
        const answer = await rig.command("policy.confirm", { version: 999_999 })
        if (!answer.ok && answer.entry !== null) {
          lastEntry = Math.max(lastEntry, answer.entry)
          answered++
        }
      } catch {
        await pause(20)
      }
    }
  })()
  let result: { acknowledged: number; lost: number } | null = null
  return {
    get lastEntry() {
      return lastEntry
    },
    get answered() {
      return answered
    },
    async progress() {
      const goals = acknowledged.map((set) => set.size + 5)
      const goal = answered + 1
      const reached = () => goals.every((g, i) => acknowledged[i]!.size >= g) && answered >= goal
      await peers[0]!.until(reached, "the load's progress", 20_000)
    },
    async stop() {
      if (result !== null) return result
      running = false
      await Promise.all(peers.map((peer) => peer.end(true)))
      await Promise.all([...publishing, commanding])
      const total = acknowledged.reduce((sum, set) => sum + set.size, 0)
      const missing = () => {
        const arrived = new Set(seen.messages.map((m) => `${m.topic} ${m.payload.toString()}`))
        return acknowledged.flatMap((set, i) => [...set].filter((n) => !arrived.has(`plant/${CLIENTS[i]!}/n ${n}`)))
      }
      for (let i = 0; i < 50 && missing().length > 0; i++) await pause(100)
      result = { acknowledged: total, lost: missing().length }
      await seen.stop()
      return result
    },
  }
}
