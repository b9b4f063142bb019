/**
 * Collecting a gateway's log from a real mosquitto: every bundle and tile fetched, verified against the signed root and on disk, as
 * `lockgate audit collect` does it, against floors that verify nothing.
 *
 *     node bench/audit-collect.bench.ts [--quick]
 *
 * The floors: the same messages by a plain mqtt.js client, each hashed once with SHA-256; the same, and each a file that is on disk before
 * the next; and, as another way to hand on a verified history, `git clone` of a `git bundle` with the same lines in files of 256.
 * Clear text on loopback for all. Interleaved rounds, each with an empty store; ratios are taken round by round.
 */
import { execFileSync } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect as connectTcp } from "node:net"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { connectAsync } from "mqtt"
import { makeCosignerKey, parseCosignerSecret } from "../firmware/audit/collect-key.ts"
import { openCollectGateway } from "../firmware/audit/collect-gateway.ts"
import { runCollector } from "../firmware/audit/collector.ts"
import { dialReader } from "../firmware/audit/mqtt-link.ts"
import { createLinuxClock } from "../hal/linux/clock.ts"
import { openLinuxStorage } from "../hal/linux/storage.ts"
import { startMosquitto } from "../test/peers/mosquitto.ts"
import { makeLog, plantEvents, startFeeder } from "../test/support/console-feed.ts"
import { median, report, table } from "./harness.ts"

const quick = process.argv.includes("--quick")
const wanting = loadavg()[0] ?? NaN
const ENTRIES = quick ? 5_000 : 50_000
const ROUNDS = quick ? 2 : 9
const GATEWAY = "bench"

const top = mkdtempSync(join(process.env["LOCKGATE_BENCH_FOLDER"] ?? tmpdir(), "lockgate-collect-bench-"))
const log = makeLog(GATEWAY)
const lines = log.add(plantEvents(ENTRIES))
const retained = log.retained()
const bytes = retained.reduce((sum, { payload }) => sum + payload.length, 0)
const broker = await startMosquitto({ quiet: true, config: ["max_queued_messages 0"] })
const feeder = await startFeeder(broker.port)
await feeder.retain(retained)
await feeder.end()

const clock = createLinuxClock()
const cosigner = parseCosignerSecret(makeCosignerKey("bench"))
let stores = 0
const freshFolder = (): string => join(top, `store-${stores++}`)

async function socket() {
  const made = connectTcp(broker.port, "127.0.0.1")
  await new Promise((resolve, reject) => made.once("connect", resolve).once("error", reject))
  return made
}

/** All of it, as `lockgate audit collect --once` does. */
async function collected(): Promise<void> {
  const storage = await openLinuxStorage(freshFolder())
  const now = async (): Promise<number> => Math.floor(Date.now() / 1000)
  const gateway = await openCollectGateway({ gateway: GATEWAY, keys: [log.key], storage, cosigner, now, told: () => undefined }) // prettier-ignore
  await runCollector({
    brokers: [{ name: "broker", dial: () => dialReader({ clientId: "collector", openStream: socket }) }],
    ...{ gateways: new Map([[GATEWAY, gateway]]), clock, once: true, signal: new AbortController().signal },
    nonce: () => randomBytes(16).toString("base64url"),
    told: () => undefined,
  })
  await storage.close()
  const { state, size, text } = gateway.status
  if (state !== "current" || size !== ENTRIES) throw new Error(`${state} ${size}: ${text}`)
}

/** The same messages, each hashed, and with `keep` a file each. */
async function fetched(keep: ((name: string, payload: Buffer) => Promise<void>) | null): Promise<void> {
  const client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, { protocolVersion: 4 })
  let left = retained.length
  await new Promise<void>((resolve, reject) => {
    const came = (): void => {
      if (--left === 0) resolve()
    }
    client.handleMessage = ({ topic, payload }, done) => {
      const whole = typeof payload === "string" ? Buffer.from(payload) : payload
      createHash("sha256").update(whole).digest()
      if (keep === null) {
        came()
        done()
        return
      }
      keep(topic, whole).then(() => {
        came()
        done()
      }, reject)
    }
    client.subscribeAsync(`lockgate/${GATEWAY}/log/#`, { qos: 1 }).catch(reject)
  })
  await client.endAsync()
}

async function fetchedToDisk(): Promise<void> {
  const storage = await openLinuxStorage(freshFolder())
  await fetched((topic, payload) => storage.write(`audit/${topic.replaceAll("/", "-")}`, payload))
  await storage.close()
}

const git = (cwd: string, ...args: string[]): void =>
  void execFileSync("git", ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "core.fsync=all", ...args], { cwd, stdio: "ignore" }) // prettier-ignore

/** A bundle of the same lines; null where there is no git. */
function gitBundle(): string | null {
  const folder = join(top, "git")
  mkdirSync(folder)
  try {
    git(folder, "init", "--quiet")
  } catch {
    return null
  }
  for (let first = 0; first < ENTRIES; first += 256)
    writeFileSync(join(folder, String(first)), Buffer.concat(lines.slice(first, first + 256).map((line) => Buffer.concat([line, Buffer.from("\n")])))) // prettier-ignore
  git(folder, "add", ".")
  git(folder, "commit", "--quiet", "--message=log")
  git(folder, "bundle", "create", "--quiet", join(top, "log.bundle"), "HEAD")
  return join(top, "log.bundle")
}

const bundle = gitBundle()
const contenders: readonly (readonly [name: string, run: () => Promise<void>])[] = [
  ["lockgate audit collect: verified, on disk, cosigned", collected],
  ["floor: mqtt.js, each message hashed once", () => fetched(null)],
  ["floor: the same, each message a file on disk", fetchedToDisk],
  ...(bundle === null ? [] : [["git clone of a bundle file (no broker)", async () => git(top, "clone", "--quiet", "--bare", bundle, freshFolder())] as const]), // prettier-ignore
]
const seconds = contenders.map((): number[] => [])
for (let round = -1; round < ROUNDS; round++)
  for (let k = 0; k < contenders.length; k++) {
    const at = (k + Math.max(0, round)) % contenders.length
    const begin = process.hrtime.bigint()
    await contenders[at]![1]()
    if (round >= 0) seconds[at]!.push(Number(process.hrtime.bigint() - begin) / 1e9)
  }
await broker.stop()
rmSync(top, { recursive: true })

const against = (k: number, base: number): string =>
  `${median(seconds[k]!.map((one, round) => one / seconds[base]![round]!)).toFixed(2)}x`
const whole = (rate: number): string => Math.round(rate).toLocaleString("en")
const body = [
  `${wanting.toFixed(1)} processes wanted one of the cores before it began. ${whole(ENTRIES)} entries, ${(bytes / 1e6).toFixed(1)} MB in ${retained.length} retained messages, ${ROUNDS} rounds, an empty store for each.`,
  table(
    ["collected by", "entries/s (median)", "time against hashing alone", "against hashing and a file each"],
    contenders.map(([name], k) => [name, whole(ENTRIES / median(seconds[k]!)), against(k, 1), against(k, 2)]),
  ),
].join("\n\n")
if (quick) console.log(`\n${body}\n`)
else report("Collecting a log", body)
