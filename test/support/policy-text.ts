import { MARK } from "./faults.ts"

/** A whole document around the parts that a case is about. */
interface Parts {
  readonly head?: string
  readonly zones?: string
  readonly roles?: string
  readonly subjects?: string
  readonly conduits?: string
  readonly rules?: string
}

/** A faultless document, but for the parts given. */
export function policy(parts: Parts): string {
  const { head = "lockgate-policy: 1\nname: test", zones, roles, subjects, conduits, rules } = parts
  return [
    head,
    zones ?? "zones:\n  field: { level: 2 }\n  control: { level: 3 }",
    roles ?? "roles:\n  sensor: reports\n  pump: obeys",
    subjects ?? "subjects: []",
    conduits ?? "conduits:\n  telemetry: { from: field, to: control, protocol: mqtt }",
    rules ?? "rules: []",
    "",
  ].join("\n")
}

/** A document with one rule; a second may follow on its own line. */
export const rule = (text: string): string => policy({ rules: `rules:\n  - ${text}` })
/** A document with a Modbus conduit beside the MQTT one, and one rule; a second may follow on its own line. */
export const modbus = (text: string, conduit = "{ from: field, to: control, protocol: modbus }"): string =>
  policy({
    conduits: `conduits:\n  telemetry: { from: field, to: control, protocol: mqtt }\n  units: ${conduit}`,
    rules: `rules:\n  - ${text}`,
  })
/** A document with one subject entry. */
export const subject = (text: string): string => policy({ subjects: `subjects:\n  - ${text}` })
/** A document with one rule of one topic filter, which is marked. */
export const topic = (text: string): string =>
  rule(`{ id: r, allow: publish, roles: [sensor], topics: [${MARK}${text}] }`)
