import { choice, complainAboutName, FAULTY, flag, integer, mismatch, name, text, version } from "../language/shape.ts"
import { itemPath } from "../language/report.ts"
import { freeMap, list, object, oneOrMore, optional, placedList, required, variants } from "../language/group-shapes.ts"
import { size } from "../language/quantity-shapes.ts"
import { MODBUS_FUNCTIONS, type ModbusFunctionName } from "../language/modbus-rule.ts"
import { REASON, type Reason } from "../filter/verdict.ts"
import { MAX_PAYLOAD_BYTES } from "../language/policy-bounds.ts"
import { toJsonSchema, type JsonSchema } from "../language/json-schema.ts"
import type { Shape } from "../language/shape.ts"

/** Most cases in one document. */
export const MAX_CASES = 10_000
/** Longest payload that a case may spell out. */
const MAX_TEXT = 65_536

const topicName = text({ expected: "a topic", maxLength: 65_535 })

const hex = text({
  expected: "pairs of hexadecimal digits",
  pattern: /^(?:[0-9a-fA-F]{2} ?)+$/,
  maxLength: MAX_TEXT,
})

const who = {
  name: optional(
    text({ expected: "what the case shows", maxLength: 200 }),
    null,
    "What the case shows, in a few words.",
  ),
  as: required(name("name of a subject"), "Name of the subject that asks."),
  roles: optional(
    list(name("name of a role"), { min: 1, max: 64 }),
    null,
    "Its roles, where the policy leaves a choice.",
  ),
  conduit: optional(name("name of a conduit"), null, "The conduit, where there are several."),
  "client-id": optional(text({ expected: "a client id", maxLength: 128 }), null, "MQTT client id, where it is free."),
  at: optional(
    text({ expected: "a time such as 2026-01-31T09:00:00Z", pattern: /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,12}(Z|[+-][0-9]{2}:[0-9]{2})$/, maxLength: 40 }), // prettier-ignore
    null,
    "When it is asked, for rules with hours.",
  ),
  "essential-only": optional(flag(), false, "Whether normal flows are closed (island mode and its like).", false),
  emergency: optional(oneOrMore(name("name of an emergency"), 16), [], "Emergencies that are switched on.", []),
  inputs: optional(
    freeMap(name("state of the input"), (key) => complainAboutName(key)?.message ?? null, 64),
    [],
    "States of the board's inputs by name; of others nothing is known.",
    {},
  ),
  expect: required(choice(["allow", "deny"]), "What the policy must say."),
  rule: optional(name("id of a rule"), null, "The rule that must decide."),
  reason: optional(choice(Object.keys(REASON) as Reason[]), null, "Why it must be denied."),
} as const

const message = {
  ...who,
  qos: optional(integer(0, 2), 0, "Quality of service.", 0),
  retain: optional(flag(), false, "Retain flag.", false),
  payload: optional(size(0, MAX_PAYLOAD_BYTES), null, "Length of the payload; default 0."),
  text: optional(text({ expected: "a payload", minLength: 0, maxLength: MAX_TEXT }), null, "The payload itself."),
  hex: optional(hex, null, "The payload as pairs of hexadecimal digits."),
} as const

const functionCode: Shape<ModbusFunctionName | number> = {
  expected: "a function such as write-single-register, or its code 1..127",
  read(node, path, report) {
    const given = node.kind === "scalar" && typeof node.value === "number"
    return given ? integer(1, 127).read(node, path, report) : functionName.read(node, path, report)
  },
  schema: () => ({ anyOf: [functionName.schema(), integer(1, 127).schema()] }),
}
const functionName = choice(Object.keys(MODBUS_FUNCTIONS) as ModbusFunctionName[])

const address = integer(0, 65_535)
/** A list in which a number may come again. */
const numbers: Shape<readonly number[]> = {
  expected: "a list of 1..2000 numbers 0..65535",
  read(node, path, report) {
    const single = node.kind === "scalar" ? [node] : node.kind === "list" ? node.items : []
    if (single.length < 1 || single.length > 2000) return mismatch(node, path, report, numbers.expected)
    const values = single.map((item, k) => address.read(item, itemPath(path, k), report))
    return values.every((value) => value !== FAULTY) ? values : FAULTY
  },
  schema: () => ({
    anyOf: [address.schema(), { type: "array", minItems: 1, maxItems: 2000, items: address.schema() }],
  }),
}

const modbusRequest = object("a Modbus request", {
  unit: required(integer(0, 255), "Unit that is addressed."),
  function: required(functionCode, "Function by name or code."),
  sub: optional(integer(0, 65_535), null, "Sub-function of function 8, MEI type of 43."),
  address: optional(address, null, "First coil, input or register; of a write of function 23 the first that is read."),
  quantity: optional(integer(1, 2000), null, "How many; default as many as there are values, else 1."),
  "write-address": optional(address, null, "First register that function 23 writes."),
  values: optional(numbers, null, "What is written: a number a register, 0 or 1 a coil."),
  file: optional(integer(1, 65_535), null, "File of functions 20 and 21."),
  record: optional(integer(0, 9999), null, "First record of it."),
})

const caseShape = variants("a case", {
  publish: object("a case", { publish: required(topicName, "The client publishes to this topic."), ...message }),
  receive: object("a case", { receive: required(topicName, "The client is sent this topic."), ...message }),
  subscribe: object("a case", {
    subscribe: required(topicName, "The client asks for this filter."),
    ...who,
    qos: message.qos,
  }),
  modbus: object("a case", { modbus: required(modbusRequest, "The client sends this request."), ...who }),
})

/** The document of cases beside a policy. */
export const casesShape = object("a document of cases", {
  "lockgate-cases": required(version(1), "Version of this format."),
  cases: required(placedList(caseShape, { max: MAX_CASES }), "Each asks for one thing and says the answer."),
})

/** The JSON Schema of it, for editors. */
export function casesJsonSchema(): JsonSchema {
  return toJsonSchema(casesShape, "Lockgate cases, format 1")
}

type ReadBy<S> = S extends Shape<infer T> ? T : never
export type CasesDocument = ReadBy<typeof casesShape>
export type CaseEntry = ReadBy<typeof caseShape>
export type ModbusRequestEntry = ReadBy<typeof modbusRequest>
