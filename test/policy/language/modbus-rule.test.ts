import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Expected } from "../../support/faults.ts"
import type { ModbusRule } from "../../../policy/language/modbus-rule.ts"
import type { Parsed } from "../../../policy/language/fault.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import { mayWrite } from "../../../policy/language/modbus-function.ts"
import { READS, kindOf } from "../../../policy/filter/modbus/functions.ts"
import { MODBUS_EXCEPTIONS, MODBUS_FUNCTIONS } from "../../../policy/language/modbus-rule.ts"
import { tableOf } from "../../../policy/language/modbus-rule-build.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { faulty, good } from "../../support/faults.ts"
import { modbus } from "../../support/policy-text.ts"

const test = suite("policy/language/modbus-rule")

const read = (text: string): Parsed<Policy> => parsePolicy(text, "policy.yaml")

function ruleOf(text: string): ModbusRule {
  const [rule] = good(read(modbus(text))).rules
  assert.is(rule?.protocol, "modbus")
  return rule as ModbusRule
}

const codes = (text: string): readonly number[] => ruleOf(text).functions.map(({ code }) => code)

test("a Modbus rule is read whole, every default filled in", () => {
  const rule = ruleOf(`id: levels
    allow: [read, write-single-register, write-multiple-registers, { diagnostics: [10, 0] }, 100]
    roles: [sensor]
    units: [7, "1-3", 4]
    registers: ["110-119", 100-109, 300]
    points:
      - { name: set-point, at: 200, type: float32, words: low-first, min: 0, max: 12.5 }
      - { name: mode, at: 120, type: uint16 }
    rate: 10/s`)
  assert.equal(rule, {
    protocol: "modbus",
    id: "levels",
    effect: "allow",
    conduits: ["units"],
    roles: ["sensor"],
    units: [
      { from: 1, to: 4 },
      { from: 7, to: 7 },
    ],
    functions: [
      { code: 3, sub: null },
      { code: 6, sub: null },
      { code: 8, sub: [0, 10] },
      { code: 16, sub: null },
      { code: 100, sub: null },
    ],
    coils: [],
    discreteInputs: [],
    registers: [
      { from: 100, to: 120 },
      { from: 200, to: 201 },
      { from: 300, to: 300 },
    ],
    inputRegisters: [],
    fifos: [],
    files: [],
    points: [
      { name: "mode", at: 120, type: "uint16", words: "high-first", min: null, max: null },
      { name: "set-point", at: 200, type: "float32", words: "low-first", min: 0, max: 12.5 },
    ],
    rate: { perSecond: 10, burst: 10 },
    essential: false,
    record: "changes",
    hours: null,
    when: null,
    emergency: null,
    refusal: null,
  })
})

test("a deny rule for Modbus has neither points nor rate, and answers with its exception", () => {
  const rule = ruleOf(
    "{ id: r, deny: write, roles: [sensor], units: 0-255, registers: 0-9, refusal: server-device-busy }",
  )
  assert.is(rule.effect, "deny")
  assert.equal(
    rule.functions.map(({ code }) => code),
    [6, 16],
  )
  assert.is(rule.refusal, 6)
  assert.is(rule.record, "none")
  assert.equal([rule.points, rule.rate, rule.essential, rule.emergency], [[], null, false, null])
})

test("read and write stand for the functions whose addresses the rule gives, or for all", () => {
  const rest = "roles: [sensor], units: 1"
  assert.equal(codes(`{ id: r, allow: read, ${rest}, coils: 1, input-registers: 1 }`), [1, 4])
  assert.equal(codes(`{ id: r, allow: [read, write], ${rest}, coils: 1, registers: 1 }`), [1, 3, 5, 6, 15, 16])
  assert.equal(codes(`{ id: r, allow: write, ${rest}, points: [{ name: a, at: 1, type: int16 }] }`), [6, 16])
  assert.equal(codes(`{ id: r, deny: [read, write], ${rest} }`), [1, 2, 3, 4, 5, 6, 15, 16])
})

test("a function named twice is there once, with all its sub-functions", () => {
  const subs = (allow: string) => ruleOf(`{ id: r, allow: ${allow}, roles: [sensor], units: 1 }`).functions
  assert.equal(subs("[{ diagnostics: [3] }, { diagnostics: [1, 3] }]"), [{ code: 8, sub: [1, 3] }])
  assert.equal(subs("[{ diagnostics: [3] }, diagnostics]"), [{ code: 8, sub: null }])
  assert.equal(subs("[43, { encapsulated-interface: [14] }]"), [{ code: 43, sub: null }])
})

test("every function is known by its name and by its code", () => {
  const rest = "roles: [sensor], units: 1, coils: 1, discrete-inputs: 1, registers: 1, input-registers: 1, fifos: 1"
  const all = "files: [{ file: 1, records: 0 }]"
  const list = (words: readonly unknown[]) => codes(`{ id: r, allow: [${words.join(", ")}], ${rest}, ${all} }`)
  assert.equal(list(Object.keys(MODBUS_FUNCTIONS)), Object.values(MODBUS_FUNCTIONS))
  assert.equal(list(Object.values(MODBUS_FUNCTIONS)), Object.values(MODBUS_FUNCTIONS))
})

test("files are sorted, and their records merged", () => {
  const files = "[{ file: 4, records: [10-19, 30] }, { file: 2, records: 5 }, { file: 4, records: 0-9 }]"
  assert.equal(ruleOf(`{ id: r, allow: read-file-record, roles: [sensor], units: 1, files: ${files} }`).files, [
    { file: 2, records: { from: 5, to: 5 } },
    { file: 4, records: { from: 0, to: 19 } },
    { file: 4, records: { from: 30, to: 30 } },
  ])
})

test("[CR 2.12 RE 1] rules that can write record changes unless told otherwise, and what is unknown can write", () => {
  const record = (allow: string, more = "") =>
    ruleOf(`{ id: r, allow: ${allow}, roles: [sensor], units: 1, registers: 1${more} }`).record
  assert.is(record("read"), "none")
  assert.is(record("[read, write]"), "changes")
  assert.is(record("[read, 99]"), "changes")
  assert.is(record("[read, diagnostics]"), "changes")
  assert.is(record("[read, { diagnostics: [2, 18] }]"), "none")
  assert.is(record("[read, { encapsulated-interface: [13] }]"), "changes")
  assert.is(record("write", ", record: none"), "none")
  assert.is(record("read", ", record: each"), "each")
  const writing = Object.values(MODBUS_FUNCTIONS).filter((code) => mayWrite({ code, sub: null }))
  assert.equal(writing, [5, 6, 8, 15, 16, 21, 22, 23, 43])
})

test("language and filter hold the same of every function: does it only read?", () => {
  for (let code = 1; code <= 127; code++) {
    const subs = code === 8 ? 65_536 : code === 43 ? 256 : 1
    for (let sub = 0; sub < subs; sub++) {
      assert.is(mayWrite({ code, sub: [sub] }), kindOf(code, sub) !== READS, `${code} ${sub}`)
    }
  }
})

test("every function and exception stands in the reference with its number, and so does what only reads", () => {
  const page = readFileSync(new URL("../../../policy/README.md", import.meta.url), "utf8")
  const rows = page.split("\n")
  for (const [name, code] of Object.entries(MODBUS_FUNCTIONS)) {
    const row = rows.find(
      (line) => line.startsWith(`| \`${name}\` | ${code} |`) || line.startsWith(`| \`${name}\` | ${code};`),
    )
    assert.ok(row, name)
    const table = tableOf(code)
    assert.ok(row.endsWith(table === null ? "| |" : `| \`${table}\` |`), row)
  }
  for (const [name, code] of Object.entries(MODBUS_EXCEPTIONS)) assert.ok(page.includes(`\`${name}\` (${code})`), name)
  const reading = Array.from({ length: 127 }, (_, i) => i + 1).filter((code) => !mayWrite({ code, sub: null }))
  assert.ok(page.includes(`default of \`record\`: ${reading.join(", ")}, sub-functions`))
})

test("a Modbus rule without conduits applies to all that carry Modbus, an MQTT rule to all that carry MQTT", () => {
  const text = modbus(
    "{ id: a, allow: read, roles: [sensor], units: 1, registers: 1 }\n  - { id: b, allow: publish, roles: [sensor], topics: [a] }",
  )
  assert.equal(
    good(read(text)).rules.map(({ conduits }) => conduits),
    [["units"], ["telemetry"]],
  )
})

const r = (text: string): string => modbus(`{ id: r, roles: [sensor], units: 1, ${text} }`)
const p = (text: string): string => r(`allow: write, points: [{ name: a, at: 10, type: int16 }, ${text}]`)
const IN = "{ from: field, to: control, protocol: modbus, direction: in }"

// prettier-ignore
const FAULTS: readonly (readonly [name: string, marked: string, ...expected: Expected[]])[] = [
  ["a rule of both protocols", modbus("{ id: r, allow: read, roles: [sensor], units: 1, ¦topics: [a] }"), ["rules[0].topics", "of MQTT (topics) or of Modbus (units), found both", "two rules"]],
  ["a rule of both protocols, the other way round", modbus("{ id: r, allow: publish, topics: [a], roles: [sensor], ¦units: 1 }"), ["rules[0].units", "found both"]],
  ["publish in a Modbus rule", r("allow: ¦publish"), ["rules[0].allow", "an action of MQTT, for rules with topics"]],
  ["a function in an MQTT rule", modbus("{ id: r, allow: [publish, ¦read-coils], roles: [sensor], topics: [a] }"), ["rules[0].allow[1]", "a function of Modbus, for rules with units"]],
  ["a Modbus rule without units", modbus("¦{ id: r, allow: read, roles: [sensor], registers: 1 }"), ["rules[0].units", 'needs the key "units"']],
  ["a Modbus rule without units that begins with sub-functions", modbus("¦{ id: r, allow: [{ diagnostics: [0] }], roles: [sensor] }"), ["rules[0].units", 'needs the key "units"']],
  ["a key of MQTT in a Modbus rule", r("allow: read, registers: 1, ¦qos: 1"), ["rules[0].qos", "belongs to MQTT rules"]],
  ["a key of Modbus in an MQTT rule", modbus("{ id: r, allow: publish, roles: [sensor], topics: [a], ¦registers: 1 }"), ["rules[0].registers", "belongs to Modbus rules"]],
  ["the key functions", r("allow: read, registers: 1, ¦functions: [3]"), ["rules[0].functions", "stand under allow or deny"]],
  ["a misspelt function", r("allow: ¦read-coil, coils: 1"), ["rules[0].allow", "a function such as read", '"read-coils"']],
  ["function 0", r("allow: [¦0]"), ["rules[0].allow[0]", "1..127"]],
  ["function 128", r("allow: ¦128"), ["rules[0].allow", "1..127"]],
  ["a code in quotes", r("allow: ¦'3'"), ["rules[0].allow", "1..127", "without quotes"]],
  ["sub-functions of another function", r("allow: [¦{ read-coils: [1] }]"), ["rules[0].allow[0]", '"diagnostics" or "encapsulated-interface"']],
  ["a sub-function out of range", r("allow: { diagnostics: [¦65536] }"), ["rules[0].allow.diagnostics[0]", "0..65535"]],
  ["an MEI type out of range", r("allow: { encapsulated-interface: [¦256] }"), ["rules[0].allow.encapsulated-interface[0]", "0..255"]],
  ["no functions", r("allow: ¦[]"), ["rules[0].allow", "at least 1"]],
  ["unit 256", modbus("{ id: r, allow: read, roles: [sensor], units: ¦256, registers: 1 }"), ["rules[0].units", "0..255"]],
  ["no units", modbus("{ id: r, allow: read, roles: [sensor], units: ¦[], registers: 1 }"), ["rules[0].units", "at least 1"]],
  ["a range that ends before it begins", r("allow: read, registers: ¦9-5"), ["rules[0].registers", "ends before it begins", "5-9"]],
  ["a range beyond the last address", r("allow: read, registers: [¦65530-65536]"), ["rules[0].registers[0]", "0..65535"]],
  ["a range with a word", r("allow: read, registers: [¦all]"), ["rules[0].registers[0]", "a range such as 0-9"]],
  ["an address in quotes", r("allow: read, registers: [¦'7']"), ["rules[0].registers[0]", "a number", "without quotes"]],
  ["a function without its addresses", r("allow: ¦[write-single-coil, read-coils, read-holding-registers], registers: 1"), ["rules[0].allow", 'write-single-coil, read-coils needs the key "coils"', "0-65535"]],
  ["read without any address", r("allow: ¦read"), ["rules[0].allow", "at least one of the keys coils, discrete-inputs, registers, input-registers"]],
  ["file functions without files", r("allow: ¦[read-file-record, write-file-record]"), ["rules[0].allow", 'needs the key "files"', "records"]],
  ["a queue function without fifos", r("allow: ¦read-fifo-queue"), ["rules[0].allow", 'needs the key "fifos"']],
  ["addresses that no function uses", r("allow: read-coils, coils: 1, registers: ¦1, files: ¦[{ file: 1, records: 0 }]"), ["rules[0].registers", "names none of them"], ["rules[0].files", "read-file-record, write-file-record"]],
  ["addresses that no denied function uses", r("deny: write-single-coil, registers: ¦1"), ["rules[0].registers", "names none of them"]],
  ["points that no function uses", r("allow: read-coils, coils: 1, points: ¦[{ name: a, at: 1, type: int16 }]"), ["rules[0].points", "names none of them"]],
  ["points on a deny", r("deny: write, ¦points: [{ name: a, at: 1, type: int16 }]"), ["rules[0].points", "value or not"]],
  ["a rate on a deny", r("deny: write, ¦rate: 1/s"), ["rules[0].rate", "every request"]],
  ["record on a deny", r("deny: write, ¦record: each"), ["rules[0].record", "logged always"]],
  ["a point of an unknown type", p("{ name: b, at: 1, type: ¦float }"), ["rules[0].points[1].type", '"float32"', 'mean "float32"']],
  ["a point twice", p("{ name: ¦a, at: 1, type: int16 }"), ["rules[0].points[1].name", "twice"]],
  ["points that overlap", p("{ name: b, at: 8, type: uint64 }, { name: c, at: ¦11, type: int16 }").replace("at: 10", "at: ¦10"), ["rules[0].points[0].at", 'within "b", which takes 8-11'], ["rules[0].points[2].at", "begins within"]],
  ["a point beyond the last register", p("{ name: b, at: ¦65535, type: float32 }"), ["rules[0].points[1].at", "takes 2 registers"]],
  ["a least value above the greatest", p("{ name: b, at: 1, type: int16, min: ¦5, max: 4 }"), ["rules[0].points[1].min", "5 is above max 4"]],
  ["a value outside of the type", p("{ name: b, at: 1, type: int16, max: ¦40000 }"), ["rules[0].points[1].max", "outside of int16"]],
  ["a negative value of an unsigned type", p("{ name: b, at: 1, type: uint32, min: ¦-1 }"), ["rules[0].points[1].min", "outside of uint32"]],
  ["a fraction of a whole type", p("{ name: b, at: 1, type: uint32, min: ¦0.5 }"), ["rules[0].points[1].min", "whole numbers"]],
  ["a bound that is no number", p("{ name: b, at: 1, type: float32, min: ¦.nan, max: ¦.inf }"), ["rules[0].points[1].min", "a number"], ["rules[0].points[1].max", "a number"]],
  ["a bound that loses digits", p("{ name: b, at: 1, type: uint64, max: ¦18446744073709551615 }"), ["rules[0].points[1].max", "last digits"]],
  ["an exception of no name", r("allow: read, registers: 1, refusal: ¦busy"), ["rules[0].refusal", "a Modbus exception such as"]],
  ["exception 0", r("allow: read, registers: 1, refusal: ¦0"), ["rules[0].refusal", "1..255"]],
  ["a Modbus rule where no conduit carries it", modbus("¦{ id: r, allow: read, roles: [sensor], units: 1, registers: 1 }", "{ from: field, to: control, protocol: mqtt }"), ["rules[0]", "none is declared for modbus"]],
  ["a Modbus rule on an MQTT conduit", r("allow: read, registers: 1, conduits: [units, ¦telemetry]"), ["rules[0].conduits[1]", '"telemetry" carries mqtt']],
  ["an MQTT rule on a Modbus conduit", modbus("{ id: r, allow: publish, roles: [sensor], topics: [a], conduits: [¦units] }"), ["rules[0].conduits[0]", '"units" carries modbus']],
  ["a write on a conduit that only reads", modbus("{ id: r, allow: [read, write], roles: [sensor], units: 1, registers: 1, conduits: [¦units] }", IN), ["rules[0].conduits[0]", "direction: in"]],
  ["direction out on Modbus", modbus("{ id: r, allow: read, roles: [sensor], units: 1, registers: 1 }", "{ from: field, to: control, protocol: modbus, direction: ¦out }"), ["conduits.units.direction", "every Modbus request is answered"]],
]

for (const [name, marked, ...expected] of FAULTS) {
  test(`[CR 3.5] refuses ${name}`, () => faulty(read, marked, expected))
}

test("[CR 3.5] a read on a conduit that only reads is good, named or not", () => {
  good(read(modbus("{ id: r, allow: read, roles: [sensor], units: 1, registers: 1, conduits: [units] }", IN)))
  good(read(modbus("{ id: r, allow: [read, write], roles: [sensor], units: 1, registers: 1 }", IN)))
})

test.run()
