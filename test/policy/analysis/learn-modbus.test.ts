import { suite } from "uvu"
import * as assert from "uvu/assert"
import { DEFAULT_WILD, learn, type Learnt } from "../../../policy/analysis/learn.ts"
import { policyOf, writeLearnt } from "../../../policy/analysis/learn-text.ts"
import { lintPolicy } from "../../../policy/analysis/lint.ts"
import { simulate } from "../../../policy/analysis/simulate.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { classOf } from "../../../policy/filter/decide.ts"
import { createModbusBuckets, createModbusState, decideModbus } from "../../../policy/filter/modbus/decide.ts"
import { isAllowed } from "../../../policy/filter/verdict.ts"
import { resolveByAddress } from "../../../policy/identity/subject.ts"
import { formatFault } from "../../../policy/language/fault.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import type { ModbusFlow, RecordedPeer, Recording } from "../../../policy/recording/recording.ts"
import { chooser } from "../../support/filter-cases.ts"
import { randomModbusPolicy, randomRequest } from "../../support/modbus-cases.ts"
import { makeModbusConduit, makeModbusPolicy } from "../../support/modbus-policies.ts"
import { recordRandomModbus, seenIn } from "../../support/recorded-modbus.ts"
import { makeModbusFlow, makePeer, makeRecording } from "../../support/recordings.ts"

const test = suite("policy/analysis/learn-modbus")

const NAMELESS = { sanUri: [], sanDns: [], commonName: null }
const at = (from: number, to = from): { from: number; to: number } => ({ from, to })

/** Certificates of the same zone must not make two subjects: a prefix for each entry. */
function toldApart(policy: Policy): Policy {
  return { ...policy, subjects: policy.subjects.map((subject, k) => ({ ...subject, prefix: `${k}-` })) }
}
const BASE = toldApart(makeModbusPolicy([], [["operator"], ["engineer", "operator"]]))

const peer = (name: string, flows: readonly Partial<ModbusFlow>[], over: Partial<RecordedPeer> = {}): RecordedPeer =>
  makePeer(flows.map(makeModbusFlow), { subject: name, zone: "plant", roles: ["operator"], clientId: "", names: NAMELESS, ...over }) // prettier-ignore
const learnt = (peers: readonly RecordedPeer[], options = {}): Learnt =>
  learn([makeRecording(peers)], { base: BASE, includeDenied: false, wild: DEFAULT_WILD, ...options })

function parsed(proposal: Learnt): Policy {
  const result = parsePolicy(writeLearnt(proposal, String), "learnt.yaml")
  if (!result.ok) throw new Error(result.faults.map(formatFault).join("\n") + writeLearnt(proposal, String))
  return result.value
}

/** The lines of a proposal's rules, without comments. */
function written(proposal: Learnt): readonly string[] {
  const lines = writeLearnt(proposal, String).split("\n")
  return lines.slice(lines.indexOf("rules:") + 1).filter((line) => line !== "" && !line.trim().startsWith("#")).map((line) => line.trim()) // prettier-ignore
}

test("[CR 2.1] a master in clear text is proposed by its address, with its name, in a zone that says so; its neighbour is not meant", () => {
  const panel = { fingerprint: "192.0.2.17", names: NAMELESS }
  const peers = [peer("old-panel", [{}], panel), peer("hmi", [{}], { fingerprint: "fe80::1%eth0", names: NAMELESS })]
  const proposal = learn([makeRecording(peers)], { base: null, includeDenied: false, wild: DEFAULT_WILD })
  const text = writeLearnt(proposal, String)
  assert.match(text, /zone: plant, match: \{ address: "?192\.0\.2\.17"? \}, name: old-panel, roles: \[operator\]/)
  assert.match(text, /match: \{ address: "?fe80::1"? \}, name: hmi/)
  assert.not.match(text, /cn:/)
  const policy = parsed(proposal)
  assert.is(policy.zones.find(({ name }) => name === "plant")?.clearText, true)
  assert.equal(policy.conduits[0]?.transport.from, "tcp")
  const who = (address: string): string | null => {
    const found = resolveByAddress(policy.subjects, "plant", address)
    return found.ok ? found.name : null
  }
  assert.equal(["192.0.2.17", "192.0.2.18", "fe80::1"].map(who), ["old-panel", null, "hmi"])
})

test("[CR 2.1] a rule has the units, functions and addresses that were seen; writes stand apart and are logged", () => {
  const proposal = learnt([peer("s-1", [{}, { unit: 2 }, { function: 16, range: at(4, 5) }, { function: 1, range: at(7) }, { function: 1, range: at(7), unit: 2 }])]) // prettier-ignore
  assert.equal(written(proposal), [
    "- id: operator-read-1",
    "allow: [read-coils, read-holding-registers]",
    "roles: [operator]",
    "conduits: [field]",
    "units: [1-2]",
    "coils: [7]",
    "registers: [0-9]",
    "- id: operator-write-1",
    "allow: [write-multiple-registers]",
    "roles: [operator]",
    "conduits: [field]",
    "units: [1]",
    "registers: [4-5]",
    "record: changes",
  ])
  assert.equal(parsed(proposal), policyOf(proposal))
  const text = writeLearnt(proposal, String)
  assert.match(text, "# Values were not recorded, so it writes any: add points with min and max by hand")
  assert.match(text, "# 240 times by s-1; last ")
  assert.not.match(text, "NOT LEARNT")
})

const rangesOf = (...flows: readonly Partial<ModbusFlow>[]) =>
  learnt([peer("s-1", flows)]).modbus.map(({ rule }) => rule.registers.map(({ from, to }) => `${from}-${to}`).join(" "))

test("addresses are one range only where they touch or were asked together", () => {
  assert.equal(rangesOf({ range: at(0, 9) }, { range: at(10, 12) }, { range: at(14) }), ["0-12 14-14"])
  assert.equal(rangesOf({ range: at(0, 9) }, { range: at(5, 20) }), ["0-20"])
})

test("units and functions do not lend each other addresses", () => {
  assert.equal(rangesOf({ range: at(0, 9) }, { range: at(0, 8), unit: 2 }), ["0-8", "0-9"])
  assert.equal(rangesOf({ function: 6, range: at(1) }, { function: 16, range: at(1, 2) }), ["1-2", "1-1"])
  assert.equal(rangesOf({ function: 6, range: at(1) }, { function: 16, range: at(1) }), ["1-1"])
})

test("files, queues, sub-functions and codes without a name are learnt by what they name", () => {
  const flows = [
    { function: 20, sub: 4, range: at(0, 9) },
    { function: 20, sub: 5, range: at(3) },
    { function: 24, range: at(7) },
    { function: 8, sub: 11, range: null },
    { function: 8, sub: 4, range: null },
    { function: 43, sub: 14, range: null },
    { function: 65, range: null },
    { function: 23, range: at(1), written: at(9) },
  ]
  const proposal = learnt([peer("s-1", flows)])
  assert.equal(parsed(proposal), policyOf(proposal))
  const functions = proposal.modbus.map(({ rule }) => rule.functions.map(({ code, sub }) => `${code}${sub === null ? "" : `/${sub.join("+")}`}`).join(" ")) // prettier-ignore
  assert.equal(functions, ["8/11 20 24 43/14", "8/4 23 65"])
  assert.equal(proposal.modbus.map(({ rule }) => rule.record), ["none", "changes"]) // prettier-ignore
  const said = proposal.beyond.map(({ admits }) => admits)
  assert.ok(said.includes("read-write-multiple-registers writing where it was seen to read, and reading where it was seen to write")) // prettier-ignore
  assert.ok(said.includes("function 65 with any data"))
})

test("what is denied is not learnt, unless it is asked for; what no rule can name never is", () => {
  const flows = [{ verdict: "address" }, { verdict: "bad-request", range: null }, { range: null }] as const
  const [proposal, all] = [learnt([peer("s-1", flows)]), learnt([peer("s-1", flows)], { includeDenied: true })]
  assert.equal([proposal.modbus.length, all.modbus.length], [0, 1])
  assert.equal([...proposal.notLearnt], [["unit 1 read-holding-registers on field: no rule can name this request", 60]])
  const inward = { ...BASE, conduits: [makeModbusConduit({ direction: "in" })] }
  assert.equal([...learnt([peer("s-1", [{ function: 6, range: at(1) }])], { base: inward }).notLearnt.values()], [60])
})

test("who else gets a rule is listed", () => {
  const said = learnt([peer("s-1", [{}])]).beyond.map(({ rule, admits }) => `${rule} ${admits}`)
  assert.equal(said, [
    "operator-read-1 every other subject with role operator; recorded: s-1",
    "operator-read-1 subjects with roles engineer and operator, which did not use it",
  ])
})

test("more ranges than one rule takes make several; each request lies whole in one", () => {
  const flows = Array.from({ length: 1_500 }, (_, k) => ({ range: at(k * 3, k * 3 + 1) }))
  const both = Array.from({ length: 800 }, (_, k) => ({ function: 23, range: at(k * 4), written: at(60_000 - k * 4) }))
  const recording = makeRecording([peer("s-1", [...flows, ...both])])
  const proposal = learn([recording], { base: BASE, includeDenied: false, wild: DEFAULT_WILD })
  const { totals } = simulate(parsed(proposal), [recording])
  assert.equal([totals.flows, totals.same], [2_300, 2_300])
})

test("without a base policy a Modbus conduit and its subjects are written, with no client id", () => {
  const names = { ...NAMELESS, commonName: "panel-1" }
  const recording = makeRecording([peer("panel-1", [{}], { names })])
  const policy = parsed(learn([recording], { base: null, includeDenied: false, wild: DEFAULT_WILD }))
  assert.equal(policy.conduits.map(({ protocol }) => protocol), ["modbus"]) // prettier-ignore
  assert.equal(policy.subjects.map(({ clientId }) => clientId), ["%u"]) // prettier-ignore
  assert.is(simulate(policy, [recording]).totals.same, 1)
})

/** Whether every address of the request was seen in that unit and function on that conduit, and passed. */
function wasSeen(recording: Recording, conduit: string, bytes: Uint8Array): boolean {
  const asked = seenIn(bytes)
  const own = recording.peers.filter((one) => one.conduit === conduit).flatMap(({ flows }) => flows)
  const flows = own.filter((flow): flow is ModbusFlow => flow.kind === "modbus" && flow.verdict === "allowed" && flow.unit === asked?.unit && flow.function === asked.function && flow.sub === asked.sub) // prettier-ignore
  if (asked === null || flows.length === 0) return false
  const has = (address: number): boolean =>
    flows.some(({ range, written: also }) => [range, also].some((one) => one !== null && one.from <= address && address <= one.to)) // prettier-ignore
  return [asked.range, asked.written].every((range) => {
    return range === null || Array.from({ length: range.to - range.from + 1 }, (_, k) => range.from + k).every(has)
  })
}

function check(seed: number): { passed: number; whole: number; tried: number } {
  const choose = chooser(seed)
  const random = toldApart(randomModbusPolicy(choose))
  // No document can say `out` of Modbus.
  const conduits = random.conduits.map((one) =>
    one.direction === "out" ? { ...one, direction: "both" as const } : one,
  )
  const policy = { ...random, conduits }
  const recording = recordRandomModbus(choose, policy, 80)
  const base = choose.chance(0.5) ? { ...policy, subjects: policy.subjects.filter(({ roles }) => roles.length > 0) } : null // prettier-ignore
  const proposal = learn([recording], { base, includeDenied: false, wild: DEFAULT_WILD })
  const read = parsed(proposal)
  assert.equal(read, policyOf(proposal), `seed ${seed}`)
  assert.equal(lintPolicy(read).filter(({ severity }) => severity === "error"), [], `seed ${seed}`) // prettier-ignore
  const { peers, totals } = simulate(read, [recording])
  const denied = peers.flatMap((p) => p.changes.filter(({ outcome }) => outcome.endsWith("denied")))
  const unlearnt = [...proposal.notLearnt.values()].reduce((sum, n) => sum + n, 0)
  assert.ok(
    denied.reduce((sum, { flow }) => sum + flow.count, 0) <= unlearnt,
    `seed ${seed}: ${JSON.stringify(denied)}`,
  )

  const compiled = compilePolicy(read)
  const rules = read.rules.filter((rule) => rule.protocol === "modbus")
  let tried = 0
  for (const { conduit, roles } of recording.peers) {
    const classIndex = classOf(compiled, conduit, roles)
    const state = createModbusState(compiled.modbus, { classIndex, buckets: createModbusBuckets(compiled.modbus), essentialOnly: false }) // prettier-ignore
    for (let k = 0; k < (rules.length === 0 ? 0 : 40); k++) {
      const bytes = randomRequest(choose, rules)
      if (seenIn(bytes) === null || !isAllowed(decideModbus(compiled.modbus, state, bytes, 0, bytes.length, 0)))
        continue
      assert.ok(wasSeen(recording, conduit, bytes), `seed ${seed}: ${Buffer.from(bytes).toString("hex")} on ${conduit}`)
      tried++
    }
  }
  return { passed: totals.flows, whole: unlearnt === 0 ? 1 : 0, tried }
}

test("[property] a proposal parses, lints without error, denies nothing that passed, and admits no address that was not seen", () => {
  const seen = { passed: 0, whole: 0, tried: 0 }
  for (let seed = 1; seed <= 120; seed++) {
    const one = check(seed)
    seen.passed += one.passed
    seen.whole += one.whole
    seen.tried += one.tried
  }
  assert.ok(seen.passed > 1_000 && seen.whole > 40 && seen.tried > 1_000, JSON.stringify(seen))
})

test.run()
