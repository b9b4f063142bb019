/** What a terminal has to offer: `process.stdout` fits. */
export interface TerminalStream {
  readonly columns: number
  readonly rows: number
  /** True while what was written before has not gone out. */
  readonly writableNeedDrain: boolean
  write(text: string): boolean
  on(event: "resize", listener: () => void): unknown
  off(event: "resize", listener: () => void): unknown
}

/** The process whose end and suspension the terminal must survive: `process` fits. */
export interface TerminalProcess {
  on(event: "exit" | "SIGTSTP" | "SIGCONT", listener: () => void): unknown
  off(event: "exit" | "SIGTSTP" | "SIGCONT", listener: () => void): unknown
  kill(pid: number, signal: "SIGSTOP"): unknown
  readonly pid: number
}

/** The terminal, taken over until `close`. */
export interface Screen {
  size(): { readonly columns: number; readonly rows: number }
  /** Show `frame` (lines joined by line feeds). Only what changed is written; a terminal that lags misses frames. */
  draw(frame: string): void
  /** Give the terminal back as it was. May be called again. */
  close(): void
}

// Alternate screen, no cursor, no wrapping; and all of it back.
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
// Between these two a terminal that knows them shows nothing half-drawn; others ignore them.
const [HOLD, SHOW] = ["\x1b[?2026h", "\x1b[?2026l"]

/**
 * Takes over the terminal until `close`, or until the process ends in whatever way it can still notice. Ctrl-Z gives the
 * terminal back meanwhile. `redraw` is called when the size has changed or the screen was lost.
 */
export function openScreen(stream: TerminalStream, process: TerminalProcess, redraw: () => void): Screen {
  let shown: readonly string[] = []
  let open = true
  const renew = (): void => {
    shown = []
    stream.write("\x1b[2J")
    redraw()
  }
  const suspend = (): void => {
    stream.write(LEAVE)
    process.kill(process.pid, "SIGSTOP")
  }
  const resume = (): void => {
    stream.write(ENTER)
    renew()
  }
  const close = (): void => {
    if (!open) return
    open = false
    stream.off("resize", renew)
    process.off("exit", close)
    process.off("SIGTSTP", suspend)
    process.off("SIGCONT", resume)
    stream.write(LEAVE)
  }
  stream.on("resize", renew)
  process.on("exit", close)
  process.on("SIGTSTP", suspend)
  process.on("SIGCONT", resume)
  stream.write(ENTER)
  return {
    size: () => ({ columns: stream.columns, rows: stream.rows }),
    draw(frame) {
      if (!open || stream.writableNeedDrain) return
      const lines = frame.split("\n").slice(0, stream.rows)
      let out = ""
      for (let row = 0; row < Math.max(lines.length, shown.length); row++)
        // Erased before it is written: after a full line the cursor stands on the last character.
        if (lines[row] !== shown[row]) out += `\x1b[${row + 1};1H\x1b[2K${lines[row] ?? ""}`
      shown = lines
      if (out !== "") stream.write(HOLD + out + SHOW)
    },
    close,
  }
}

/** Whether to colour: only on a terminal, and never against `NO_COLOR` or a dumb one. */
export function wantsColour(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  return isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb"
}
