import type { DocNode } from "./document.ts"
import type { Faulty, Shape } from "./shape.ts"
import type { ModbusEntry } from "./modbus-rule-shape.ts"
import type { MqttEntry } from "./mqtt-rule-shape.ts"
import { MODBUS_WORDS, modbusRule } from "./modbus-rule-shape.ts"
import { mqttRule } from "./mqtt-rule-shape.ts"
import { memberPath } from "./report.ts"
import { FAULTY } from "./shape.ts"

/** A rule as it stands in the document, tagged with what it speaks of. */
export type RuleEntry =
  | { readonly protocol: "mqtt"; readonly entry: MqttEntry }
  | { readonly protocol: "modbus"; readonly entry: ModbusEntry }

/** A rule for MQTT, which has `topics`, or for Modbus, which has `units`. */
export const rule: Shape<RuleEntry> = {
  expected: mqttRule.expected,
  read(node, path, report) {
    const has = (key: string) => (node.kind === "map" ? node.entries.find((entry) => entry.key === key) : undefined)
    const [topics, units] = [has("topics"), has("units")]
    if (topics !== undefined && units !== undefined) {
      const second = topics.keyAt > units.keyAt ? topics : units
      const message = "a rule speaks of MQTT (topics) or of Modbus (units), found both"
      report.add(second.keyAt, memberPath(path, second.key), message, "write two rules")
      return FAULTY
    }
    const isModbus = units !== undefined || (topics === undefined && looksLikeModbus(has("allow") ?? has("deny")))
    if (isModbus) return tagged("modbus", modbusRule.read(node, path, report))
    return tagged("mqtt", mqttRule.read(node, path, report))
  },
  schema: () => ({ oneOf: [mqttRule.schema(), modbusRule.schema()] }),
}

function tagged<P extends string, E>(protocol: P, entry: E | Faulty): { protocol: P; entry: E } | Faulty {
  return entry === FAULTY ? FAULTY : { protocol, entry }
}

/** What a rule without `topics` and `units` was meant to be, told by its first function or action. */
function looksLikeModbus(entry: { readonly value: DocNode } | undefined): boolean {
  const first = entry?.value.kind === "list" ? entry.value.items[0] : entry?.value
  if (first?.kind === "map") return true
  return first?.kind === "scalar" && (typeof first.value === "number" || MODBUS_WORDS.includes(first.source))
}
