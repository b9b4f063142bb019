import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { arch, cpus, platform, release, totalmem } from "node:os"
import { fileURLToPath } from "node:url"
import { Bench } from "tinybench"

/** Something to measure: `run` does `operations` of them. */
export interface Case {
  readonly name: string
  readonly operations: number
  readonly run: () => unknown
}

/** One case over all rounds, in nanoseconds an operation. */
export interface Measured {
  readonly name: string
  readonly median: number
  /** Median absolute deviation from the median. */
  readonly mad: number
  readonly min: number
  /** By round, in order. */
  readonly rounds: readonly number[]
}

/** Ratio of two cases, taken round by round: the machine's mood cancels out. */
export interface Ratio {
  readonly median: number
  /** Ends of the 95 % interval of the median. */
  readonly low: number
  readonly high: number
}

/** How often is measured. */
export interface MeasureOptions {
  /** Interleaved rounds that count, after two that do not. */
  readonly rounds?: number
  /** Runs of a case in one round, of which the median counts. */
  readonly iterations?: number
}

const WARM_UP_ROUNDS = 2

/**
 * Measure `cases` in interleaved rounds: every round runs each case, and begins with another one. In one round a case runs
 * under tinybench `iterations` times.
 */
export function measure(cases: readonly Case[], { rounds = 15, iterations = 5 }: MeasureOptions = {}): Measured[] {
  const samples = cases.map((): number[] => [])
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    for (let k = 0; k < cases.length; k++) {
      const index = (k + Math.max(round, 0)) % cases.length
      const { name, operations, run } = cases[index]!
      const bench = new Bench({ name, iterations, time: 0, warmup: false, throws: true })
      bench.add(name, () => void run(), { async: false })
      bench.runSync()
      const result = bench.tasks[0]!.result
      if (result.state !== "completed") throw new Error(`${name}: ${result.state}`)
      if (round >= 0) samples[index]!.push((result.latency.p50 * 1e6) / operations)
    }
  }
  return cases.map(({ name }, k) => summarise(name, samples[k]!))
}

function summarise(name: string, rounds: readonly number[]): Measured {
  const middle = median(rounds)
  return {
    name,
    median: middle,
    mad: median(rounds.map((x) => Math.abs(x - middle))),
    min: Math.min(...rounds),
    rounds,
  }
}

/** `measured` over `base`, by round. */
export function ratio(measured: Measured, base: Measured): Ratio {
  const each = measured.rounds.map((x, k) => x / base.rounds[k]!).sort((a, b) => a - b)
  // Order statistics: the median lies between these with 95 % confidence, whatever the distribution.
  const reach = Math.ceil(0.98 * Math.sqrt(each.length))
  const at = Math.floor(each.length / 2)
  return {
    median: median(each),
    low: each[Math.max(0, at - reach)]!,
    high: each[Math.min(each.length - 1, at + reach)]!,
  }
}

/** The median; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

/** A Markdown table. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, k) => Math.max(title.length, 3, ...rows.map((row) => row[k]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, k) => (k === 0 ? cell.padEnd(widths[k]!) : cell.padStart(widths[k]!))).join(" | ")} |`
  const rule = widths.map((width, k) => (k === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`))
  return [line(header), line(rule), ...rows.map(line)].join("\n")
}

/** `verdict` against a target where less is better: met, or by how much it is missed. */
export function against(found: number, must: number, aim: number): string {
  if (found <= aim) return "aim met"
  if (found <= must) return aim === 0 ? "must met; aim missed" : `must met; aim missed by ${percent(found / aim)}`
  return `MUST MISSED by ${percent(found / must)}`
}

function percent(factor: number): string {
  return `${((factor - 1) * 100).toFixed(0)} %`
}

/** On what this was measured: machine, versions, date. */
export function environment(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor"
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GiB`
  return [
    `${model}, ${cpus().length} cores, ${memory}, ${platform()} ${release()} ${arch()}`,
    `Node ${process.versions.node}, V8 ${process.versions.v8}; ${revision()}; ${new Date().toISOString().slice(0, 10)}`,
  ].join("\n")
}

function revision(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
    return `commit ${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : " and changes"}`
  } catch {
    return "no commit"
  }
}

const RESULTS = fileURLToPath(new URL("RESULTS.md", import.meta.url))
const PREFACE =
  "# Results\n\nEach section is written by one bench; run it again and the section is replaced. See `README.md`.\n"

/** Print `body` and put it under `## title` into `RESULTS.md`, in place of what stood there; other sections stay. */
export function report(title: string, body: string): void {
  const section = `## ${title}\n\n${environment().replaceAll("\n", "  \n")}\n\n${body.trim()}\n`
  console.log(`\n${section}`)
  const known = existsSync(RESULTS) ? readFileSync(RESULTS, "utf8") : PREFACE
  const [preface = PREFACE, ...sections] = known.split(/^(?=## )/m)
  const others = sections.filter((text) => !text.startsWith(`## ${title}\n`))
  const all = [...others, section].map((text) => text.trimEnd()).sort()
  writeFileSync(RESULTS, [preface.trimEnd(), ...all].join("\n\n") + "\n")
}
