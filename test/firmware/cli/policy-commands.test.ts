import { mkdtempSync } from "node:fs"
import { chmod, copyFile, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createIncoming } from "../../../firmware/bundles/incoming.ts"
import { createBundleVerifier } from "../../../firmware/bundles/verify.ts"
import type { SigningIn } from "../../../firmware/people/at-the-door.ts"
import type { AccountHandlerDeps } from "../../../firmware/people/account-handlers.ts"
import type { CliHandler } from "../../../firmware/cli/handler.ts"
import { island } from "../../../firmware/cli/island.ts"
import { policyActivate, policyConfirm, policyRollback } from "../../../firmware/cli/policy-activate.ts"
import { policyApprove } from "../../../firmware/cli/policy-approve.ts"
import { policySign } from "../../../firmware/cli/policy-sign.ts"
import { renderStatus, status } from "../../../firmware/cli/status.ts"
import { createHandlers } from "../../../firmware/management/handlers.ts"
import { overrideEnd, overrideStart } from "../../../firmware/cli/override.ts"
import { openOverrides } from "../../../firmware/management/overrides.ts"
import { openAccess } from "../../../firmware/management/access.ts"
import { openIsland } from "../../../firmware/management/island.ts"
import { createLocalSocket } from "../../../firmware/management/local-socket.ts"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { openRecordingKeeper } from "../../../firmware/recording/keeper.ts"
import { startGpio } from "../../../firmware/gpio/lines.ts"
import { holdOutputs } from "../../../firmware/gpio/outputs.ts"
import { MemoryGpio } from "../../../hal/memory/gpio.ts"
import type { StatusReport } from "../../../firmware/management/status-report.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { makeSigner } from "../../support/bundles.ts"
import { MemoryLog } from "../../support/commands.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { PolicyWorld } from "../../support/policy-world.ts"
import { runCli } from "../../support/cli-io.ts"

const test = suite("firmware/cli/policy-commands")
const folder = mkdtempSync(join(tmpdir(), "lockgate-cli-"))
const at = (name: string): string => join(folder, name)
/** Without the cases that lie beside the original: signing with cases is proved in `policy-sign.test.ts`. */
const example = at("pumping-station.yaml")

const [anna, bert] = await Promise.all([makeSigner("anna"), makeSigner("bert", "EdDSA")])
const verify = createBundleVerifier([anna.trusted, bert.trusted])

const run = (command: CliHandler, ...args: string[]) => runCli((io) => command(args, io))

/** A gateway behind a real socket, with real bundles and policies, its board in memory. */
const world = new PolicyWorld(undefined, { verify, parsePolicy, threshold: 2 })
const log = new MemoryLog()
const mode = await openIsland({ storage: world.storage, audit: log.audit, apply: async () => undefined })
const overrides = await openOverrides({
  storage: world.storage,
  clock: world.clock,
  audit: log.audit,
  apply: () => undefined,
})
const access = await openAccess({
  storage: world.storage,
  clock: world.clock,
  audit: log.audit,
  apply: () => undefined,
})
const report = (): StatusReport => ({
  gateway: "press-hall",
  startedAt: Date.UTC(2026, 0, 31),
  posture: { normal: mode.on ? "closed" : "open", essential: "open", because: mode.on ? ["island"] : [] },
  island: mode.on,
  policy: world.activation.status(),
  boundary: { packetFilter: "off", fault: null, radios: [] },
  emergencies: overrides.status(),
  access: access.status(),
  conduits: [
    {
      name: "sensors",
      listening: "127.0.0.1:8883",
      connections: 3,
      allowed: 1234567,
      denied: 12,
      failed: null,
      counters: null,
    },
  ],
  audit: { entries: log.events.length, publishing: "off" },
})
const recording = await openRecordingKeeper({
  storage: world.storage,
  clock: world.clock,
  engine: { startRecording: async () => undefined, collectRecording: async () => null },
  interval: () => ({ earliestAt: 0, latestAt: Infinity }),
  note: () => undefined,
  gateway: "press-hall",
})
const unused = async (): Promise<never> => {
  throw new Error("not asked here")
}
const noGpio = new MemoryGpio()
const lines = await startGpio({
  gpio: noGpio,
  clock: world.clock,
  storage: world.storage,
  config: { inputs: [], outputs: [] },
  outputs: await holdOutputs(noGpio, []),
  audit: log.audit,
  note: () => undefined,
  changed: () => undefined,
  shows: () => ({ island: false, fault: false }),
})
const people = {} as AccountHandlerDeps
const handlers = createHandlers({
  people,
  signingIn: {} as SigningIn,
  approvals: { approvals: { list: () => [], take: unused, withdraw: unused }, judge: () => null, carryOut: unused },
  policy: world.activation,
  incoming: createIncoming({ storage: world.storage, audit: log.audit }),
  recording,
  island: mode,
  overrides,
  lines,
  access,
  failures: { restore: async () => "Error at x.ts:1:1" },
  status: report,
  alarms: { list: () => [], acknowledge: unused },
  logKey: { rotate: unused },
  assess: async () => [],
  trust: { reload: unused, offer: unused, report: () => ({ authorities: [], own: [] }) },
  signedTimes: { nonce: () => ({ gateway: "gw", nonce: "n", validSeconds: 1 }), set: unused },
  trialSeconds: 300,
})
const door = createLocalSocket({
  path: at("run/command.sock"),
  commands: createManagement({ handlers, audit: log.audit }),
  clock: world.clock,
  audit: log.audit,
})
const here = ["--socket", at("run/command.sock")]

test.before(async () => {
  await copyFile(fileURLToPath(new URL("../../../policy/examples/pumping-station.yaml", import.meta.url)), example)
  await world.activation.start()
  await door.start()
  for (const [name, pem] of [
    ["anna.pem", anna.privatePem],
    ["bert.pem", bert.privatePem],
  ] as const) {
    // prettier-ignore
    await writeFile(at(name), pem, { mode: 0o600 })
  }
})
test.after(async () => {
  world.activation.stop()
  await door.stop()
  await rm(folder, { recursive: true })
})

/** Signed by Anna, approved by Bert. */
async function bundle(version: number): Promise<string> {
  const file = at(`${version}.jws`)
  assert.is(
    (await run(policySign, example, "--key", at("anna.pem"), "--version", String(version), "--out", file)).code,
    0,
  )
  assert.is((await run(policyApprove, file, "--key", at("bert.pem"), "--out", file)).code, 0)
  return file
}

test("[CR 2.1 RE(4)] a policy is signed by one and approved by another, with everything that was asked for", async () => {
  const args = ["--gateway", "press-hall", "--gateway", "pump-17", "--not-before", "2026-01-31", "--not-after", "2027-01-31T09:00+01:00"] // prettier-ignore
  const signed = await run(policySign, example, "--key", at("anna.pem"), "--version", "7", ...args)
  assert.is(signed.code, 0)
  assert.match(signed.err, "policy 7 (")
  assert.match(
    signed.err,
    "for press-hall, pump-17, valid from 2026-01-31T00:00:00.000Z until 2027-01-31T08:00:00.000Z",
  )
  await writeFile(at("7.jws"), signed.out)
  const approved = await run(policyApprove, at("7.jws"), "--key", at("bert.pem"))
  assert.match(approved.err, "about to be approved: policy 7")
  const { statement, signers, statementHash } = await verify(approved.out)
  assert.equal(signers, ["anna", "bert"])
  assert.equal(statement.gateways, ["press-hall", "pump-17"])
  assert.is(statement.policy, await readFile(example, "utf8"))
  const next = await run(policySign, example, "--key", at("anna.pem"), "--version", "8", "--predecessor", at("7.jws"))
  assert.is((await verify(next.out)).statement.predecessor, statementHash)
})

test("[CR 3.5] a policy with faults is not signed: every fault is a line, exit code 2", async () => {
  await writeFile(at("bad.yaml"), "lockgate-policy: 1\nzones: 7\ncolour: red\n")
  const { code, out, err } = await run(policySign, at("bad.yaml"), "--key", at("anna.pem"), "--version", "7")
  assert.equal([code, out], [2, ""])
  assert.ok(err.trim().split("\n").length >= 2, err)
  assert.match(err, "bad.yaml:2:")
})

const WRONG: readonly (readonly [what: string, args: readonly string[], said: string])[] = [
  ["no key", [example, "--version", "7"], "--key and --version are needed"],
  ["no file", ["--key", "anna.pem", "--version", "7"], "usage: lockgate policy sign"],
  ["an unknown option", [example, "--sign-hard"], "--sign-hard"],
  ["a version in words", [example, "--key", "anna.pem", "--version", "seven"], "the version is not an integer"],
  ["version 0", [example, "--key", "anna.pem", "--version", "0"], "the version is not an integer"],
  ["a day that is none", [example, "--key", "anna.pem", "--version", "7", "--not-after", "tomorrow"], "--not-after: expected a time"],
  ["an end before the begin", [example, "--key", "anna.pem", "--version", "7", "--not-before", "2027-01-01", "--not-after", "2026-01-01"], "notAfter is not after notBefore"],
  ["a gateway that is a pattern", [example, "--key", "anna.pem", "--version", "7", "--gateway", "press-*"], "gateways holds"],
  ["a key that is not there", [example, "--key", "none.pem", "--version", "7"], "there is no such file"],
  ["a key that is none", [example, "--key", "bad.pem", "--version", "7"], "expected PEM"],
  ["a predecessor that is none", [example, "--key", "anna.pem", "--version", "7", "--predecessor", "bad.pem"], "ERR_BUNDLE_MALFORMED"],
] // prettier-ignore
for (const [what, args, said] of WRONG) {
  test(`sign says what is wrong with ${what}, exit code 2, and writes nothing`, async () => {
    await writeFile(at("bad.pem"), "no key", { mode: 0o600 })
    const given = args.map((arg) => (arg.endsWith(".pem") ? at(arg) : arg))
    const { code, out, err } = await run(policySign, ...given, "--out", at("never.jws"))
    assert.equal([code, out], [2, ""])
    assert.match(err, said)
    assert.is(await stat(at("never.jws")).catch(() => null), null)
  })
}

test("a key file that others can read is warned of", async () => {
  await writeFile(at("open.pem"), anna.privatePem)
  await chmod(at("open.pem"), 0o644)
  const { code, err } = await run(policySign, example, "--key", at("open.pem"), "--version", "7")
  assert.is(code, 0)
  assert.match(err, "WARNING")
  assert.not.match(err, anna.privatePem.split("\n")[1]!)
})

test("approving twice with one key, or what is no bundle, is refused with its code", async () => {
  const file = await bundle(3)
  assert.match((await run(policyApprove, file, "--key", at("bert.pem"))).err, "ERR_ALREADY_SIGNED")
  const { code, err } = await run(policyApprove, example, "--key", at("bert.pem"))
  assert.is(code, 2)
  assert.match(err, "ERR_BUNDLE_MALFORMED")
})

test("[CR 7.4] a policy is activated, confirmed, replaced, rolled back, and the reader is told what to do next", async () => {
  const first = await run(policyActivate, await bundle(11), ...here)
  assert.is(first.code, 0, first.err)
  assert.match(first.out, /^policy 11 \(.+\) is in force, on trial until \d\d:\d\d:\d\d\n/)
  assert.match(
    first.out,
    `\`lockgate policy confirm 11 --socket ${here[1]}\` keeps it; otherwise no policy is in force again`,
  )
  const during = await run(status, ...here)
  assert.match(during.out, "ON TRIAL until")
  const early = await run(policyConfirm, "12", ...here)
  assert.is(early.code, 1)
  assert.match(early.err, /not possible now.*ERR_COMMAND_STATE.*entry \d+ of the audit log/)
  assert.is((await run(policyConfirm, "11", ...here)).out, "policy 11 is confirmed\n")
  const second = await run(policyActivate, await bundle(12), "--trial", "60", ...here)
  assert.match(second.out, "policy 11 comes back")
  assert.match((await run(policyRollback, ...here)).out, "policy 12 is dropped; policy 11 is in force again")
  const again = await run(policyActivate, at("12.jws"), ...here)
  assert.is(again.code, 1)
  assert.match(again.err, /nothing has changed \(ERR_POLICY_REFUSED\); entry \d+/)
  assert.is(log.events.at(-1)!.reason, "ERR_BUNDLE_VERSION")
  const shown = await run(status, ...here)
  assert.match(shown.out, /policy {4}11 \(.+\), signed by anna, bert, valid without end/)
  assert.match(shown.out, "sensors  127.0.0.1:8883  3 connected  1,234,567 allowed  12 denied")
  assert.is(JSON.parse((await run(status, "--json", ...here)).out).policy.inForce.version, 11)
})

test("[NDR 5.2 RE(2)] island on and off, and what the status says of it", async () => {
  assert.is(
    (await run(island, "on", ...here)).out,
    "island mode is on: normal flows are closed, essential flows go on\n",
  )
  assert.match((await run(island, "on", ...here)).out, "already on")
  assert.match(
    (await run(status, ...here)).out,
    /posture {3}normal closed, essential open, because: island\nisland {4}ON/,
  )
  assert.match((await run(island, "off", ...here)).out, "island mode is off")
  world.storage.fail({ step: "create", errno: "EIO", path: "island" })
  const volatile = await run(island, "on", ...here)
  assert.is(volatile.code, 1)
  assert.match(volatile.err, "WARNING")
  await run(island, "off", ...here)
})

test("[CR 2.1] an override on and off, and what the status says of it", async () => {
  overrides.policyChanged(makePolicy([makeRule({ topics: ["a"], emergency: "fire" })]))
  assert.match((await run(status, ...here)).out, /override {2}off: fire\n/)
  const started = await run(overrideStart, "fire", "--minutes", "30", "--reason", "smoke in hall 2", ...here)
  assert.match(started.out, /^override: fire is on until .*\d\d:\d\d:\d\d \(30 min\)\nit ends by itself then/)
  assert.match(
    (await run(status, ...here)).out,
    "override  fire is ON for 30 min more, by local:owner: smoke in hall 2\n",
  )
  assert.is(log.events.findLast(({ id }) => id === "override.started")?.detail?.["why"], "smoke in hall 2")
  assert.is((await run(overrideEnd, "fire", ...here)).out, "override: fire is off again\n")
  assert.is((await run(overrideEnd, "fire", ...here)).out, "override: fire was not on\n")
  overrides.policyChanged(null)
  assert.not.match((await run(status, ...here)).out, "override")
})

const CALLS: readonly (readonly [what: string, command: CliHandler, args: readonly string[], code: number, said: string])[] = [
  ["no gateway named", status, [], 2, "which gateway?"],
  ["a gateway that does not run", status, ["--socket", at("none.sock")], 1, "no gateway is running at"],
  ["a board file that is not there", status, ["--config", at("none.yaml")], 2, "there is no such file"],
  ["a board file with faults", status, ["--config", example], 2, "pumping-station.yaml:"],
  ["half open islands", island, ["ajar", ...here], 2, "state is not one of on, off"],
  ["no island state", island, here, 2, "usage: lockgate island on|off"],
  ["a bundle that is not there", policyActivate, [at("none.jws"), ...here], 2, "there is no such file"],
  ["a trial in words", policyActivate, [example, "--trial", "long", ...here], 2, "trialSeconds is not an integer"],
  ["a trial that is too short", policyActivate, [example, "--trial", "1", ...here], 2, "trialSeconds is not in 5..86400"],
  ["what is no bundle", policyActivate, [example, ...here], 1, "ERR_POLICY_REFUSED"],
  ["a version in words", policyConfirm, ["seven", ...here], 2, "version is not an integer"],
  ["two versions", policyConfirm, ["7", "8", ...here], 2, "usage: lockgate policy confirm"],
  ["an override without a reason", overrideStart, ["fire", "--minutes", "3", ...here], 2, "needs --minutes and --reason"],
  ["an override of nothing", overrideStart, ["--minutes", "3", "--reason", "x", ...here], 2, "usage: lockgate override start"],
  ["an override in words", overrideStart, ["fire", "--minutes", "0x10", "--reason", "x", ...here], 2, "minutes is not an integer"],
  ["an override for ever", overrideStart, ["fire", "--minutes", "481", "--reason", "x", ...here], 2, "minutes is not in 1..480"],
  ["an emergency that no policy names", overrideStart, ["fire", "--minutes", "3", "--reason", "x", ...here], 1, "not possible now"],
  ["a reason of blanks", overrideStart, ["fire", "--minutes", "3", "--reason", " ", ...here], 1, "ERR_COMMAND_ARGUMENT"],
  ["the end of nothing", overrideEnd, here, 2, "usage: lockgate override end"],
  ["a rollback without trial", policyRollback, here, 1, "not possible now"],
  ["an unknown option", policyRollback, ["--force", ...here], 2, "--force"],
] // prettier-ignore
for (const [what, command, args, code, said] of CALLS) {
  test(`${what}: exit code ${code} and one clear text`, async () => {
    const result = await run(command, ...args)
    assert.equal([result.code, result.out], [code, ""])
    assert.match(result.err, said)
  })
}

test("the socket is found through the board file as well", async () => {
  await writeFile(at("anna.pub.pem"), anna.publicPem)
  const board = [
    "lockgate-gateway: 1",
    "gateway: press-hall",
    "board: simulated",
    "state: state",
    "trust: { authorities: {}, policy-signers: { anna: anna.pub.pem }, policy-threshold: 1 }",
    "credentials: {}",
    "conduits: {}",
    "management: { socket: run/command.sock }",
  ]
  await writeFile(at("gateway.yaml"), board.join("\n"))
  const { code, out, err } = await run(status, "--config", at("gateway.yaml"))
  assert.is(code, 0, err)
  assert.match(out, "gateway   press-hall")
})

test("[CR 2.1 RE(4)] one signature of two is refused by the gateway", async () => {
  const file = at("20.jws")
  await run(policySign, example, "--key", at("anna.pem"), "--version", "20", "--out", file)
  const { code, err } = await run(policyActivate, file, ...here)
  assert.is(code, 1)
  assert.match(err, "ERR_POLICY_REFUSED")
  assert.is(log.events.at(-1)!.reason, "ERR_BUNDLE_SIGNATURES")
})

test("[CR 2.9] [CR 2.10] the status says how full the log is, and what to do where it wants somebody", () => {
  const MIB = 1024 * 1024
  const roomy = {
    level: "roomy" as const,
    usedBytes: 32 * MIB,
    limitBytes: 128 * MIB,
    capacityBytes: 128 * MIB,
    warnAtPercent: 80,
    firstSeq: 25_600,
    collected: 0,
    lost: 0,
    failing: false,
  }
  const words = (change: object): string => {
    const whole = report()
    return renderStatus({ ...whole, audit: { ...whole.audit, room: { ...roomy, ...change } } }, Date.UTC(2026, 0, 31))
      .filter((line, at, all) => line.startsWith("audit") || all.slice(0, at).some((one) => one.startsWith("audit")))
      .join("\n")
  }
  assert.match(words({}), "25 % of 128 MiB")
  assert.not.match(words({}), /FULL|LOST|all that the disk has/)
  assert.match(words({ limitBytes: 64 * MIB }), "50 % of 64 MiB (all that the disk has)")
  assert.match(words({ level: "nearly full" }), "NEARLY FULL: it warns at 80 %")
  assert.match(words({ level: "full" }), /FULL: the oldest entries make room; it begins at entry 25.600/)
  const blocked = words({ level: "blocked", lost: 1200, failing: true })
  assert.match(blocked, "FULL, AND NOTHING MAY BE DROPPED: normal flows are closed")
  assert.match(blocked, "collect the log, give it more room in the board file (audit: capacity)")
  assert.match(blocked, /1.200 EVENTS LOST since the start/)
  assert.match(blocked, "CANNOT BE WRITTEN: look at the disk")
})

test("the status of a gateway without policy, and control characters in a name, are harmless to read", async () => {
  const none = { inForce: null, trial: null, active: null, highest: 4, conditions: ["no-policy" as const] }
  const lines = renderStatus({ ...report(), policy: none, conduits: [] }, Date.UTC(2026, 0, 31))
  assert.ok(lines.includes("policy    NONE: every conduit is closed; the next one needs version 5 or more"))
  assert.ok(lines.includes("conduits  none"))
  const { printable } = await import("../../../firmware/cli/text.ts")
  assert.is(printable("a\u001b[2Jb\rc\u0085d\nü€"), "a?[2Jb?c?d\nü€")
})

test.run()
