import { LockgateError } from "../../policy/base/errors.ts"
import { printable } from "../../policy/audit/json-text.ts"
import { EXIT } from "./exit-codes.ts"
import type { CliIo } from "./handler.ts"

/**
 * Runs a command of `lockgate audit` and turns what it throws into words and an exit code: wrong use with `usage`, a disk that
 * does not read. What is wrong with a log is no error; the command tells it itself.
 */
export async function auditRun(name: string, usage: string, io: CliIo, run: () => Promise<number>): Promise<number> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof LockgateError)) throw error
    const { kind, code, message } = error as LockgateError
    const text = message.split("\n").map(printable).join("\n")
    if (code === "ERR_ARGUMENT") {
      io.err(`lockgate audit ${name}: ${text}\n${usage}`)
      return EXIT.usage
    }
    if (kind === "invariant") throw error
    if (code === "ERR_INTERRUPTED") {
      io.err(`lockgate audit ${name}: ${text}\n`)
      return EXIT.interrupted
    }
    io.err(`lockgate audit ${name}: ${text} (${code})\n`)
    return kind === "hardware" ? EXIT.unreadable : EXIT.wrong
  }
}
