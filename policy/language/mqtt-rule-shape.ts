import type { Shape } from "./shape.ts"
import { list, object, oneOrMore, optional, required, variants } from "./group-shapes.ts"
import { MODBUS_WORDS } from "./modbus-rule-shape.ts"
import { form } from "./payload-shape.ts"
import { MAX_PAYLOAD_BYTES, POLICY_BOUNDS } from "./policy-bounds.ts"
import { size } from "./quantity-shapes.ts"
import { everyAllow, everyRule, neverOfDeny, recordWords } from "./rule-fields.ts"
import { choice, flag, integer, text } from "./shape.ts"
import { MAX_FILTER_BYTES, complainAboutFilter } from "./topic-filter.ts"

const ofModbus = "it belongs to Modbus rules, which have the key units"

/** Keys that only Modbus rules have. */
const MODBUS_KEYS = [
  "coils",
  "discrete-inputs",
  "registers",
  "input-registers",
  "fifos",
  "files",
  "points",
  "refusal",
] as const
const notOfMqtt = {
  ...Object.fromEntries(MODBUS_KEYS.map((key) => [key, ofModbus])),
  functions: "actions stand under allow or deny",
}

const actions = oneOrMore(
  choice(["publish", "subscribe", "receive"], {
    refused: Object.fromEntries(
      MODBUS_WORDS.map((word) => [word, "it is a function of Modbus, for rules with units instead of topics"]),
    ),
  }),
  3,
)
const topic = text({ expected: "a topic filter", maxLength: MAX_FILTER_BYTES, check: complainAboutFilter })
const topics = required(list(topic, { min: 1, max: POLICY_BOUNDS.topicsPerRule }), "Topic filters.")

const denyTakesNone = "a deny speaks of topics alone"

/** A rule for MQTT. */
export const mqttRule = variants("a rule", {
  allow: object(
    "a rule",
    {
      ...everyRule,
      allow: required(actions, "What it allows."),
      topics,
      qos: optional(integer(0, 2), 1, "Highest quality of service.", 1),
      retain: optional(flag(), false, "Whether a publisher may set the retain flag.", false),
      payload: optional(size(0, MAX_PAYLOAD_BYTES), null, "Longest payload; default 64KiB.", "64KiB"),
      form: optional(form, "any", "What a payload must look like.", "any"),
      record: optional(recordWords, "none", "Which allowed actions are logged.", "none"),
      ...everyAllow,
    },
    { refused: notOfMqtt },
  ),
  deny: object(
    "a deny rule",
    { ...everyRule, deny: required(actions, "What it denies."), topics },
    {
      refused: {
        ...notOfMqtt,
        ...neverOfDeny,
        qos: denyTakesNone,
        retain: denyTakesNone,
        payload: denyTakesNone,
        form: denyTakesNone,
        rate: denyTakesNone,
      },
    },
  ),
})

export type MqttEntry = typeof mqttRule extends Shape<infer T> ? T : never
