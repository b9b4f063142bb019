import {
  MODBUS_FUNCTIONS,
  type ModbusFunctionName,
  type ModbusRule,
  type Point,
} from "../../policy/language/modbus-rule.ts"
import type { ModbusConduit, Policy, Rule } from "../../policy/language/policy.ts"
import { makeSubject } from "./policies.ts"

/** Every function of the standard, whole. */
export const ALL_FUNCTIONS = Object.values(MODBUS_FUNCTIONS).map((code) => ({ code, sub: null }))

/** These functions, by name or number, whole. */
export function functions(...names: readonly (ModbusFunctionName | number)[]): ModbusRule["functions"] {
  return names.map((name) => ({ code: typeof name === "number" ? name : MODBUS_FUNCTIONS[name], sub: null }))
}

/** A rule that allows every function of the standard on unit 1 and no address; what a test is about is overridden. */
export function makeModbusRule(over: Partial<ModbusRule> = {}): ModbusRule {
  return {
    id: "rule",
    protocol: "modbus",
    effect: "allow",
    conduits: ["field"],
    roles: ["operator"],
    units: [{ from: 1, to: 1 }],
    functions: ALL_FUNCTIONS,
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
    when: null,
    ...over,
  }
}

/** A point that is a `uint16` of any value at address 0. */
export function makePoint(over: Partial<Point> = {}): Point {
  return { name: `point-${over.at ?? 0}`, at: 0, type: "uint16", words: "high-first", min: null, max: null, ...over }
}

/** A Modbus conduit of both directions over TLS to units on TCP. */
export function makeModbusConduit(over: Partial<ModbusConduit> = {}): ModbusConduit {
  return {
    name: "field",
    from: "plant",
    to: "cell",
    protocol: "modbus",
    access: "always",
    direction: "both",
    transport: { from: "tls", to: "tcp" },
    refusal: 1,
    ...over,
  }
}

/** Two zones, Modbus conduit `field` from the first to the second, subjects with these sets of roles in the first. */
export function makeModbusPolicy(
  rules: readonly Rule[],
  roleSets: readonly (readonly string[])[] = [["operator"]],
  conduits: readonly ModbusConduit[] = [makeModbusConduit()],
): Policy {
  return {
    format: 1,
    name: "test",
    zones: [
      { name: "plant", level: 2, kind: "plant", authorities: ["plant-ca"], tlsMin: "1.3", clearText: false },
      { name: "cell", level: 1, kind: "plant", authorities: ["cell-ca"], tlsMin: "1.3", clearText: true },
    ],
    roles: [...new Set(roleSets.flat())].map((name) => ({ name, description: name })),
    subjects: roleSets.map((roles) => makeSubject("plant", roles)),
    conduits,
    rules,
    radios: [],
  }
}
