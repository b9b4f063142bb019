import type { ModbusFunctionName, Point, PointType } from "./modbus-rule.ts"
import type { Shape } from "./shape.ts"
import { refusal } from "./conduit-shape.ts"
import { list, object, oneOrMore, optional, required, variants, wordOrMap } from "./group-shapes.ts"
import { MODBUS_FUNCTIONS, POINT_WIDTH } from "./modbus-rule.ts"
import { MODBUS_BOUNDS } from "./policy-bounds.ts"
import { ranges } from "./range-shapes.ts"
import { everyAllow, everyRule, neverOfDeny, recordWords } from "./rule-fields.ts"
import { choice, integer, name, number } from "./shape.ts"

const SHORTHANDS = ["read", "write"] as const
const functionNames = Object.keys(MODBUS_FUNCTIONS) as ModbusFunctionName[]
const FUNCTION_WORDS = [...SHORTHANDS, ...functionNames]

/** Words that stand for functions, in `allow` and `deny`. */
export const MODBUS_WORDS: readonly string[] = FUNCTION_WORDS

/** A function as the document names it. */
export type FunctionEntry =
  | { readonly kind: "shorthand"; readonly word: (typeof SHORTHANDS)[number] }
  | { readonly kind: "code"; readonly code: number; readonly sub: readonly number[] | null }

const wordOrCode: Shape<FunctionEntry> = {
  expected: "a function such as read, write or read-coils, or a code 1..127",
  read(node, path, report) {
    const value = node.kind === "scalar" ? node.value : null
    if (typeof value === "number" || (typeof value === "string" && /^[0-9]+$/.test(value))) {
      const code = integer(1, 127).read(node, path, report)
      return typeof code === "number" ? { kind: "code", code, sub: null } : code
    }
    const word = choice(FUNCTION_WORDS, { expected: this.expected, refused: ofMqttWords }).read(node, path, report)
    if (typeof word === "symbol") return word
    if (word === "read" || word === "write") return { kind: "shorthand", word }
    return { kind: "code", code: MODBUS_FUNCTIONS[word], sub: null }
  },
  schema: () => ({ anyOf: [{ enum: FUNCTION_WORDS }, { type: "integer", minimum: 1, maximum: 127 }] }),
}

const ofMqtt = "it is an action of MQTT, for rules with topics instead of units"
const ofMqttWords = { publish: ofMqtt, subscribe: ofMqtt, receive: ofMqtt }

const subs = (max: number): Shape<readonly number[]> =>
  list(integer(0, max), { min: 1, max: MODBUS_BOUNDS.subFunctions })

const withSubs = variants("a function with sub-functions", {
  diagnostics: object("a function with sub-functions", {
    diagnostics: required(subs(65_535), "Sub-functions of function 8."),
  }),
  "encapsulated-interface": object("a function with sub-functions", {
    "encapsulated-interface": required(subs(255), "MEI types of function 43."),
  }),
})

const functionItem = wordOrMap(wordOrCode, withSubs)
const functions = oneOrMore(functionItem, 127)
export type FunctionItem = typeof functionItem extends Shape<infer T> ? T : never

const addresses = (about: string) => optional(ranges(0, 65_535, MODBUS_BOUNDS.ranges), null, about)

const file = object("a file", {
  file: required(integer(1, 65_535), "Number of the file."),
  records: required(ranges(0, 9999, MODBUS_BOUNDS.ranges), "Records of it."),
})

/** Files as the document names them; a file may stand there twice. */
export type FileEntry = typeof file extends Shape<infer T> ? T : never

const point = object("a point", {
  name: required(name("name of the point"), "Names the point in messages."),
  at: required(integer(0, 65_535), "Address of its first register, 0-based."),
  type: required(choice(Object.keys(POINT_WIDTH) as PointType[]), "What its registers hold."),
  words: optional(
    choice(["high-first", "low-first"]),
    "high-first",
    "Which of its registers comes first.",
    "high-first",
  ),
  min: optional(number(), null, "Least value that may be written; default none."),
  max: optional(number(), null, "Greatest value that may be written; default none."),
}) satisfies Shape<Point>

const everyModbusRule = {
  ...everyRule,
  units: required(ranges(0, 255, 256), "Units it applies to; 0 is broadcast on a serial line."),
  coils: addresses("Coils: functions 1, 5, 15."),
  "discrete-inputs": addresses("Discrete inputs: function 2."),
  registers: addresses("Holding registers: functions 3, 6, 16, 22, 23."),
  "input-registers": addresses("Input registers: function 4."),
  fifos: addresses("Addresses of queues: function 24."),
  files: optional(list(file, { min: 1, max: MODBUS_BOUNDS.ranges }), null, "Files: functions 20, 21."),
  refusal: optional(refusal, null, "Exception that answers a request which this rule refuses; default the conduit's."),
} as const

const mqttOnly = "it belongs to MQTT rules, which have the key topics"
const notOfModbus = {
  qos: mqttOnly,
  retain: mqttOnly,
  payload: mqttOnly,
  form: mqttOnly,
  functions: "functions stand under allow or deny",
}

/** A rule for Modbus. */
export const modbusRule = variants("a rule", {
  allow: object(
    "a rule",
    {
      ...everyModbusRule,
      allow: required(functions, "Functions it allows."),
      points: optional(
        list(point, { max: MODBUS_BOUNDS.points }),
        [],
        "Values in holding registers; their registers are added to `registers`.",
        [],
      ),
      record: optional(
        recordWords,
        null,
        "Which allowed requests are logged; default changes if one of its functions can write, else none.",
      ),
      ...everyAllow,
    },
    { refused: notOfModbus },
  ),
  deny: object(
    "a deny rule",
    { ...everyModbusRule, deny: required(functions, "Functions it denies.") },
    {
      refused: {
        ...notOfModbus,
        ...neverOfDeny,
        points: "it refuses whatever touches its registers, value or not",
        rate: "it refuses every request that touches it",
      },
    },
  ),
})

export type ModbusEntry = typeof modbusRule extends Shape<infer T> ? T : never
