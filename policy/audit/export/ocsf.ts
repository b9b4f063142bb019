/**
 * An entry as one line of JSON by the Open Cybersecurity Schema Framework.
 *
 * `ocsf-class.ts` says which class an event becomes. What the class has a field for stands there; all else is in `unmapped`
 * under its own name, so that nothing of an entry is lost. `metadata.uid` is `<gateway>/<seq>`: the way back to the entry, which can
 * be proved.
 *
 * @see OCSF 1.3.0 (schema.ocsf.io)
 */
import type { Entry } from "../entry.ts"
import { EVENTS, type EventId } from "../event.ts"
import { printable } from "../json-text.ts"
import { OCSF_KINDS, OTHER, type OcsfKind } from "./ocsf-class.ts"

/** The schema that the lines are by. */
export const OCSF_VERSION = "1.3.0"

/** What a plant may set. */
export interface OcsfOptions {
  /** Version of the product. Default: left out, for an entry does not say which release wrote it. */
  readonly version?: string
}

type Fields = Readonly<Record<string, unknown>>

/** Informational, low, medium, high; a word of a newer release is "other". */
const SEVERITY: Readonly<Record<string, readonly [number, string]>> = {
  info: [1, "Informational"],
  notice: [2, "Low"],
  warning: [3, "Medium"],
  alarm: [4, "High"],
}
const CAPTIONS: Readonly<Record<OcsfKind["classUid"], string>> = {
  0: "Base Event",
  2004: "Detection Finding",
  3002: "Authentication",
  4001: "Network Activity",
  5019: "Device Config State Change",
  6002: "Application Lifecycle",
  6003: "API Activity",
}
const OUTCOMES: Readonly<Record<string, readonly [number, string]>> = {
  success: [1, "Success"],
  failure: [2, "Failure"],
  denied: [2, "Failure"],
}

/** One line without its line end; no control character in it. */
export function ocsfLine(entry: Entry, options: OcsfOptions = {}): string {
  // In JSON such a character may always be written as its number.
  return printable(JSON.stringify(ocsfEvent(entry, options)))
}

/** The event as a plain value. */
export function ocsfEvent(entry: Entry, options: OcsfOptions = {}): Fields {
  const { classUid, activityId } = Object.hasOwn(OCSF_KINDS, entry.event) ? (OCSF_KINDS[entry.event] ?? OTHER) : OTHER
  const [severityId, severity] = at(SEVERITY, entry.type) ?? [99, entry.type]
  return {
    class_uid: classUid,
    class_name: CAPTIONS[classUid],
    category_uid: Math.floor(classUid / 1000),
    activity_id: activityId,
    ...(activityId === 99 ? { activity_name: entry.event } : {}),
    type_uid: classUid * 100 + activityId,
    severity_id: severityId,
    severity,
    time: Date.parse(entry.time),
    message: Object.hasOwn(EVENTS, entry.event) ? EVENTS[entry.event as EventId].text : entry.event,
    ...statusOf(entry, classUid, activityId),
    ...(entry.count === undefined ? {} : { count: entry.count }),
    metadata: metadataOf(entry, classUid, options),
    device: { name: entry.gateway, type_id: 7, type: "IOT" },
    ...ofClass(entry, { classUid, activityId }),
    unmapped: unmappedOf(entry, classUid),
  }
}

/** A finding has the states of a finding; everything else has ended in one way or the other. */
function statusOf({ outcome, reason }: Entry, classUid: number, activityId: number): Fields {
  const isFinding = classUid === 2004
  const [id, caption] = isFinding
    ? activityId === 1
      ? [1, "New"]
      : [4, "Resolved"]
    : (at(OUTCOMES, outcome) ?? [99, outcome])
  return {
    status_id: id,
    status: caption,
    status_code: outcome,
    ...(reason === undefined ? {} : { status_detail: reason }),
  }
}

function metadataOf(entry: Entry, classUid: number, { version }: OcsfOptions): Fields {
  return {
    version: OCSF_VERSION,
    product: { name: "Lockgate", vendor_name: "Lockgate", ...(version === undefined ? {} : { version }) },
    profiles: hasVerdict(classUid) ? ["host", "security_control"] : ["host"],
    uid: `${entry.gateway}/${entry.seq}`,
    sequence: entry.seq,
    event_code: entry.event,
    log_name: `lockgate/${entry.gateway}/log`,
    log_provider: entry.source,
    log_level: entry.type,
    original_time: entry.time,
  }
}

/** The classes at which the gateway decides, and whose events say how. */
function hasVerdict(classUid: number): boolean {
  return classUid === 3002 || classUid === 4001
}

/** What one class has and others have not; all that it requires among it. */
function ofClass(entry: Entry, { classUid }: OcsfKind): Fields {
  const user = userOf(entry.subject)
  const actor = entry.subject === null ? { app_name: entry.source } : { user }
  switch (classUid) {
    case 0:
      return {}
    case 2004:
      return { finding_info: findingOf(entry), ...(entry.subject === null ? {} : { actor }) }
    case 3002:
      return { user, service: { name: entry.conduit ?? entry.source }, is_remote: true, ...verdictOf(entry) }
    case 4001:
      return {
        ...(entry.subject === null ? {} : { src_endpoint: { name: entry.subject } }),
        dst_endpoint: { name: entry.conduit ?? entry.source },
        ...verdictOf(entry),
      }
    case 5019:
      return { actor }
    case 6002:
      return { app: { name: "Lockgate", vendor_name: "Lockgate", feature: { name: entry.conduit ?? entry.source } } }
    case 6003:
      return { actor, api: { operation: entry.object ?? entry.event }, src_endpoint: { name: entry.source } }
  }
}

/** Nobody was authenticated: the class wants a user all the same. */
function userOf(subject: string | null): Fields {
  return subject === null
    ? { name: "unknown", type_id: 0 }
    : { name: subject, uid: subject, type_id: 99, type: "Subject" }
}

function verdictOf({ outcome }: Entry): Fields {
  if (outcome === "denied") return { action_id: 2, action: "Denied", disposition_id: 2, disposition: "Blocked" }
  if (outcome === "success") return { action_id: 1, action: "Allowed", disposition_id: 1, disposition: "Allowed" }
  return { action_id: 0, action: "Unknown", disposition_id: 0, disposition: "Unknown" }
}

/** An alarm keeps its name from when it is raised to when it is acknowledged; other findings are their entry. */
function findingOf(entry: Entry): Fields {
  const isAlarm = entry.event.startsWith("alarm.") && entry.object !== undefined
  return {
    uid: `${entry.gateway}/${isAlarm ? `alarm/${entry.object}` : String(entry.seq)}`,
    title: Object.hasOwn(EVENTS, entry.event) ? EVENTS[entry.event as EventId].text : entry.event,
    types: [entry.category],
    created_time: Date.parse(entry.time),
  }
}

/** What stands nowhere else, under the names that it has in the log. */
function unmappedOf(entry: Entry, classUid: OcsfKind["classUid"]): Fields {
  const { earliest, latest, boot, mono, category, subject, conduit, object, rule, request, requirement, detail } = entry
  const isToldByClass = classUid !== 0 && classUid !== 6002
  return {
    ...{ earliest, latest, boot, mono, category },
    ...(isToldByClass || subject === null ? {} : { subject }),
    ...(conduit === undefined ? {} : { conduit }),
    ...(object === undefined ? {} : { object }),
    ...(rule === undefined ? {} : { rule }),
    ...(request === undefined ? {} : { request }),
    requirement,
    ...(detail === undefined ? {} : { detail }),
  }
}

function at<Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}
