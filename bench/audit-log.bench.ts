/**
 * The audit log: entries a second that are on disk when they are acknowledged, against SQLite (WAL, synchronous=FULL) and a plain
 * file with an fsync each; the same without waiting; verifying a log; and what a day of it writes to flash.
 *
 *     node bench/audit-log.bench.ts [--quick]
 *
 * All on the file system of the temporary folder (LOCKGATE_BENCH_FOLDER names another one). classic-level is not installed here.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { openAuditLog, type AuditLog } from "../firmware/audit/log.ts"
import { nodeSha256, verifyNoteSignature } from "../firmware/audit/note-functions.ts"
import { createLinuxClock } from "../hal/linux/clock.ts"
import { createFileKeyStore } from "../hal/linux/key-store.ts"
import { openLinuxStorage } from "../hal/linux/storage.ts"
import { encodeEntry } from "../policy/audit/entry.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import { verifyLog } from "../policy/audit/tlog/verify-log.ts"
import { median, report, table } from "./harness.ts"

const quick = process.argv.includes("--quick")
const wanting = loadavg()[0] ?? NaN
const ROUNDS = quick ? 3 : 15
const ENTRIES = quick ? 2_000 : 8_000
const SYNCED = quick ? 100 : 400
/** Events that wait at once: what a flood of denials on a few hundred connections brings. */
const LANES = 256

const EVENT: AuditEvent = {
  id: "conduit.denied",
  outcome: "failure",
  source: "conduit/field",
  subject: "pump-17",
  conduit: "field",
  object: "plant/line-a/pump-17/set/speed",
  rule: "operators may set speeds",
  reason: "no-rule",
  detail: { action: "publish", bytes: 48, peer: "10.20.30.40", certificate: "a3".repeat(16) },
}

const folder = mkdtempSync(join(process.env["LOCKGATE_BENCH_FOLDER"] ?? tmpdir(), "lockgate-audit-bench-"))
const clock = createLinuxClock()

async function openLog(name: string): Promise<{ log: AuditLog; close: () => Promise<void> }> {
  const storage = await openLinuxStorage(join(folder, name))
  const interval = (): { earliestAt: number; latestAt: number } => ({ earliestAt: 1e12, latestAt: 2e12 })
  const keyStore = createFileKeyStore(storage)
  const log = await openAuditLog({ storage, clock, keyStore, gateway: "gw", bootId: "b".repeat(36), interval })
  return {
    log,
    close: async () => {
      await log.close()
      await storage.close()
    },
  }
}

async function secondsOf(work: () => unknown): Promise<number> {
  const begin = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - begin) / 1e9
}

/** `entries` appended by `lanes` that each wait for the one before. */
async function append(log: AuditLog, entries: number, lanes: number): Promise<void> {
  let left = entries
  const lane = async (): Promise<void> => {
    while (left-- > 0) await log.append(EVENT)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

const line = (seq: number): Uint8Array =>
  encodeEntry({
    seq,
    event: EVENT,
    boot: "b".repeat(36),
    gateway: "gw",
    wallAt: 1.8e12,
    monotonicMs: seq,
    time: { earliestAt: 1e12, latestAt: 2e12 },
  })

const database = new DatabaseSync(join(folder, "log.sqlite"))
database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE log(seq INTEGER PRIMARY KEY, entry BLOB)")
const insert = database.prepare("INSERT INTO log(entry) VALUES (?)")
const plain = openSync(join(folder, "plain"), "a")
const { log, close } = await openLog("log")

type Rate = readonly [name: string, perSecond: () => Promise<number>]
const contenders: readonly Rate[] = [
  [`lockgate, ${LANES} waiting`, async () => ENTRIES / (await secondsOf(() => append(log, ENTRIES, LANES)))],
  ["lockgate, one at a time", async () => SYNCED / (await secondsOf(() => append(log, SYNCED, 1)))],
  [
    "SQLite, a transaction each",
    async () => SYNCED / (await secondsOf(() => range(SYNCED, (k) => insert.run(line(k))))),
  ],
  [
    `SQLite, ${LANES} a transaction`,
    async () =>
      ENTRIES /
      (await secondsOf(() => {
        range(ENTRIES, (k) => {
          if (k % LANES === 0) database.exec("BEGIN")
          insert.run(line(k))
          if (k % LANES === LANES - 1 || k === ENTRIES - 1) database.exec("COMMIT")
        })
      })),
  ],
  [
    "plain file, fdatasync each",
    async () =>
      SYNCED /
      (await secondsOf(() =>
        range(SYNCED, (k) => {
          writeSync(plain, line(k))
          fdatasyncSync(plain)
        }),
      )),
  ],
  [
    "plain file, not durable",
    async () => ENTRIES / (await secondsOf(() => range(ENTRIES, (k) => writeSync(plain, line(k))))),
  ],
]

function range(count: number, action: (k: number) => unknown): void {
  for (let k = 0; k < count; k++) action(k)
}

const rates = contenders.map((): number[] => [])
for (let round = -1; round < ROUNDS; round++) {
  for (let k = 0; k < contenders.length; k++) {
    const at = (k + Math.max(0, round)) % contenders.length
    const rate = await contenders[at]![1]()
    if (round >= 0) rates[at]!.push(rate)
  }
}
database.close()
closeSync(plain)

/** Ratio by round, and the lower end of the 95 % interval of its median. */
function against(base: number): readonly [middle: number, low: number] {
  const each = rates[0]!.map((rate, round) => rate / rates[base]![round]!).sort((a, b) => a - b)
  const low = Math.max(0, Math.floor(each.length / 2) - Math.ceil(0.98 * Math.sqrt(each.length)))
  return [median(each), each[low]!]
}

const [toSqlite, lowToSqlite] = against(2)
const appendTable = table(
  ["append", "entries/s (median)"],
  contenders.map(([name], k) => [name, Math.round(median(rates[k]!)).toLocaleString("en")]),
)

const source = { checkpoint: async () => log.checkpoint.note, piece: (path: string) => log.piece(path) }
const bytesOfEntry = line(1_000_000).length
const verifying: number[] = []
for (let round = 0; round < (quick ? 2 : 5); round++) {
  const seconds = await secondsOf(async () => {
    const verdict = await verifyLog({ sha256: nodeSha256, verify: verifyNoteSignature, keys: [log.key] }, source)
    if (verdict.faults.length > 0 || verdict.entries !== log.size) throw new Error(JSON.stringify(verdict.faults[0]))
  })
  verifying.push(log.size / seconds)
}
const verified = median(verifying)

/** Bytes that this process has handed to the disk or its cache, less what it cancelled by removing files first. */
function written(): number {
  const io = readFileSync("/proc/self/io", "latin1")
  const field = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(io)?.[1] ?? 0)
  return field("write_bytes") - field("cancelled_write_bytes")
}

/** Bytes written for each entry when `batch` come together every `everyMs`. */
async function flashPerEntry(entries: number, batch: number, everyMs: number): Promise<number> {
  const before = written()
  for (let done = 0; done < entries; done += batch) {
    await append(log, batch, batch)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
  return (written() - before) / entries
}

const quiet = await flashPerEntry(quick ? 2 : 8, 1, 1_300)
const busy = await flashPerEntry(quick ? 1_000 : 8_000, 100, 100)
await close()
rmSync(folder, { recursive: true })

const MEGA = 1e6
const flash = table(
  ["gateway", "entries a day", "bytes an entry", "MB a day"],
  [
    ["quiet", "1,000", Math.round(quiet).toLocaleString("en"), ((quiet * 1_000) / MEGA).toFixed(1)],
    ["busy", "1,000,000", Math.round(busy).toLocaleString("en"), ((busy * 1_000_000) / MEGA).toFixed(0)],
  ],
)

const body = [
  `${wanting.toFixed(1)} processes wanted one of the cores before it began. An entry has ${bytesOfEntry} bytes. Durable: on disk (fdatasync) before it is acknowledged; the log also hashes, signs once a batch and writes tiles.`,
  appendTable,
  `Durable entries/s against SQLite (a transaction each): ${toSqlite.toFixed(1)}x, lower end of the 95 % interval ${lowToSqlite.toFixed(1)}x; ` +
    `must: at least 5x, ${lowToSqlite >= 5 ? "reached" : "MISSED"}. One at a time: ${(median(rates[1]!) / median(rates[2]!)).toFixed(2)}x.`,
  `classic-level is not installed here and was not measured.`,
  `Verifying a whole log (${log.size.toLocaleString("en")} entries, from disk): ${Math.round(verified).toLocaleString("en")} entries/s, ` +
    `${((verified * bytesOfEntry) / MEGA).toFixed(0)} MB/s.`,
  flash,
  `Flash: bytes that the kernel accounts to this process (\`write_bytes\` less \`cancelled_write_bytes\`), each dirtied page once; file system metadata and what the flash itself adds are not in it.`,
].join("\n\n")
if (quick) console.log(`\n${body}\n`)
else report("Audit log", body)
