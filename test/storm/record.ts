import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus, release, totalmem } from "node:os"
import type { StormLine } from "./figures.ts"

const HEAD = `# Storms

What the long forms (\`make storm\`) have withstood; written by \`test/storm/record.ts\`. A storm that fails leaves its old line.

**Process kills** are \`SIGKILL\` on a real process: they prove restart and recovery, and nothing about fsync, since the page cache
survives. **Power cuts (model)** are cuts at every step of the storage in memory (\`hal/memory\`), with every way in which
the last step can have landed and what was not synced can be lost. **Random cases** are judged by the code and by its slow
reference. Figures are of one run of the storm; \`runs\` is how often it ran.

| kind | what | figures | runs | date | machine |
|---|---|---|---|---|---|
`

/**
 * Write what the storms told into `file`; lines of storms that did not run stay. Returns what is to be printed.
 *
 * Of several runs the largest value of each figure is kept: a loss in any of them shows.
 */
export function recordStorms(told: readonly StormLine[], file: string, today = new Date()): string {
  const rows = existsSync(file) ? rowsOf(readFileSync(file, "utf8")) : new Map<string, string>()
  const fresh: string[] = []
  for (const [key, lines] of grouped(told)) {
    const row = `| ${key} | ${figures(lines)} | ${lines.length} | ${today.toISOString().slice(0, 10)} | ${machine()} |`
    rows.set(key, row)
    fresh.push(row)
  }
  if (fresh.length === 0) return "no storm told any figures"
  const sorted = [...rows].sort(([a], [b]) => a.localeCompare(b)).map(([, row]) => row)
  writeFileSync(file, `${HEAD}${sorted.join("\n")}\n`)
  return fresh.join("\n")
}

function grouped(told: readonly StormLine[]): Map<string, StormLine[]> {
  const groups = new Map<string, StormLine[]>()
  for (const line of told) {
    const key = `${line.kind} | ${line.name}`
    groups.set(key, [...(groups.get(key) ?? []), line])
  }
  return groups
}

/** `slowestRestartMs: 7` as `slowest restart 7 ms`. */
function figures(lines: readonly StormLine[]): string {
  const names = [...new Set(lines.flatMap((line) => Object.keys(line.figures)))]
  return names
    .map((name) => {
      const value = Math.max(...lines.map((line) => line.figures[name] ?? 0))
      const words = name.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
      return name.endsWith("Ms") ? `${words} ${value} ms` : `${words} ${value}`
    })
    .join(", ")
}

function rowsOf(text: string): Map<string, string> {
  const rows = text.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| kind |"))
  return new Map(rows.map((row) => [row.split(" | ").slice(0, 2).join(" | ").slice(2), row]))
}

function machine(): string {
  const cpu = cpus()[0]?.model.replaceAll("|", " ").replace(/\s+/g, " ").trim() ?? "?"
  const memory = Math.round(totalmem() / 1024 ** 3)
  return `${availableParallelism()} x ${cpu}, ${memory} GiB, Linux ${release().split("-")[0]}, Node ${process.version}`
}
