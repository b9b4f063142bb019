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
