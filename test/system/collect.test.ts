/** The collector as a process of its own, between a real mosquitto and two logs that are small and may drop only what is collected. */
import { spawn, type ChildProcess } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect } from "node:net"
import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { AuditLog } from "../../firmware/audit/log.ts"
import { dialMqtt, dialReader, type MqttLink } from "../../firmware/audit/mqtt-link.ts"
import { nodeSha256, verifyNoteSignature } from "../../firmware/audit/note-functions.ts"
import { runRetainedSession } from "../../firmware/audit/retained-session.ts"
import { openRetainedWindow } from "../../firmware/audit/retained-window.ts"
import { openRetention, type Retention } from "../../firmware/audit/retention.ts"
import { EXIT } from "../../firmware/cli/exit-codes.ts"
import { auditCollect } from "../../firmware/cli/audit-collect.ts"
import { auditExport } from "../../firmware/cli/audit-export.ts"
import { auditShow } from "../../firmware/cli/audit-show.ts"
import { auditVerify } from "../../firmware/cli/audit-verify.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { parseCosignerKey, readCosigned } from "../../policy/audit/witness/cosignature.ts"
import { witnessFilter } from "../../policy/audit/witness/place.ts"
import { DEFAULT_AUDIT_STORAGE } from "../../policy/language/audit-shape.ts"
import { opensslAuthority, opensslCertificate } from "../peers/openssl.ts"
import { startMosquitto, type Mosquitto } from "../peers/mosquitto.ts"
import { openTestLog, sampleEvent } from "../support/audit.ts"
import { runCli } from "../support/cli-io.ts"

const test = suite("system/collect")
const CLI = fileURLToPath(new URL("../../firmware/cli.ts", import.meta.url))
const FUNCTIONS = { sha256: nodeSha256, verify: verifyNoteSignature }
const clock = createLinuxClock()
const top = mkdtempSync(join(tmpdir(), "lockgate-collect-"))
const store = join(top, "store")
let broker: Mosquitto
let cosigner: NoteKey
let files: string[] = []

/** A gateway's log with room for little, at the broker; it hears its collector and drops what that has. */
interface TestGateway {
  readonly name: string
  readonly log: AuditLog
  readonly retention: Retention
  readonly conditions: Set<string>
  /** What was acknowledged, verified. */
  readonly acknowledged: number[]
  /** Bundles of 256 entries; how many entries were refused. */
  bundles(count: number): Promise<number>
  stop(): Promise<void>
}

const openStream = async () => {
  const socket = connect(broker.port, "127.0.0.1")
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject))
  return socket
}

async function until(what: string, fits: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(await fits())) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}\n${output}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function startTestGateway(name: string): Promise<TestGateway> {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage, { gateway: name })
  const conditions = new Set<string>()
  const retention = await openRetention({
    ...{ log, storage, clock, capacityBytes: 2 * 1024 * 1024 },
    condition(condition, holds) {
      if (holds) conditions.add(condition)
      else conditions.delete(condition)
    },
    dropped: async () => undefined,
  })
  await retention.policyChanged({ audit: { ...DEFAULT_AUDIT_STORAGE, overwriteUncollected: false } })
  const link: MqttLink = await dialMqtt({ gateway: name, openStream })
  const window = await openRetainedWindow(new MemoryStorage())
  const stopping = new AbortController()
  const session = runRetainedSession({
    ...{ link, log, window, clock, gateway: name, edgeEveryMs: 200, windowBytes: () => 512 * 1024 },
    ...{ signal: stopping.signal, report: () => undefined },
  })
  const acknowledged: number[] = []
  const ears = await dialReader({ clientId: `ears-${name}`, openStream })
  ears.onMessage(async ({ payload }) => {
    const said = await readCosigned(FUNCTIONS, originOf(name), cosigner, Buffer.from(payload).toString())
    if (said === null) return
    acknowledged.push(said.checkpoint.size)
    void retention.collected(said.checkpoint.size).catch(() => undefined)
  })
  await ears.subscribe([witnessFilter(name)])
  return {
    ...{ name, log, retention, conditions, acknowledged },
    async bundles(count) {
      let refused = 0
      for (let n = 0; n < count; n++) {
        const appends = Array.from({ length: 256 }, (_, k) => log.append({ ...sampleEvent("x".repeat(300)), count: k + 1 })) // prettier-ignore
        for (const one of await Promise.allSettled(appends)) if (one.status === "rejected") refused++
        await retention.measure()
      }
      return refused
    },
    async stop() {
      if (stopping.signal.aborted) return
      stopping.abort()
      await retention.stop()
      await session.ended
      await link.close()
      await ears.close()
      await log.close()
    },
  }
}

let output = ""
let collector: ChildProcess | null = null

function collectArgs(...more: string[]): string[] {
  const login = ["--broker", `mqtts://127.0.0.1:${broker.tlsPort}`, ...files]
  return [...login, "--store", store, "--key", join(top, "key"), "--inventory", join(top, "inventory"), ...more]
}

function startCollector(...more: string[]): void {
  const args = ["audit", "collect", ...collectArgs("--clock-bound", "2", "--json", ...more)]
  collector = spawn(process.execPath, [...process.execArgv, CLI, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  for (const stream of [collector.stdout, collector.stderr]) stream?.on("data", (chunk: Buffer) => (output += chunk.toString())) // prettier-ignore
}

function endCollector(signal: NodeJS.Signals): Promise<number | null> {
  const one = collector
  collector = null
  if (one === null || one.exitCode !== null) return Promise.resolve(one?.exitCode ?? null)
  return new Promise((resolve) => {
    one.once("close", resolve)
    one.kill(signal)
  })
}

let one: TestGateway
let two: TestGateway

test.before(async () => {
  const ca = opensslAuthority(top, "ca", null, "EC")
  const tls = opensslCertificate(top, "broker", { issuer: ca, usage: "server", san: ["IP:127.0.0.1"], algorithm: "EC" })
  const own = opensslCertificate(top, "collector", { issuer: ca, usage: "client", algorithm: "EC" })
  broker = await startMosquitto({ quiet: true, plain: true, tls: { ca: ca.cert, cert: tls.cert, key: tls.key, requireCert: true }, config: ["message_size_limit 0"] }) // prettier-ignore
  files = ["--ca", ca.cert, "--cert", own.cert, "--cert-key", own.key]
  const ran = await runCli((io) => auditCollect(["--new-key", join(top, "key"), "--name", "desk"], io))
  assert.is(ran.code, 0, ran.err)
  assert.is(statSync(join(top, "key")).mode & 0o777, 0o600)
  cosigner = parseCosignerKey(nodeSha256, ran.out.trim())
  ;[one, two] = [await startTestGateway("gw-one"), await startTestGateway("gw-two")]
  writeFileSync(join(top, "inventory"), `# plant\n${keyOf(one)}\ngw-two=${keyOf(two)}\n`)
})

test.after(async () => {
  await endCollector("SIGKILL")
  await one?.stop()
  await two?.stop()
  await broker?.stop()
  rmSync(top, { recursive: true, force: true })
})

const keyOf = ({ log }: TestGateway): string => encodeNoteKey(nodeSha256, log.key)
const copyOf = ({ name }: TestGateway): string => join(store, "logs", name)

test("[CR 2.9] with a collector a small log never closes; what it drops is in the copy, and the copy verifies", async () => {
  startCollector()
  await until("both are acknowledged", () => one.acknowledged.length > 0 && two.acknowledged.length > 0)
  await two.bundles(2)
  for (let n = 0; n < 18; n++) {
    assert.is(await one.bundles(1), 0)
    // As fast as a collector follows: the room between warning and full is what it has.
    await until("it is collected", () => one.retention.status.collected >= one.log.size - 600)
    assert.not(one.conditions.has("log-full-uncollected"), "normal flows are never closed")
  }
  assert.ok(one.log.firstSeq >= 256, "the oldest entries have made room")
  await until("all of it is acknowledged", () => one.acknowledged.at(-1) === one.log.size)
  await until("and of the other one", () => two.acknowledged.at(-1) === two.log.size)
  assert.is(await endCollector("SIGTERM"), 0, output)
  for (const gateway of [one, two]) {
    const ran = await runCli((io) => auditVerify([copyOf(gateway), "--key", keyOf(gateway), "--json"], io))
    assert.is(ran.code, 0, ran.out + ran.err)
    const verdict = JSON.parse(ran.out) as { from: number; entries: number }
    assert.equal([verdict.from, verdict.entries], [0, gateway.log.size], "older entries survive in the copy")
  }
  const ran = await runCli((io) => auditExport(["--state", copyOf(one), "--format", "ocsf", "--seq", "0..9"], io))
  assert.is(ran.out.split("\n").length, 11)
  const proved = await runCli((io) => auditShow(["0", "--state", copyOf(one), "--key", keyOf(one)], io))
  assert.is(proved.code, 0, proved.err)
})

test("[CR 2.10] without one the log closes normal flows rather than drop what nobody has; the collector, back, opens them", async () => {
  let refused = 0
  for (let n = 0; n < 40 && refused === 0; n++) refused = await one.bundles(1)
  assert.ok(refused > 0)
  assert.ok(one.conditions.has("log-full-uncollected"), [...one.conditions].join())
  startCollector()
  await until("there is room", async () => {
    await one.retention.measure()
    return !one.conditions.has("log-full-uncollected")
  })
  assert.is(await one.bundles(1), 0)
  await until("it is acknowledged", () => one.acknowledged.at(-1) === one.log.size)
})

test("[CR 2.9] a collector that is killed again and again acknowledges nothing that its store has not", async () => {
  await endCollector("SIGKILL")
  for (let kill = 0; kill < 4; kill++) {
    const before = one.acknowledged.length
    startCollector()
    const work = one.bundles(2).then(() => two.bundles(1))
    await until("it is at work", () => one.acknowledged.length > before)
    await endCollector("SIGKILL")
    const size = one.acknowledged.at(-1) ?? 0
    const ran = await runCli((io) => auditVerify([copyOf(one), "--key", keyOf(one), "--json"], io))
    assert.is(ran.code, 0, ran.out + ran.err)
    assert.ok((JSON.parse(ran.out) as { entries: number }).entries >= size, `${size} acknowledged`)
    await work
  }
  const done = await runCli((io) => auditCollect(collectArgs("--clock-bound", "2", "--once"), io))
  assert.is(done.code, 0, done.out + done.err)
  assert.match(done.out, /gw-one {2}current .* cosigned\n/)
  assert.match(done.out, /gw-two {2}current /)
})

test("[CR 3.9] another log under the name of one gateway is refused with evidence; the other one goes on", async () => {
  await one.stop()
  const forged = await startTestGateway("gw-one")
  writeFileSync(join(top, "inventory"), `${keyOf(forged)}\n${keyOf(two)}\n`)
  try {
    await forged.log.append(sampleEvent("another log"))
    await forged.bundles(1)
    await two.bundles(1)
    // Until the broker shows what the other one has signed, there is nothing to be refused.
    let ran = { code: -1, out: "", err: "" }
    await until("the other log is accused", async () => {
      ran = await runCli((io) => auditCollect(collectArgs("--clock-bound", "2", "--once"), io))
      output = ran.out + ran.err
      return /gw-one {2}accused/.test(ran.out)
    })
    assert.is(ran.code, EXIT.wrong, ran.out + ran.err)
    assert.match(ran.out, /FORKED: .*evidence\/gw-one\/fork-/)
    for (const name of readdirSync(join(store, "evidence/gw-one"))) {
      const kept = JSON.parse(readFileSync(join(store, "evidence/gw-one", name), "utf8")) as Record<string, string>
      assert.match(kept["known"] ?? "", /^lockgate\/gw-one\/log\n\d+\n/)
      assert.match(kept["shown"] ?? "", /^lockgate\/gw-one\/log\n\d+\n/)
      assert.is.not(kept["known"], kept["shown"])
    }
    assert.match(ran.out, /gw-two {2}current /)
    assert.not.match(ran.out, /gw-one {2}current /)
    const isOld = forged.acknowledged.every((size) => size > forged.log.size)
    assert.ok(isOld, "nothing of the other log was cosigned")
  } finally {
    await forged.stop()
    one = forged
  }
})

test("what is missing or wrong in the arguments is told before anything is done", async () => {
  const run = (...args: string[]) => runCli((io) => auditCollect(args, io))
  for (const [args, words] of [
    [[], /--store/],
    [["--store", store], /whose logs/],
    [["--store", store, "--inventory", join(top, "none")], /--inventory: .*cannot be read/],
    [["--store", store, "--gateway", "gw=x"], /--gateway: line 1/],
    [["--store", store, "--inventory", join(top, "inventory")], /--new-key/],
    [["--store", store, "--inventory", join(top, "inventory"), "--key", join(top, "inventory")], /--key: not the key/],
    [["--store", store, "--inventory", join(top, "inventory"), "--key", join(top, "key")], /--broker/],
    [collectArgs("--broker", "mqtt://x"), /--broker: /],
    [collectArgs("--clock-bound", "soon"), /--clock-bound/],
    [["--new-key", join(top, "key"), "--name", "a b"], /--name/],
  ] as const) {
    const ran = await run(...args)
    assert.is(ran.code, EXIT.usage, ran.err)
    assert.match(ran.err, words)
  }
  const taken = await run("--new-key", join(top, "key"), "--name", "desk")
  assert.is(taken.code, EXIT.unreadable, "a key is never overwritten")
  assert.ok(!readFileSync(join(top, "key"), "utf8").includes(taken.err) && readdirSync(top).includes("key"))
})

test.run()
