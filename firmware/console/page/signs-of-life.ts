/** Whether a gateway lives, by its heartbeats and by the broker's word; and the alarms that the broker shows of it. */
import type { Heartbeat } from "../../../policy/audit/heartbeat.ts"
import type { Sha256 } from "../../../policy/audit/tlog/hash.ts"
import type { NoteKey, VerifySignature } from "../../../policy/audit/tlog/note.ts"
import type { FaultBook } from "./fault-book.ts"
import { readAlarm, verifyHeartbeat } from "./heartbeat.ts"
import type { LogTree } from "./log-tree.ts"
import type { Alarm, GatewayReport } from "./messages.ts"

/** What signs of life are judged by. */
export interface LifeDeps {
  readonly gateway: string
  readonly keys: readonly NoteKey[]
  readonly sha256: Sha256
  readonly verify: VerifySignature
  readonly now: () => number
}

const MAX_ALARMS = 500
/** Before a first heartbeat says its interval. */
const DEFAULT_INTERVAL_S = 60

/** Follows the signs of life of one gateway. */
export class SignsOfLife {
  readonly #deps: LifeDeps
  readonly #faults: FaultBook
  readonly #since: number
  readonly #alarms = new Map<string, Alarm>()
  #heartbeat: Heartbeat | null = null
  #unplaced: Heartbeat | null = null
  #lastSignAt: number | null = null
  #offline = false

  constructor(deps: LifeDeps, faults: FaultBook) {
    this.#deps = deps
    this.#faults = faults
    this.#since = deps.now()
  }

  /** The broker's word: `online`, or by will `offline`. */
  takeOnline(payload: Uint8Array): void {
    this.#offline = new TextDecoder().decode(payload.subarray(0, 16)) === "offline"
  }

  /** @throws InputError as `verifyHeartbeat` does */
  async takeHeartbeat(payload: Uint8Array, retained: boolean): Promise<void> {
    if (payload.length === 0) return
    const heartbeat = await verifyHeartbeat(this.#deps, this.#deps.gateway, payload)
    this.#faults.mend("heartbeat")
    // Older ones say nothing of now, who ever repeats them.
    if (this.#heartbeat !== null && heartbeat.size < this.#heartbeat.size) return
    if (this.#heartbeat?.at === heartbeat.at) return
    this.#heartbeat = heartbeat
    this.#unplaced = heartbeat
    // A retained one was sent some time ago: by its own clock, which may be wrong, never later than now.
    this.#lastSignAt = retained ? Math.min(heartbeat.at, this.#deps.now()) : this.#deps.now()
  }

  /** An alarm under its id; empty: it is closed. */
  takeAlarm(id: string, payload: Uint8Array): void {
    const alarm = readAlarm(id.slice(0, 80), payload)
    if (alarm === null) this.#alarms.delete(id.slice(0, 80))
    else if (this.#alarms.size < MAX_ALARMS) this.#alarms.set(alarm.id, alarm)
  }

  /** A heartbeat names size and root, too: they must be of this very tree. */
  async place(tree: LogTree): Promise<void> {
    const heartbeat = this.#unplaced
    if (heartbeat === null || heartbeat.size > (tree.edge?.said.size ?? -1)) return
    const fits = await tree.beginsWith(heartbeat)
    if (fits === null) return
    this.#unplaced = null
    const text = "the signed heartbeat names another tree than the signed checkpoint"
    if (!fits) this.#faults.say("heartbeat", "heartbeat", "ERR_LOG_FORKED", text)
  }

  /** What is known of it now. */
  report(): Pick<GatewayReport, "life" | "lastSignAt" | "heartbeat" | "alarms"> {
    const alarms = [...this.#alarms.values()]
    return { life: this.#life(), lastSignAt: this.#lastSignAt, heartbeat: this.#heartbeat, alarms }
  }

  #life(): GatewayReport["life"] {
    if (this.#offline) return "offline"
    const patience = 3_000 * (this.#heartbeat?.intervalSeconds ?? DEFAULT_INTERVAL_S)
    if (this.#deps.now() - (this.#lastSignAt ?? this.#since) > patience) return "silent"
    return this.#lastSignAt === null ? "unknown" : "alive"
  }
}
