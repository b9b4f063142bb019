import type { PolicyStatus } from "../bundles/activation-port.ts"
import type { EmergencyStatus } from "../management/overrides.ts"
import type { StatusReport } from "../management/status-report.ts"
import { accessLine } from "./access.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { timeLines } from "./time-text.ts"
import { witnessLines } from "./witness-text.ts"
import { localTime, printable, thousands } from "./text.ts"

const USAGE = `lockgate status [--json] ${GATEWAY_USAGE}`

/** `lockgate status`: what the gateway does now, for a person or (`--json`) as it was answered. */
export async function status(args: readonly string[], io: CliIo, nowAt = Date.now()): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, json: { type: "boolean" } }, 0, USAGE, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "status", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  if (read.values.json === true) io.out(JSON.stringify(answer.result, null, 2) + "\n")
  else io.out(printable(renderStatus(answer.result as StatusReport, nowAt).join("\n")) + "\n")
  return 0
}

const CLEAR = { from: "from its peers", to: "to the other zone" } as const

/** The report in lines of text. */
export function renderStatus(report: StatusReport, nowAt: number): string[] {
  const { posture, audit, conduits } = report
  const because = posture.because.length === 0 ? "" : `, because: ${posture.because.join(", ")}`
  const published = { yes: "published", no: "NOT PUBLISHED: the upstream is not reached", off: "kept here only" }
  return [
    `gateway   ${report.gateway}, up since ${localTime(report.startedAt, nowAt)}`,
    ...policyLines(report.policy, nowAt),
    `posture   normal ${posture.normal}, essential ${posture.essential}${because}`,
    `island    ${report.island ? "ON" : "off"}`,
    ...timeLines(report.time),
    ...boundaryLines(report.boundary),
    ...emergencyLines(report.emergencies),
    ...boardLines(report.lines),
    ...report.access.map((one) => `access    ${accessLine(one, [], nowAt).replace(/ {2}0 connected.*/, "")}`),
    ...conduits.map(
      ({ name, listening, connections, allowed, denied, clearText = [], failed }, index) =>
        `${index === 0 ? "conduits" : "        "}  ${name}  ${listening ?? closedWord(failed)}  ${connections} connected  ` +
        `${thousands(allowed)} allowed  ${thousands(denied)} denied${clearText.length === 0 ? "" : `  CLEAR TEXT ${clearText.map((end) => CLEAR[end]).join(" and ")}`}`,
    ),
    ...(conduits.length === 0 ? ["conduits  none"] : []),
    ...bufferedLines(report.buffered),
    ...alarmLines(report.alarms),
    `audit     ${thousands(audit.entries)} entries, ${published[audit.publishing]}${roomWords(audit.room)}`,
    ...keptLines(audit),
    ...roomLines(audit.room),
    ...witnessLines(audit.witnesses, nowAt),
  ]
}

/** Only where the broker is set up too narrow. */
function keptLines({ publishing, kept = "whole" }: StatusReport["audit"]): string[] {
  if (publishing === "off" || kept === "whole") return []
  const what = {
    "small-parts": "keeps the log in SMALL PARTS",
    nothing: "does NOT KEEP the log, live entries only",
    "live-waits": "does NOT TAKE ENTRIES, which wait here",
  }[kept]
  return [`          the broker ${what}: raise its max_packet_size or message_size_limit`]
}

/** Nothing where nothing waits for a person. */
function alarmLines(open = 0): string[] {
  return open === 0 ? [] : [`alarms    ${open} OPEN: \`lockgate alarms\` lists them`]
}

/** How full the log is, in a few words. */
function roomWords(room: StatusReport["audit"]["room"]): string {
  if (room === undefined) return ""
  const mib = (bytes: number): string => thousands(Math.ceil(bytes / 1024 / 1024))
  const percent = Math.round((100 * room.usedBytes) / room.limitBytes)
  return `, ${percent} % of ${mib(room.limitBytes)} MiB${room.limitBytes < room.capacityBytes ? " (all that the disk has)" : ""}`
}

/** What of the log wants a person, and what to do. */
function roomLines(room: StatusReport["audit"]["room"]): string[] {
  if (room === undefined) return []
  const more =
    "give it more room in the board file (audit: capacity), or let policy give entries up (audit: overwrite-uncollected)"
  const words: Record<typeof room.level, readonly string[]> = {
    roomy: [],
    "nearly full": [`NEARLY FULL: it warns at ${room.warnAtPercent} %`],
    full: [`FULL: the oldest entries make room; it begins at entry ${thousands(room.firstSeq)}`],
    blocked: ["FULL, AND NOTHING MAY BE DROPPED: normal flows are closed", `collect the log, ${more}`],
  }
  const lost = room.lost === 0 ? [] : [`${thousands(room.lost)} EVENTS LOST since the start, see audit.lost`]
  const failing = room.failing ? ["CANNOT BE WRITTEN: look at the disk; it is tried again by itself"] : []
  return [...failing, ...words[room.level], ...lost].map((text) => `          ${text}`)
}

/** What waits for brokers, in a line a conduit. */
function bufferedLines(buffered: StatusReport["buffered"] = []): string[] {
  const conduits = [...new Set(buffered.map(({ conduit }) => conduit))]
  return conduits.map((conduit) => {
    const own = buffered.filter((one) => one.conduit === conduit)
    const messages = own.reduce((sum, one) => sum + one.messages, 0)
    const kib = Math.ceil(own.reduce((sum, one) => sum + one.bytes, 0) / 1024)
    return `buffered  ${conduit}  ${thousands(messages)} messages of ${own.length} subjects wait for the broker, ${thousands(kib)} KiB`
  })
}

/** A fault of the gateway itself wants a person. */
function closedWord(failed: string | null): string {
  return failed === null ? "closed" : `CLOSED BY A FAULT (${failed}; lockgate conduit restore)`
}

/** Whether packets may go beside the gateway: said aloud where nobody sees to it. */
function boundaryLines({ packetFilter, fault, radios }: StatusReport["boundary"]): string[] {
  const words = {
    off: "packet-filter: off in the board file: NOTHING KEEPS PACKETS FROM GOING BESIDE THE GATEWAY",
    "in force": "packet filter in force: nothing goes beside the conduits",
    simulated: "packet filter simulated: no packet is filtered on this board",
    LOST: `PACKET FILTER LOST: ${fault ?? ""}`,
  }
  const radio = radios.length === 0 ? [] : [`radios    UP AND NOT IN THE POLICY: ${radios.join(", ")}`]
  return [`boundary  ${words[packetFilter]}`, ...radio]
}

/** Inputs and outputs in a line each, and whether somebody was at the enclosure. */
function boardLines(lines: StatusReport["lines"]): string[] {
  if (lines === undefined) return []
  const inputs = lines.inputs.map(({ name, state }) => `${name} ${state ?? "NOT KNOWN"}`)
  const outputs = lines.outputs.map(({ name, on }) => `${name} ${on === null ? "LOST" : on ? "on" : "off"}`)
  return [
    ...(lines.tampered.length === 0
      ? []
      : [`tamper    ALARM by ${lines.tampered.join(", ")}: look at the enclosure, then \`lockgate tamper clear\``]),
    ...(inputs.length === 0 ? [] : [`inputs    ${inputs.join(", ")}`]),
    ...(outputs.length === 0 ? [] : [`outputs   ${outputs.join(", ")}`]),
  ]
}

/** What is on, each with its end; what could be, in one line. */
function emergencyLines(emergencies: readonly EmergencyStatus[]): string[] {
  const off = emergencies.filter(({ on }) => on === null).map(({ emergency }) => emergency)
  const lines = emergencies.flatMap(({ emergency, on }) =>
    on === null
      ? []
      : [`override  ${emergency} is ON for ${Math.ceil(on.remainingSeconds / 60)} min more, by ${on.by}: ${on.reason}`],
  )
  if (off.length === 0) return lines
  const more = off.length > 10 ? ` and ${off.length - 10} more` : ""
  return [...lines, `override  off: ${off.slice(0, 10).join(", ")}${more}`]
}

function policyLines(policy: PolicyStatus, nowAt: number): string[] {
  const { inForce, trial, active, highest, conditions } = policy
  const next = `the next one needs version ${highest + 1} or more`
  if (inForce === null) return [`policy    NONE: every conduit is closed; ${next}`]
  const until = inForce.notAfterAt === null ? "without end" : `until ${new Date(inForce.notAfterAt).toISOString()}`
  const lines = [
    `policy    ${inForce.version} (${inForce.name}), signed by ${inForce.signers.join(", ")}, valid ${until}`,
  ]
  if (trial !== null) {
    const back = active === null ? "no policy" : `policy ${active}`
    const keeps = `\`lockgate policy confirm ${trial.version}\` keeps it`
    lines.push(`          ON TRIAL until ${localTime(trial.endsAt, nowAt)}, then ${back} again; ${keeps}`)
  } else if (active !== inForce.version)
    lines.push(`          NOT the confirmed policy ${active ?? "?"}, which cannot be used`)
  if (conditions.length > 0) lines.push(`          ATTENTION: ${conditions.join(", ")}`)
  return lines
}
