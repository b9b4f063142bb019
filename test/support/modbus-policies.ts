import type { ModbusRule } from "../../policy/language/modbus-rule.ts"
import type { ModbusConduit, Policy } from "../../policy/language/policy.ts"
import { makePolicy } from "./policies.ts"

/** A Modbus rule for unit 1 and the role `sensor`; what a test is about is overridden. */
export function makeModbusRule(over: Partial<ModbusRule> & Pick<ModbusRule, "functions">): ModbusRule {
  return {
    id: "rule",
    protocol: "modbus",
    effect: "allow",
    conduits: ["field"],
    roles: ["sensor"],
    units: [{ from: 1, to: 1 }],
    coils: [],
    discreteInputs: [],
    registers: [],
    inputRegisters: [],
    fifos: [],
    files: [],
    points: [],
    refusal: null,
    rate: null,
    essential: false,
    record: "none",
    hours: null,
    emergency: null,
    ...over,
  }
}

/** As `makePolicy`, with one conduit `field` that speaks Modbus over TLS. */
export function makeModbusPolicy(
  rules: readonly ModbusRule[],
  roleSets: readonly (readonly string[])[] = [["sensor"]],
): Policy {
  const policy = makePolicy(rules, roleSets)
  const conduits = policy.conduits.map(({ name, from, to, direction, transport }): ModbusConduit => ({
    name,
    from,
    to,
    direction,
    transport,
    protocol: "modbus",
    refusal: 1,
  }))
  return { ...policy, conduits }
}
