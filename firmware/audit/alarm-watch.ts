import { gatewayTopic } from "../../policy/audit/topics.ts"
import type { AlarmSource } from "./alarms.ts"
import type { MqttMessage } from "./mqtt-link.ts"

/** What somebody else put under our alarms is cleared, so many topics at a time. */
const MAX_FOREIGN = 64
/** Told and not shown: a broker that shows nothing must not fill the memory. */
const MAX_WAITING = 16

/** What the watch stands on. */
export interface AlarmWatchDeps {
  readonly gateway: string
  readonly alarms: Pick<AlarmSource, "get">
  readonly found: (reason: "overwritten" | "cleared" | "foreign", object: string) => void
}

/** Compares what the broker shows of the alarms with what was told it. */
export interface AlarmWatch {
  /** This is about to be published for the alarm; empty: it is cleared. */
  sent(id: string, payload: Uint8Array): void
  /** A message as it came; others than those of alarms are passed over. Returns the id of an alarm that is to be told again. */
  take(message: MqttMessage): string | null
  readonly hasForeign: boolean
  /** Topics that hold what is not ours, to be cleared; from then on that counts as done. */
  takeForeign(): readonly string[]
}

/**
 * Watches over the alarms at the broker. What comes back in the order in which it was told is ours, also when the broker shows it
 * late; all else is somebody's.
 *
 * @see IEC 62443-4-2 CR 6.2
 */
export function createAlarmWatch({ gateway, alarms, found }: AlarmWatchDeps): AlarmWatch {
  const root = gatewayTopic(gateway, "alarm/")
  /** Told and not shown yet, oldest first; and what was shown last. */
  const told = new Map<string, { waiting: string[]; shown: string | null }>()
  let foreign = new Set<string>()
  return {
    sent(id, payload) {
      const one = told.get(id) ?? { waiting: [], shown: null }
      one.waiting = [...one.waiting, Buffer.from(payload).toString()].slice(-MAX_WAITING)
      told.set(id, one)
    },
    take({ topic, payload, retained }) {
      if (!topic.startsWith(root)) return null
      const id = topic.slice(root.length)
      const one = told.get(id)
      const text = Buffer.from(payload).toString()
      const at = one?.waiting.indexOf(text) ?? -1
      if (one !== undefined && at >= 0) {
        one.waiting.splice(0, at + 1)
        one.shown = text
        if (text === "" && one.waiting.length === 0) told.delete(id)
        return null
      }
      if (one === undefined && alarms.get(id) === null) {
        if (text === "") return null
        if (foreign.size < MAX_FOREIGN) foreign.add(topic)
        found("foreign", `alarm/${id}`.slice(0, 200))
        return null
      }
      // What stood there from before is told anew in this moment.
      if (text === one?.shown || (retained && isFormer(alarms.get(id), text))) return null
      if (one !== undefined) one.shown = null
      found(text === "" ? "cleared" : "overwritten", `alarm/${id}`)
      return id
    },
    get hasForeign() {
      return foreign.size > 0
    },
    takeForeign() {
      const topics = [...foreign]
      foreign = new Set()
      return topics
    },
  }
}

/** Whether the text is the alarm as it stood at some time before: same words, counted less far. Never throws. */
function isFormer(alarm: ReturnType<AlarmSource["get"]>, text: string): boolean {
  if (alarm === null) return true
  try {
    const said = JSON.parse(text) as Partial<Record<string, unknown>> | null
    const now = alarm as unknown as Readonly<Record<string, unknown>>
    if (said === null || typeof said !== "object" || Object.keys(said).join() !== Object.keys(now).join()) return false
    const isSame = ["id", "since", "text"].every((key) => said[key] === now[key])
    return isSame && Number(said["count"]) <= alarm.count && Number(said["seq"]) <= alarm.seq
  } catch {
    return false
  }
}
