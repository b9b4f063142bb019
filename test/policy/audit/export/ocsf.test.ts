import * as fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Entry } from "../../../../policy/audit/entry.ts"
import { EVENTS } from "../../../../policy/audit/event.ts"
import { ocsfLine } from "../../../../policy/audit/export/ocsf.ts"
import { OCSF_KINDS } from "../../../../policy/audit/export/ocsf-class.ts"
import { hostileEntry } from "./hostile-entry.ts"

const test = suite("policy/audit/export/ocsf")

const ENTRY: Entry = {
  ...{ seq: 17, time: "2030-01-31T12:00:00.123Z", earliest: 1_896_091_200_000, latest: null },
  ...{ boot: "b0", mono: 5, gateway: "gw-7", source: "conduit/field", category: "access-control", type: "warning" },
  ...{ event: "conduit.denied", outcome: "denied", subject: "pump-1", conduit: "field", object: "plant/a" },
  ...{ rule: "r1", reason: "deny-rule", count: 12, requirement: "NDR 5.2", detail: { peer: "10.0.0.1" } },
}

type Json = Readonly<Record<string, unknown>>

/** What OCSF 1.3.0 requires of each class beyond the base event, and of which others one must be there. */
const REQUIRED: Readonly<Record<number, { readonly all: readonly string[]; readonly one?: readonly string[] }>> = {
  0: { all: [] },
  2004: { all: ["finding_info.uid", "finding_info.title"] },
  3002: { all: ["user"], one: ["service", "dst_endpoint"] },
  4001: { all: [], one: ["dst_endpoint", "src_endpoint"] },
  5019: { all: ["device"] },
  6002: { all: ["app"] },
  6003: { all: ["actor", "api.operation", "src_endpoint"] },
}
const BASE = ["activity_id", "category_uid", "class_uid", "metadata.version", "metadata.product", "severity_id", "time", "type_uid"] // prettier-ignore
/** Of these objects the schema wants at least one of the names. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  "metadata.product": ["name", "uid"],
  device: ["name", "uid", "ip", "hostname"],
  user: ["name", "uid", "account"],
  actor: ["user", "process", "app_name", "invoked_by"],
  service: ["name", "uid"],
  app: ["name", "uid"],
  src_endpoint: ["name", "uid", "ip", "hostname"],
  dst_endpoint: ["name", "uid", "ip", "hostname"],
}
const ACTIVITIES: Readonly<Record<number, readonly number[]>> = {
  0: [0, 99],
  2004: [1, 2, 3, 99],
  3002: [1, 2, 99],
  4001: [1, 2, 3, 4, 5, 6, 99],
  5019: [1, 2, 99],
  6002: [1, 2, 3, 4, 99],
  6003: [1, 2, 3, 4, 99],
}

function at(event: Json, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => (value as Json | undefined)?.[key], event)
}

function judge(event: Json): void {
  const [classUid, activityId] = [event["class_uid"] as number, event["activity_id"] as number]
  const required = REQUIRED[classUid]
  if (required === undefined) throw new Error(`no class ${classUid}`)
  for (const path of [...BASE, ...required.all]) assert.is.not(at(event, path), undefined, `${classUid} lacks ${path}`)
  if (required.one !== undefined) assert.ok(required.one.some((path) => at(event, path) !== undefined))
  for (const [path, names] of Object.entries(NAMED)) {
    const object = at(event, path) as Json | undefined
    if (object !== undefined) assert.ok(names.some((name) => Object.hasOwn(object, name)), `${path} has no name`) // prettier-ignore
  }
  assert.ok(ACTIVITIES[classUid]?.includes(activityId))
  assert.is(event["type_uid"], classUid * 100 + activityId)
  assert.is(event["category_uid"], Math.floor(classUid / 1000))
  assert.ok(Number.isInteger(event["time"]))
  assert.ok([1, 2, 3, 4, 99].includes(event["severity_id"] as number))
}

test("[CR 6.1] an entry becomes an event of OCSF", () => {
  assert.equal(JSON.parse(ocsfLine(ENTRY, { version: "1.2" })), {
    ...{ class_uid: 4001, class_name: "Network Activity", category_uid: 4, activity_id: 5, type_uid: 400105 },
    ...{ severity_id: 3, severity: "Medium", time: 1_896_091_200_123, message: "messages were denied by policy" },
    ...{ status_id: 2, status: "Failure", status_code: "denied", status_detail: "deny-rule", count: 12 },
    metadata: {
      ...{ version: "1.3.0", product: { name: "Lockgate", vendor_name: "Lockgate", version: "1.2" } },
      ...{ profiles: ["host", "security_control"], uid: "gw-7/17", sequence: 17, event_code: "conduit.denied" },
      ...{ log_name: "lockgate/gw-7/log", log_provider: "conduit/field", log_level: "warning" },
      original_time: "2030-01-31T12:00:00.123Z",
    },
    device: { name: "gw-7", type_id: 7, type: "IOT" },
    src_endpoint: { name: "pump-1" },
    dst_endpoint: { name: "field" },
    ...{ action_id: 2, action: "Denied", disposition_id: 2, disposition: "Blocked" },
    unmapped: {
      ...{ earliest: 1_896_091_200_000, latest: null, boot: "b0", mono: 5, category: "access-control" },
      ...{ conduit: "field", object: "plant/a", rule: "r1", requirement: "NDR 5.2", detail: { peer: "10.0.0.1" } },
    },
  })
})

test("every event of the log has its row in the table, and its class has what the schema requires", () => {
  for (const [event, { severity, category }] of Object.entries(EVENTS)) {
    assert.ok(Object.hasOwn(OCSF_KINDS, event), `${event} has no class: add a row to policy/audit/export/ocsf-class.ts`)
    for (const subject of [null, "pump-1"]) {
      const bare = Object.fromEntries(Object.entries(ENTRY).filter(([key]) => key !== "conduit" && key !== "object"))
      for (const entry of [
        { ...ENTRY, event, type: severity, category, subject },
        { ...(bare as unknown as Entry), event, subject },
      ])
        judge(JSON.parse(ocsfLine(entry)) as Json)
    }
  }
})

test("an alarm has one name from when it is raised until it is acknowledged", () => {
  const uid = (event: string): unknown => at(JSON.parse(ocsfLine({ ...ENTRY, event, object: "a1" })) as Json, "finding_info.uid") // prettier-ignore
  assert.is(uid("alarm.raised"), "gw-7/alarm/a1")
  assert.is(uid("alarm.raised"), uid("alarm.acknowledged"))
})

test("[CR 3.5] whatever an entry says, it is one line of JSON that has all of it, in the schema's form", () => {
  fc.assert(
    fc.property(hostileEntry, (entry) => {
      const line = ocsfLine(entry)
      assert.not.match(line, /[\p{Cc}\u2028\u2029\u202e]/u)
      const event = JSON.parse(line) as Json
      judge(event)
      assert.equal(entryOf(event), JSON.parse(JSON.stringify(entry)))
    }),
    { numRuns: 300 },
  )
})

/** The entry again, out of the event alone. */
function entryOf(event: Json): unknown {
  const { subject: unmappedSubject, ...unmapped } = event["unmapped"] as Json
  const users = ["user.uid", "actor.user.uid", "src_endpoint.name"].map((path) => at(event, path))
  const isOfApi = event["class_uid"] === 6003
  const subject = unmappedSubject ?? users.slice(0, isOfApi ? 2 : 3).find((name) => name !== undefined) ?? null
  return {
    seq: at(event, "metadata.sequence"),
    time: at(event, "metadata.original_time"),
    gateway: at(event, "device.name"),
    source: at(event, "metadata.log_provider"),
    type: at(event, "metadata.log_level"),
    event: at(event, "metadata.event_code"),
    outcome: event["status_code"],
    subject,
    ...(event["status_detail"] === undefined ? {} : { reason: event["status_detail"] }),
    ...(event["count"] === undefined ? {} : { count: event["count"] }),
    ...unmapped,
  }
}

test.run()
