import type { TimeReport } from "../time-keeper.ts"

const FLOOR = {
  "firmware-build": "build of this firmware",
  "owner-signed": "a signed time",
  "certificate-not-before": "a certificate that verified",
  cosignature: "a witness' cosignature",
  "log-entry-earliest": "our own log",
} as const

const BOUNDED = { network: "network time", rtc: "the board's own clock", "owner-signed": "a signed time" } as const

const REFUSED = {
  untrusted: "it says no time",
  "behind-floor": "it is earlier than what is proved",
  "beyond-ceiling": "it is later than a signed time allows",
  "needs-presence": "it is over 400 days ahead of what is proved: `lockgate time nonce`, and two signers",
  "not-authenticated": "its source is not authenticated, and the board file asks for that",
} as const

/** What is known of the time, in lines of the status; the first begins with its heading. */
export function timeLines(time: TimeReport | undefined): string[] {
  if (time === undefined) return []
  const { earliestAt, latestAt, boundedBy, floor, sync, refused } = time
  const known =
    latestAt === null || boundedBy === null
      ? `not before ${iso(earliestAt)}, NO LATEST: nobody says how late it is`
      : `${iso((earliestAt + latestAt) / 2)} give or take ${span((latestAt - earliestAt) / 2)}, by ${BOUNDED[boundedBy]}`
  const outside = time.wallAt < earliestAt || (latestAt !== null && time.wallAt > latestAt)
  return [
    `time      ${known}`,
    ...(outside ? [`          the wall clock shows ${iso(time.wallAt)}: WRONG`] : []),
    `          ${syncText(sync)}`,
    ...(refused === null ? [] : [`          NOT BELIEVED: ${REFUSED[refused]}`]),
    `          floor ${iso(floor.at)}, by ${FLOOR[floor.source]}`,
  ]
}

function syncText(sync: TimeReport["sync"]): string {
  if (sync.daemon === "none") return "no time daemon runs on this board"
  if (!sync.synchronised) return `NOT SYNCHRONISED: ${sync.why}`
  const proof = { nts: "by NTS", "symmetric-key": "by a shared key", none: "not authenticated", unknown: "authentication not known" } // prettier-ignore
  const source = sync.source === null ? "" : ` with ${sync.source}`
  const stratum = sync.stratum === null ? "" : `, stratum ${sync.stratum}`
  const offset =
    sync.offsetMs === null ? "" : `, ${span(Math.abs(sync.offsetMs))} ${sync.offsetMs < 0 ? "behind" : "ahead"}`
  return `synchronised${source} by ${sync.daemon} (${proof[sync.authentication]}${stratum}${offset})`
}

/** A span of time in one unit: `3 ms`, `4.2 s`, `12 min`, `5 h`, `40 days`. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 2 * 3_600_000) return `${Math.round(ms / 60_000)} min`
  return ms < 2 * 86_400_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`
}

/** A moment for a person, to the second, in UTC. */
export function iso(at: number): string {
  return new Date(Math.min(253_402_300_799_999, Math.max(0, at))).toISOString().replace(/\.\d+Z$/, "Z")
}
