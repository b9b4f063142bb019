import type { AuditEvent } from "../../policy/audit/event.ts"
import { PART_BYTES } from "../../policy/audit/topics.ts"
import type { Clock } from "../../hal/clock.ts"
import { TOO_LARGE } from "./mqtt-link.ts"

/** Room for topic and header in a packet. */
const HEADER_BYTES = 256
/** With smaller parts, 255 would not hold the largest bundle or edge there can be. */
export const LEAST_PART_BYTES = 2048
/** What is tried, where a broker does not say what it takes. */
const STEPS = [PART_BYTES, 32 * 1024, 8 * 1024, LEAST_PART_BYTES] as const
/** A link may end for many reasons: so many in a row with a large part on its way, and it is the part. */
const FIRST_STRIKES = 2
/** The same, where the broker has taken one as large before. */
const STRIKES_AFTER_SUCCESS = 5
/** A broker that took nothing is tried again after this time: it may have been set up anew. */
const TRY_AGAIN_MS = 3_600_000
/** Ends of a link that say nothing about what was on its way. */
const OTHER_ENDS = new Set(["stopped", "refused", "no-acknowledgement", "timeout"])

/** How large the parts of retained pieces are at one broker, remembered while the process lives. */
export interface PartLimit {
  /** The largest payload for this link; null if the broker takes too little to retain anything. Tells of a limit the first time. */
  bytesFor(link: { readonly maxPacketBytes: number }): number | null
  /** The largest payload that the broker has taken so far, as it has shown. */
  readonly taken: number
  /** The broker has taken a payload of so many bytes. */
  took(bytes: number): void
  /** It has everything now: what was found out is told, once. */
  settled(): void
  /**
   * A session has ended: `heaviest` is the largest payload that was then unacknowledged. `smaller`: it was that, and the next
   * link gets smaller parts; `nothing`: there are no smaller ones; `other`: it was something else.
   */
  ended(reason: string, heaviest: number): "smaller" | "nothing" | "other"
  /** What the operator should know: everything goes whole, in small parts, or nothing is retained. */
  readonly state: "whole" | "small-parts" | "nothing"
}

/** What the limit stands on. */
export interface PartLimitDeps {
  readonly clock: Pick<Clock, "monotonicMs">
  readonly report: (event: AuditEvent) => void
  /** The broker as the operator knows it, such as `broker.plant:8883`. */
  readonly broker?: string
  /** Never larger ones. Default 128 KiB. */
  readonly mostBytes?: number
}

/**
 * A limit that begins at 128 KiB. MQTT 5 brokers may say what they take; of others it is learnt from links that end, or from pieces
 * that do not show, with a large part on its way: 128, 32, 8, 2 KiB. What comes out is told once.
 *
 * @see IEC 62443-4-2 CR 6.1
 * @see MQTT 5.0 section 3.2.2.3.6
 */
export function createPartLimit({ clock, report, broker, mostBytes = PART_BYTES }: PartLimitDeps): PartLimit {
  let step = mostBytes
  let taken = 0
  let strikes = 0
  /** The largest that was on its way at the last of them. */
  let struckBy = 0
  let nothingUntilMs = -Infinity
  let told = ""
  let isAnnounced = false
  let state: PartLimit["state"] = "whole"

  function tell(now: "small-parts" | "nothing", partBytes: number, packetBytes: number | null): void {
    state = now
    const key = `${now} ${partBytes}`
    if (told === key) return
    told = key
    report({
      id: now === "nothing" ? "audit.broker-too-small" : "audit.broker-limit",
      outcome: now === "nothing" ? "failure" : "success",
      source: "audit",
      reason: packetBytes === null ? "found-out" : "announced",
      ...(broker === undefined ? {} : { object: broker }),
      detail: {
        // prettier-ignore
        ...(now === "nothing" ? { "needs-bytes": LEAST_PART_BYTES + HEADER_BYTES } : { "part-bytes": partBytes, "enough-bytes": PART_BYTES + HEADER_BYTES }),
        ...(packetBytes === null ? {} : { "packet-bytes": packetBytes }),
      },
    })
  }

  /** The next smaller parts, if any are smaller than what did not get through. */
  function stepDown(heaviest: number): "smaller" | "nothing" {
    strikes = 0
    taken = 0
    const smaller = STEPS.find((bytes) => bytes < step && bytes < heaviest)
    if (smaller !== undefined) {
      step = smaller
      return "smaller"
    }
    nothingUntilMs = clock.monotonicMs() + TRY_AGAIN_MS
    step = mostBytes
    tell("nothing", 0, null)
    return "nothing"
  }

  return {
    bytesFor({ maxPacketBytes }) {
      const announced = maxPacketBytes - HEADER_BYTES
      isAnnounced = announced < step
      if (announced < LEAST_PART_BYTES) {
        tell("nothing", 0, maxPacketBytes)
        return null
      }
      if (isAnnounced) tell("small-parts", announced, maxPacketBytes)
      // What the broker says now counts more than what was found out before.
      else if (clock.monotonicMs() < nothingUntilMs && maxPacketBytes === Infinity) return null
      return Math.min(step, announced)
    },
    get taken() {
      return taken
    },
    took(bytes) {
      if (bytes >= struckBy) strikes = 0
      taken = Math.max(taken, bytes)
    },
    settled() {
      if (step < mostBytes) tell("small-parts", step, null)
      else if (!isAnnounced) state = "whole"
    },
    ended(reason, heaviest) {
      if (reason === TOO_LARGE && heaviest > 0) return stepDown(heaviest)
      if (OTHER_ENDS.has(reason) || heaviest <= LEAST_PART_BYTES / 4) return "other"
      strikes++
      struckBy = heaviest
      const enough = heaviest <= taken ? STRIKES_AFTER_SUCCESS : step < mostBytes ? 1 : FIRST_STRIKES
      return strikes < enough ? "other" : stepDown(heaviest)
    },
    get state() {
      return state
    },
  }
}
