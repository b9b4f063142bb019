import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeState } from "../../../firmware/bundles/state-file.ts"
import { signBundle } from "../../../firmware/bundles/sign.ts"
import { openLinuxStorage } from "../../../hal/linux/storage.ts"
import { openTestLog } from "../../support/audit.ts"
import { aStatement, makeSigner } from "../../support/bundles.ts"
import { policyExplain } from "../../../firmware/cli/policy-explain.ts"
import { runCli } from "../../support/cli-io.ts"

const test = suite("firmware/cli/policy-explain")

const example = fileURLToPath(new URL("../../../policy/examples/pumping-station.yaml", import.meta.url))

const run = (...args: string[]) => runCli((io) => policyExplain(args, io))

test("a message is explained with all that was said of it", async () => {
  const who = ["--as", "flow-1", "--roles", "sensor"]
  const allowed = await run(example, ...who, "publish", "plant/flow-1/flow", "--qos", "1", "--size", "4KiB")
  assert.equal([allowed.code, allowed.err], [0, ""])
  assert.match(
    allowed.out,
    /asked +publish plant\/flow-1\/flow, QoS 1, 4KiB\nby +flow-1 \[sensor\] on conduit telemetry\nverdict +ALLOWED/,
  )
  const denied = await run(
    example,
    ...who,
    "publish",
    "plant/flow-1/flow",
    "--retain",
    "--text",
    "x",
    "--posture",
    "island",
  )
  assert.is(denied.code, 0)
  assert.match(denied.out, /retained, 1B, normal flows closed[^]+DENIED: not-essential/)
  const state = ["publish", "plant/flow-1/state", "--retain"]
  assert.match((await run(example, ...who, ...state, "--size", "5")).out, /DEPENDS[^]+give the payload itself: --text/)
  assert.match((await run(example, ...who, ...state, "--hex", "c3 a9")).out, "ALLOWED by rule last-will")
  assert.match((await run(example, ...who, ...state, "--hex", "c3")).out, "byte 0: is not UTF-8")
  const filter = await run(example, "--as", "historian", "subscribe", "plant/#")
  assert.match(filter.out, "ALLOWED by rule history")
})

test("what cannot be asked is told with what to say, exit code 2", async () => {
  const cases: readonly (readonly [args: readonly string[], told: string])[] = [
    [["publish", "a"], "usage"],
    [["--as", "flow-1", "publish"], "usage"],
    [["--as", "flow-1", "publish", "a"], "say its roles: sensor or pump,sensor"],
    [["--as", "historian", "send", "a"], "send is none of publish, receive, subscribe"],
    [["--as", "historian", "publish", "a", "--qos", "3"], "--qos takes"],
    [["--as", "historian", "publish", "a", "--size", "many"], "--size takes"],
    [["--as", "historian", "publish", "a", "--at", "noon"], "--at takes"],
    [["--as", "historian", "publish", "a", "--posture", "storm"], "known are no-policy"],
    [["--as", "historian", "publish", "a", "--posture", "no-policy"], "every flow is closed"],
    [["--as", "historian", "--modbus", "unit 1 read-coils 0"], "no conduit for modbus begins in zone field"],
    [["--as", "north", "--roles", "scada", "--modbus", "unit 1 read-coil 0"], "there is no function read-coil"],
    [["--as", "historian", "publish", "a", "--nonsense"], "nonsense"],
    [["--as", "historian", "publish", "a", "--hex", "0a1"], "--hex takes"],
    [["--as", "historian", "publish", "a", "--hex", "0a", "--text", "x"], "more than once"],
  ]
  for (const [args, told] of cases) {
    const { code, err } = await run(example, ...args)
    assert.is(code, 2, args.join(" "))
    assert.match(err, told)
  }
})

test("without policy or log there is nothing to explain", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lockgate-explain-"))
  try {
    assert.match((await run("--last")).err, "which gateway?")
    const none = await run("--last", "--state", folder)
    assert.is(none.code, 2)
    assert.match(none.err, `no policy is in force by ${folder}`)
    const empty = await run("--last", "--state", folder, example)
    assert.is(empty.code, 1)
    assert.match(empty.err, "no denial in the log")
    assert.is((await run("--state", folder, "--as", "historian", "publish", "a")).code, 2)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test("[NDR 5.2] the last denial of a log is explained by the policy in force, in less than a second", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lockgate-explain-"))
  const storage = await openLinuxStorage(folder)
  const log = await openTestLog(storage)
  try {
    const anna = await makeSigner("anna")
    const bundle = await signBundle(aStatement({ version: 4, policy: await readFile(example, "utf8") }), anna.signing)
    await storage.write("policy/bundles/4.jws", new TextEncoder().encode(bundle))
    await storage.write("policy/state.json", encodeState({ active: 4, trial: null, highest: 4 }))
    const denied = { id: "conduit.denied", outcome: "denied", source: "conduit/telemetry", conduit: "telemetry", count: 3, detail: { action: "publish" } } as const // prettier-ignore
    await log.append({ ...denied, subject: "rogue", object: "plant/flow-1/flow", reason: "no-rule" })
    await log.append({
      ...denied,
      subject: "flow-1",
      object: "plant/flow-1/flow",
      rule: "report",
      reason: "payload-size",
    })
    // Nobody, and the rest of a flood: nothing to explain.
    await log.append({ ...denied, subject: null, object: "*", rule: "*", reason: "*" })
    const startedMs = performance.now()
    const last = await run("--last", "--state", folder)
    const tookMs = performance.now() - startedMs
    assert.is(last.code, 0, last.err)
    assert.match(
      last.out,
      "messages were denied by policy  at telemetry  plant/flow-1/flow  rule report  (payload-size)  x3",
    )
    assert.match(last.out, "its payload is longer than 4KiB")
    assert.ok(tookMs < 1000, `${tookMs}`)
    const rogue = await run("--last", "--state", folder, "--as", "rogue")
    assert.match(rogue.out, 'level 2 is "flow-1", the rule wants %u, which is "rogue" here')
    assert.is((await run("--last", "--state", folder, "--as", "nobody")).code, 1)
    const asked = await run("--state", folder, "--as", "historian", "subscribe", "plant/#")
    assert.match(asked.out, "ALLOWED by rule history")
    await storage.write("policy/bundles/4.jws", new TextEncoder().encode("{"))
    assert.match((await run("--last", "--state", folder)).err, "ERR_BUNDLE_MALFORMED")
  } finally {
    await log.close()
    await storage.close()
    await rm(folder, { recursive: true, force: true })
  }
})

test.run()
