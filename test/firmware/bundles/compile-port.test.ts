import { suite } from "uvu"
import * as assert from "uvu/assert"
import { COMPILE_LIMITS, createCompiler } from "../../../firmware/bundles/compile-port.ts"
import { enginePolicyOf } from "../../../firmware/conduits/engine-policy.ts"
import { buffersOf } from "../../../firmware/transferables.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { largePolicy } from "../../support/large-policy.ts"
import { plainBundle, PolicyWorld } from "../../support/policy-world.ts"
import { POLICY } from "../../support/rig.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/bundles/compile-port")
const source = (policy: string, cases: string | null = null) => ({ policy, file: "p.yaml", cases })
/** A thread that runs this instead of our compiler. */
const thread = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`)

test("what the thread prepares is what this thread would have, rule by rule and byte by byte", async () => {
  const compiler = createCompiler({ clock: new MemoryClock() })
  for (const text of [POLICY, largePolicy(1_234)]) {
    const parsed = parsePolicy(text, "p.yaml")
    if (!parsed.ok) throw new Error("the policy has faults")
    const { policy, engine } = await compiler.prepare(source(text))
    assert.equal(policy, parsed.value)
    assert.equal(engine, enginePolicyOf(parsed.value, compilePolicy(parsed.value)))
  }
})

test("[CR 3.5] faults, and cases that fail, come back with code and place", async () => {
  const compiler = createCompiler({ clock: new MemoryClock() })
  const faulty = await rejects(() => compiler.prepare(source("lockgate-policy: 1\nzones: 7\n")), "ERR_POLICY_FAULTS")
  assert.match(String(faulty.detail["fault"]), /^p\.yaml:\d+:\d+: /)
  await rejects(() => compiler.prepare(source(POLICY, "no cases at all")), "ERR_BUNDLE_CASES")
})

test("[NDR 2.4] each document that is asked about gets its own answer, a good one among faulty ones too", async () => {
  const compiler = createCompiler({ clock: new MemoryClock() })
  const codes = await compiler.examine(["lockgate-policy: 1\nzones: 7\n", POLICY, "#!/bin/sh\n"])
  assert.equal(codes, ["ERR_POLICY_FAULTS", null, "ERR_POLICY_FAULTS"])
  assert.equal(await compiler.examine([]), [])
})

test("[CR 3.4] the thread holds a policy against its real cases, and names the one that fails", async () => {
  const compiler = createCompiler({ clock: new MemoryClock() })
  const cases = (expect: string): string =>
    `lockgate-cases: 1\ncases:\n  - { name: own topic, as: s1, roles: [sensor], publish: plant/s1/x, expect: ${expect} }\n` +
    "  - { as: s1, roles: [sensor], publish: plant/s2/x, expect: deny }\n"
  assert.is((await compiler.prepare(source(POLICY, cases("allow")))).policy.name, "test plant")
  const error = await rejects(() => compiler.prepare(source(POLICY, cases("deny"))), "ERR_BUNDLE_CASES")
  assert.is(error.detail["cases"], 1)
  assert.match(String(error.detail["case"]), "own topic")
})

test("[CR 7.1] a thread that hangs is ended after its time, with a code", async () => {
  const clock = new MemoryClock()
  const compiler = createCompiler({ clock, entry: thread("for (;;);") })
  const pending = rejects(() => compiler.prepare(source("x")), "ERR_COMPILE_TIME")
  clock.advance(COMPILE_LIMITS.timeMs)
  assert.equal((await pending).detail, { limitMs: COMPILE_LIMITS.timeMs })
  assert.is(clock.waiting, 0)
})

test("[CR 7.1] a thread that wants more memory than it may have is ended, with a code", async () => {
  const compiler = createCompiler({ clock: new MemoryClock(), limits: { timeMs: 60_000, heapMiB: 12 } })
  await rejects(() => compiler.prepare(source(largePolicy(15_000))), "ERR_COMPILE_MEMORY")
})

test("a thread that dies, or ends without a word, is told with a code and without what it said", async () => {
  const clock = new MemoryClock()
  const throwing = createCompiler({ clock, entry: thread('throw new RangeError("with the text of the policy")') })
  const error = await rejects(() => throwing.prepare(source("x")), "ERR_COMPILE_CRASHED")
  assert.is(error.message, "the compiler died of RangeError")
  await rejects(() => createCompiler({ clock, entry: thread("0") }).prepare(source("x")), "ERR_COMPILE_CRASHED")
  const exiting = createCompiler({ clock, entry: thread("process.exit(3)") })
  await rejects(() => exiting.prepare(source("x")), "ERR_COMPILE_CRASHED")
  assert.is(clock.waiting, 0)
})

test("[CR 3.4] a thread that crashes refuses the bundle and leaves the policy in force alone", async () => {
  const clock = new MemoryClock()
  let entry: URL | null = null
  const world = new PolicyWorld(undefined, {
    prepare: (given) => createCompiler(entry === null ? { clock } : { clock, entry }).prepare(given),
  })
  await world.activation.start()
  await world.activation.activate(plainBundle({ version: 1, policy: POLICY }), 60_000, "anna")
  await world.activation.confirm(1, "anna")
  entry = thread("throw new Error()")
  const text = plainBundle({ version: 2, policy: POLICY })
  const error = await rejects(() => world.activation.activate(text, 60_000, "anna"), "ERR_POLICY_REFUSED")
  assert.is(error.detail["reason"], "ERR_COMPILE_CRASHED")
  assert.equal([world.version, world.said("policy.refused")[0]!.reason], [1, "ERR_COMPILE_CRASHED"])
  entry = null
  await world.activation.activate(text, 60_000, "anna")
  assert.is(world.version, 2)
  world.activation.stop()
})

test("stopping ends what runs, and nothing starts any more", async () => {
  const compiler = createCompiler({ clock: new MemoryClock(), entry: thread("for (;;);") })
  const pending = rejects(() => compiler.prepare(source("x")), "ERR_STOPPING")
  compiler.stop()
  await pending
  await rejects(() => compiler.prepare(source("x")), "ERR_STOPPING")
})

test("buffers of a message are found once each, wherever they lie, and shared memory is not among them", () => {
  const one = new Uint32Array(4)
  const both = { a: one, b: { c: [new Uint8Array(one.buffer, 4, 4), new Float64Array(2)] }, d: null, e: "text" }
  assert.is(buffersOf(both).length, 2)
  assert.equal(buffersOf(new Uint8Array(new SharedArrayBuffer(4))), [])
  const moved = structuredClone(both, { transfer: buffersOf(both) })
  assert.equal([moved.a.length, one.length], [4, 0])
})

test.run()
