import type { AuditEvent } from "../../policy/audit/event.ts"
import { MAX_ENTRY_BYTES } from "../../policy/audit/entry.ts"
import type { Clock } from "../../hal/clock.ts"
import { TOO_LARGE } from "./mqtt-link.ts"

/** What the largest entry takes as a packet, topic and header included: the least that a broker should be set to. */
export const LINE_PACKET_BYTES = MAX_ENTRY_BYTES + 256
/** Room for the header in a packet; the topic is added to it. */
const HEADER_BYTES = 16
/** A link may end for many reasons: so many in a row with a line on its way that is larger than any that was taken, and it is the line. */
const STRIKES = 4
/** The same, where the broker has taken one as large before. */
const STRIKES_AFTER_SUCCESS = 6
/** After that lines wait, at first so long and then twice as long each time: the broker may have been set up anew. */
const FIRST_WAIT_MS = 60_000
const LONGEST_WAIT_MS = 3_600_000
/** Ends of a link that say nothing about what was on its way. */
const OTHER_ENDS = new Set(["stopped", "refused", "no-acknowledgement", "timeout"])

/** How large live lines may be at one broker, remembered while the process lives. */
export interface LineLimit {
  /** The largest line for this link now. */
  bytesFor(link: { readonly maxPacketBytes: number }): number
  /** The stream waits before entry `seq`, whose line is too large for the link: told once. Returns when to look again, null for this link never. */
  waits(link: { readonly maxPacketBytes: number }, seq: number, bytes: number): number | null
  /** The broker has taken a line of so many bytes. */
  took(bytes: number): void
  /**
   * A session has ended in which no larger message than a line was on its way; `heaviest` is the largest line that was then unacknowledged,
   * 0 for none. True: it was that, and the next link is spared it.
   */
  ended(reason: string, heaviest: number): boolean
  /** Lines wait for a broker that takes them. */
  readonly isWaiting: boolean
}

/** What the limit stands on. */
export interface LineLimitDeps {
  readonly clock: Pick<Clock, "monotonicMs">
  readonly report: (event: AuditEvent) => void
  /** Where the lines go. */
  readonly topic: string
  /** The broker as the operator knows it, such as `broker.plant:8883`. */
  readonly broker?: string
}

/**
 * A limit for brokers that do not even take an entry (under some 1.3 KiB): without it the link would end at the same line for ever.
 *
 * MQTT 5 brokers may say what they take; of others it is learnt from links that end, again and again, with a line on its way that is larger
 * than all that were taken. From then on that line and what follows it wait, so that order holds and none is left out, and the link
 * stays for the rest. It is told with the setting that must be raised.
 *
 * @see IEC 62443-4-2 CR 6.1
 */
export function createLineLimit({ clock, report, topic, broker }: LineLimitDeps): LineLimit {
  const overhead = HEADER_BYTES + new TextEncoder().encode(topic).length
  let taken = 0
  let strikes = 0
  /** The largest that was on its way at the last of them. */
  let struckBy = 0
  let waitMs = FIRST_WAIT_MS
  let waitsUntilMs = -Infinity
  /** The line that waits and was told; 0: none. */
  let waiting = 0

  return {
    bytesFor({ maxPacketBytes }) {
      const learnt = clock.monotonicMs() < waitsUntilMs ? taken : Infinity
      return Math.min(maxPacketBytes - overhead, learnt)
    },
    waits({ maxPacketBytes }, seq, bytes) {
      const isAnnounced = bytes > maxPacketBytes - overhead
      if (waiting === 0)
        report({
          ...{ id: "audit.broker-refuses-entries", outcome: "failure", source: "audit" },
          reason: isAnnounced ? "announced" : "found-out",
          ...(broker === undefined ? {} : { object: broker }),
          detail: {
            ...{ "needs-bytes": LINE_PACKET_BYTES, from: seq, "entry-bytes": bytes },
            ...(isAnnounced ? { "packet-bytes": maxPacketBytes } : {}),
          },
        })
      waiting = bytes
      return isAnnounced ? null : waitsUntilMs
    },
    took(bytes) {
      if (bytes >= waiting) waiting = 0
      if (bytes >= struckBy) strikes = 0
      if (bytes <= taken) return
      taken = bytes
      waitMs = FIRST_WAIT_MS
      waitsUntilMs = -Infinity
    },
    ended(reason, heaviest) {
      if (heaviest === 0 || OTHER_ENDS.has(reason)) return false
      strikes = reason === TOO_LARGE ? STRIKES_AFTER_SUCCESS : strikes + 1
      struckBy = heaviest
      if (strikes < (heaviest <= taken ? STRIKES_AFTER_SUCCESS : STRIKES)) return false
      // A broker that was set up anew with a lower limit: nothing is known of it.
      if (heaviest <= taken) taken = 0
      waitsUntilMs = clock.monotonicMs() + waitMs
      waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2)
      return true
    },
    get isWaiting() {
      return waiting > 0
    },
  }
}
