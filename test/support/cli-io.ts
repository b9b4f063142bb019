import type { CliIo } from "../../firmware/cli/handler.ts"

/** What a command wrote, in memory. */
export interface CapturedIo extends CliIo {
  text(): string
  errors(): string
}

/** A terminal that keeps what is written. */
export function captureIo(): CapturedIo {
  let out = ""
  let err = ""
  return {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    isTTY: false,
    signal: new AbortController().signal,
    text: () => out,
    errors: () => err,
  }
}

/** How a command ended and what it wrote. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command at such a terminal. */
export async function runCli(command: (io: CliIo) => Promise<number>): Promise<Ran> {
  const io = captureIo()
  const code = await command(io)
  return { code, out: io.text(), err: io.errors() }
}
