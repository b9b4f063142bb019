/**
 * `lockgate`: every command of gateway, owner and demo in one entry. Each command is a file of its own, loaded when used.
 *
 * On a board the gateway runs from `gateway.ts` through `lockgate run`; nothing that only an OEM, technician or owner
 * needs is loaded for it.
 */
import { ALL_COMMANDS } from "./cli/commands/all.ts"
import type { CommandEntry } from "./cli/commands/entry.ts"
import { COMMON_EXITS, EXIT, exitHelp } from "./cli/exit-codes.ts"
import type { CliIo } from "./cli/handler.ts"
import { terminalInput } from "./cli/terminal-input.ts"
import { printable } from "./cli/text.ts"

function help(): string {
  const rows = ALL_COMMANDS.map((c) => `  ${`lockgate ${c.words} ${c.usage}`.trim()}\n      ${c.summary}`)
  return `Lockgate: security-policy firmware for IIoT gateways\n\n${rows.join("\n")}\n`
}

function find(argv: readonly string[]): { entry: CommandEntry; rest: readonly string[] } | null {
  for (const words of [3, 2, 1]) {
    const entry = ALL_COMMANDS.find((c) => c.words === argv.slice(0, words).join(" "))
    if (entry !== undefined) return { entry, rest: argv.slice(words) }
  }
  return null
}

async function main(argv: readonly string[]): Promise<number> {
  const abort = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => abort.abort())
  // A reader that went away (`| head`) is no fault of ours.
  process.stdout.on("error", () => abort.abort())
  const io: CliIo = {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    isTTY: process.stdout.isTTY,
    errIsTTY: process.stderr.isTTY,
    // Standard input is opened for those alone who ask.
    input: terminalInput(() => process.stdin, process.stderr),
    noColour: (process.env["NO_COLOR"] ?? "") !== "",
    env: process.env,
    signal: abort.signal,
  }
  const [first] = argv
  if (first === undefined || first === "help" || first === "--help" || first === "-h") {
    io.out(help())
    return first === undefined ? EXIT.usage : EXIT.done
  }
  const found = find(argv)
  if (found === null) {
    const near = ALL_COMMANDS.filter(({ words }) => words.startsWith(`${first} `)).map(({ words, usage }) => `  lockgate ${words} ${usage}\n`) // prettier-ignore
    if (near.length > 0) io.err(near.join(""))
    io.err(`lockgate: no command "${printable(argv.slice(0, 3).join(" "))}"; \`lockgate help\` lists them\n`)
    return EXIT.usage
  }
  if (found.rest.includes("--help")) {
    const { words, usage, summary, details = [], exits = COMMON_EXITS } = found.entry
    // Some say in words of their own what a code means for them.
    const codes = details.some((line) => line.startsWith("exit code")) ? [] : exitHelp(exits)
    const more = [...details, ...codes].map((line) => `    ${line}\n`).join("")
    io.out(`${`lockgate ${words} ${usage}`.trim()}\n    ${summary}\n\n${more}`)
    return EXIT.done
  }
  const command = await found.entry.load()
  return command(found.rest, io)
}

process.exitCode = await main(process.argv.slice(2))
