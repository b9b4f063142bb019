import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { reasonName } from "../../../../policy/filter/verdict.ts"
import type { ModbusRule } from "../../../../policy/language/modbus-rule.ts"
import { bitFlips, seeded, truncations } from "../../../support/hostile.ts"
import { modbusPeer } from "../../../support/modbus-cases.ts"
import { hex, judgeModbusBy } from "../../../support/modbus-peers.ts"
import { makeModbusPolicy, makeModbusRule } from "../../../support/modbus-policies.ts"
import { ROOT } from "../../../support/source-tree.ts"

const test = suite("policy/filter/modbus, vectors")

interface Vector {
  readonly name: string
  readonly request: string
  readonly names?: Names
}

/** What a request speaks of: first and last address; of files also which. */
interface Names {
  readonly coils?: readonly [number, number][]
  readonly discreteInputs?: readonly [number, number][]
  readonly registers?: readonly [number, number][]
  readonly inputRegisters?: readonly [number, number][]
  readonly fifos?: readonly [number, number][]
  readonly files?: readonly [file: number, from: number, to: number][]
  readonly sub?: number
}

function vectors(file: string): readonly Vector[] {
  const { vectors } = JSON.parse(readFileSync(`${ROOT}test/vectors/modbus/${file}.json`, "utf8"))
  return vectors as readonly Vector[]
}

const EXAMPLES = vectors("examples")

/** The rule that allows exactly this function and these addresses on unit 17. */
function ruleFor(code: number, { sub, files = [], ...names }: Names): ModbusRule {
  const ranges = (of: readonly [number, number][] = []) => of.map(([from, to]) => ({ from, to }))
  return makeModbusRule({
    units: [{ from: 17, to: 17 }],
    functions: [{ code, sub: sub === undefined ? null : [sub] }],
    coils: ranges(names.coils),
    discreteInputs: ranges(names.discreteInputs),
    registers: ranges(names.registers),
    inputRegisters: ranges(names.inputRegisters),
    fifos: ranges(names.fifos),
    files: files.map(([file, from, to]) => ({ file, records: { from, to } })).sort((a, b) => a.file - b.file),
  })
}

/** The same with one end of one range drawn in by one. */
function* narrower(names: Names): Generator<Names> {
  for (const space of ["coils", "discreteInputs", "registers", "inputRegisters", "fifos"] as const) {
    const ranges = names[space] ?? []
    for (const k of ranges.keys()) {
      const without = (from: number, to: number) => ({
        ...names,
        [space]: ranges.map((r, n) => (n === k ? [from, to] : r)),
      })
      yield without(ranges[k]![0] + 1, ranges[k]![1])
      yield without(ranges[k]![0], ranges[k]![1] - 1)
    }
  }
  const files = names.files ?? []
  for (const [k, [file, from, to]] of files.entries()) {
    yield { ...names, files: files.map((one, n) => (n === k ? [file, from + 1, to] : one)) }
    yield { ...names, files: files.map((one, n) => (n === k ? [file, from, to - 1] : one)) }
    yield { ...names, files: files.map((one, n) => (n === k ? [file + 1, from, to] : one)) }
  }
  if (names.sub !== undefined) yield { ...names, sub: names.sub + 1 }
}

for (const { name, request, names = {} } of EXAMPLES) {
  test(`[CR 3.5] the standard's example of "${name}" names what it names, and no address less`, () => {
    const code = parseInt(request.slice(0, 2), 16)
    const judge = (allowed: Names) => judgeModbusBy(makeModbusPolicy([ruleFor(code, allowed)]))(`11${request}`)
    assert.is(judge(names), "allowed rule")
    for (const less of narrower(names)) assert.match(judge(less), /^(address|function) rule$/)
    assert.is(judgeModbusBy(makeModbusPolicy([ruleFor(code, names)]))(`12${request}`), "unit rule")
  })
}

for (const { name, request } of vectors("contradictions")) {
  test(`[CR 3.5] refuses ${name}`, () => {
    const everything = makeModbusRule({
      functions: Array.from({ length: 127 }, (_, k) => ({ code: k + 1, sub: null })),
      registers: [{ from: 0, to: 65_535 }],
      coils: [{ from: 0, to: 65_535 }],
    })
    assert.is(judgeModbusBy(makeModbusPolicy([everything]))(`01${request}`), "bad-request")
  })
}

/** A rule with something of everything, so that a changed request may still be allowed. */
const MIXED = makeModbusPolicy([
  makeModbusRule({
    id: "mixed",
    units: [{ from: 0, to: 31 }],
    coils: [{ from: 0, to: 300 }],
    discreteInputs: [{ from: 0, to: 300 }],
    registers: [{ from: 0, to: 300 }],
    inputRegisters: [{ from: 0, to: 300 }],
    fifos: [{ from: 0, to: 65_535 }],
    files: [3, 4].map((file) => ({ file, records: { from: 0, to: 100 } })),
  }),
])

test("[CR 3.5] every truncation, bit flip and lengthening of every example is judged as the reference judges it", () => {
  const compiled = compilePolicy(MIXED)
  const peer = modbusPeer(MIXED, compiled, { conduit: "field", roles: ["operator"], essentialOnly: false, world: 0 })
  const random = seeded(5)
  const reasons = new Map<string, number>()
  let cases = 0
  for (const { request } of EXAMPLES) {
    const bytes = hex(`11${request}`)
    const changed = [
      ...truncations(bytes),
      ...bitFlips(bytes),
      ...[...bitFlips(bytes)].flatMap((once) => [...bitFlips(once)].filter(() => random() < 0.2)),
      ...Array.from({ length: 260 }, (_, n) => Uint8Array.from([...bytes, ...new Uint8Array(n + 1).fill(n & 0xff)])),
    ]
    for (const one of changed) {
      const [mine, reference] = [peer.filter(one), peer.reference(one)]
      if (mine !== reference) {
        assert.unreachable(`${Buffer.from(one).toString("hex")}: ${reasonName(mine)} for ${reasonName(reference)}`)
      }
      reasons.set(reasonName(mine), (reasons.get(reasonName(mine)) ?? 0) + 1)
      cases++
    }
  }
  assert.ok(cases > 20_000, `${cases}`)
  for (const reason of ["allowed", "bad-request", "address", "unit"]) {
    assert.ok((reasons.get(reason) ?? 0) > 100, `${reason} ${reasons.get(reason)}`)
  }
})

/** What of jsmodbus is used; it is CommonJS. */
interface Parsed {
  readonly fc: number
  readonly start?: number
  readonly address?: number
  readonly count?: number
  readonly quantity?: number
  readonly valuesAsArray?: readonly number[]
}
const { RequestFactory } = createRequire(import.meta.url)("jsmodbus").requests as {
  RequestFactory: { fromBuffer: (body: Buffer) => Parsed | null | undefined }
}

test("[CR 3.5] jsmodbus reads the same addresses from a request that the filter allows for exactly these", () => {
  const known = [1, 2, 3, 4, 5, 6, 15, 16]
  const spaces = { 1: "coils", 2: "discreteInputs", 4: "inputRegisters", 5: "coils", 15: "coils" } as Record<
    number,
    string
  >
  const random = seeded(9)
  const word = (limit = 65_536) => Math.floor(random() * limit)
  let compared = 0
  for (let k = 0; k < 600; k++) {
    const code = known[k % known.length]!
    const quantity = 1 + word(code < 3 || code === 15 ? 300 : 100)
    const at = word(65_536 - quantity)
    const head = [17, code, at >> 8, at & 0xff]
    const value = word()
    const room = code === 15 ? Math.ceil(quantity / 8) : quantity * 2
    const rest =
      code === 5
        ? [random() < 0.5 ? 0xff : 0, 0]
        : code === 6
          ? [value >> 8, value & 0xff]
          : [quantity >> 8, quantity & 0xff, ...(code < 15 ? [] : [room, ...new Uint8Array(room)])]
    const request = Uint8Array.from([...head, ...rest])
    const parsed = RequestFactory.fromBuffer(Buffer.from(request.subarray(1)))!
    const from = parsed.start ?? parsed.address!
    const to = from + (parsed.count ?? parsed.quantity ?? 1) - 1
    const names = (a: number, b: number): Names => ({ [spaces[code] ?? "registers"]: [[a, b]] })
    const judge = (allowed: Names) => judgeModbusBy(makeModbusPolicy([ruleFor(parsed.fc, allowed)]))(request)
    assert.is(judge(names(from, to)), "allowed rule")
    assert.is(judge(names(from + 1, to)), "address rule")
    assert.is(judge(names(from, to - 1)), "address rule")
    compared++
  }
  assert.is(compared, 600)
})

test.run()
