import { NO_TIME_SYNC, type TimeAuthentication, type TimeSyncState } from "../time-sync.ts"

/** What `chronyc` is asked, in one call. */
export const CHRONY_QUESTIONS = ["tracking", "sources", "authdata"] as const

/** A field of a line, by its place in `chronyc -c`. */
const TRACKING = { fields: 14, reference: 0, stratum: 2, correction: 4, delay: 10, dispersion: 11, leap: 13 } as const
const SOURCE = { mode: 0, state: 1, name: 2, stratum: 3 } as const

/**
 * What chrony says, from what `chronyc -n -c -m tracking sources authdata` printed: lines of comma-separated fields.
 *
 *     1A2B3C4D,192.0.2.1,3,1700000000.123,0.000012,0.000010,0.000020,-1.2,0.0,0.1,0.012,0.0009,64.2,Normal
 *     ^,*,192.0.2.1,2,6,377,21,0.000011,0.000010,0.006
 *     192.0.2.1,NTS,1,15,256,1234,0,0,8,100
 *
 * `tracking` goes on calling itself synchronised after its last source fell silent, its dispersion growing; so it counts
 * as synchronised only while a source is selected (`*`), too. Without the right to ask `authdata` authentication is unknown.
 *
 * @see chronyc(1): `tracking` (the bound of the error), `sources`, `authdata`
 */
export function parseChrony(text: string): TimeSyncState {
  const lines = text
    .split("\n")
    .filter((line) => line.includes(","))
    .map((line) => line.split(","))
  const tracking = lines.find((fields) => fields.length === TRACKING.fields)
  if (tracking === undefined) return unsynchronised("chronyd does not answer")
  const followed = lines.find(
    (fields) => /^[\^=#]$/.test(fields[SOURCE.mode] ?? "") && fields[SOURCE.state] === "*" && fields.length < 14,
  )
  if (tracking[TRACKING.leap] === "Not synchronised") return unsynchronised("chronyd follows no source yet")
  if (followed === undefined) return unsynchronised("chronyd hears no source that it can follow")
  const source = followed[SOURCE.name] ?? ""
  const [correctionMs, rootDelayMs, rootDispersionMs] = [TRACKING.correction, TRACKING.delay, TRACKING.dispersion].map(
    (place) => 1000 * Number(tracking[place]),
  )
  const stratum = Number(tracking[TRACKING.stratum])
  if (correctionMs === undefined || rootDelayMs === undefined || rootDispersionMs === undefined)
    return unsynchronised("chronyd's answer cannot be read")
  const errorMs = Math.abs(correctionMs) + rootDispersionMs + rootDelayMs / 2
  if (!Number.isFinite(errorMs) || errorMs < 0 || !Number.isInteger(stratum))
    return unsynchronised("chronyd's answer cannot be read")
  return {
    daemon: "chrony",
    synchronised: true,
    why: "",
    source,
    stratum,
    authentication: followed[SOURCE.mode] === "#" ? "none" : authenticationOf(source, lines),
    // What must be added to the system clock: positive when it is slow.
    offsetMs: correctionMs === 0 ? 0 : -correctionMs,
    rootDelayMs,
    rootDispersionMs,
    errorMs,
  }
}

/** Chrony, not synchronised. */
export function unsynchronised(why: string): TimeSyncState {
  return { ...NO_TIME_SYNC, daemon: "chrony", why }
}

function authenticationOf(source: string, lines: readonly (readonly string[])[]): TimeAuthentication {
  const mode = lines.find(([name]) => name === source)?.[1]
  if (mode === "NTS") return "nts"
  if (mode === "SK") return "symmetric-key"
  return mode === "-" ? "none" : "unknown"
}
