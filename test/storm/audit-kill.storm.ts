/**
 * Process kills (not power cuts) over a log that is being written: `kill -9` at any moment, start again, and nothing that was
 * acknowledged is missing, but for what the log itself says it gave up. Run it by itself for the long form:
 * `node test/storm/audit-kill.storm.ts 500`.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { openLinuxStorage } from "../../hal/linux/storage.ts"
import { folderReader, verifyFolder } from "../support/independent-log-verifier.ts"
import { folderOfStorage, judgeFolder } from "../support/log-folder.ts"
import { parseEntry } from "../../policy/audit/entry.ts"
import { openTestLog } from "../support/audit.ts"
import { seeded } from "../support/hostile.ts"

/** What a storm counted. */
export interface AuditKillFigures {
  readonly rounds: number
  readonly acknowledged: number
  /** Acknowledged entries that are not in the log, or are another one there. */
  readonly lost: number
  /** Missing or damaged bundles reported, and gaps in the numbers: there is no cause for any. */
  readonly falseAlarms: number
  /** Torn tails that were repaired. */
  readonly repaired: number
  readonly entries: number
  /** The first entry that is still there. */
  readonly dropped: number
}

/** What the process does beside appending: nothing, or the oldest bundles go all the while. */
export type KillForm = "keeps" | "drops"

/** Kill a process that appends, `rounds` times, each at a random moment of up to `longestMs` after its first entry. */
export async function auditKillStorm(
  rounds: number,
  form: KillForm = "keeps",
  seed = 1,
  longestMs = 120,
): Promise<AuditKillFigures> {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-kill-"))
  try {
    const random = seeded(seed)
    const acknowledged = new Map<number, string>()
    let twice = 0
    for (let round = 0; round < rounds; round++) {
      for (const [seq, name] of await killedRound(folder, round, form, random() * longestMs)) {
        if (acknowledged.has(seq)) twice++
        acknowledged.set(seq, name)
      }
    }
    return await judge(folder, rounds, acknowledged, twice)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function killedRound(folder: string, round: number, form: KillForm, delayMs: number): Promise<Map<number, string>> {
  const appender = fileURLToPath(new URL("audit-appender.ts", import.meta.url))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [appender, folder, String(round), form], {
      stdio: ["ignore", "pipe", "pipe"],
    })
    let [said, complained] = ["", ""]
    child.stdout.setEncoding("utf8").once("data", () => setTimeout(() => child.kill("SIGKILL"), delayMs))
    child.stdout.on("data", (text: string) => (said += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complained += text))
    child.on("close", (_code, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`round ${round} ended by itself: ${complained}`))
      const pairs = [...said.matchAll(/^(\d+) (\S+)\n/gm)].map(([, seq, name]) => [Number(seq), name ?? ""] as const)
      resolve(new Map(pairs))
    })
  })
}

async function judge(
  folder: string,
  rounds: number,
  acknowledged: Map<number, string>,
  twice: number,
): Promise<AuditKillFigures> {
  const storage = await openLinuxStorage(folder)
  const log = await openTestLog(storage, { clock: createLinuxClock() })
  const first = log.firstSeq
  const entries = (await log.read(first, log.size)).map(({ line }) => parseEntry(line))
  let lost = twice
  for (const [seq, name] of acknowledged) if (seq >= first && entries[seq - first]?.object !== name) lost++
  const gaps =
    entries.filter((entry, index) => entry.seq !== first + index).length + (log.size - first - entries.length)
  const told = entries.filter((entry) => entry.event === "audit.damaged").length
  const repaired = entries.filter((entry) => entry.event === "audit.repaired").length
  const falseAlarms = gaps + told + log.state.damage.length + (log.state.rolledBack ? 1 : 0)
  await log.close()
  // The folder as anybody would check it: with the verifier of the house, and with one that shares no code with it.
  const { faults, dropped } = await judgeFolder(await folderOfStorage(storage), [log.key], { from: first })
  if (dropped < first) throw new Error(`entries below ${first} are gone, and the log says ${dropped}`)
  if (faults.length > 0) throw new Error(JSON.stringify(faults.slice(0, 3)))
  if (first === 0) await verifyFolder(folderReader(join(folder, "audit")), log.key)
  await storage.close()
  return { rounds, acknowledged: acknowledged.size, lost, falseAlarms, repaired, entries: entries.length, dropped }
}

if (import.meta.main) {
  for (const form of ["keeps", "drops"] as const) {
    const figures = await auditKillStorm(Number(process.argv[2] ?? 500) / 2, form, Date.now())
    console.log(`audit log, process kills, ${form}: ${JSON.stringify(figures)}`)
    if (figures.lost !== 0 || figures.falseAlarms !== 0) process.exitCode = 1
  }
}
