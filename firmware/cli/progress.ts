import type { CliIo } from "./handler.ts"
import { thousands } from "./text.ts"

const WIDTH = 30
/** Not drawn before, nor more often. */
const EVERY_MS = 100
const ERASE_LINE = "\r\u001b[2K"

/** A bar that shows how far long work is. */
export interface Progress {
  show(done: number, of: number): void
  /** Take it off the screen; to be called before anything else is written to `err`. */
  clear(): void
}

/** A bar on `err`, if that is a terminal; otherwise one that shows nothing. `nowMs` is monotonic. */
export function createProgress(io: CliIo, what: string, nowMs: () => number = () => performance.now()): Progress {
  if (io.errIsTTY !== true) return { show: () => undefined, clear: () => undefined }
  let shownAt = nowMs()
  let isShown = false
  return {
    show(done, of) {
      if (nowMs() - shownAt < EVERY_MS) return
      shownAt = nowMs()
      isShown = true
      const part = of === 0 ? 1 : Math.min(1, done / of)
      const full = Math.floor(part * WIDTH)
      const bar = "#".repeat(full) + "-".repeat(WIDTH - full)
      io.err(`${ERASE_LINE}[${bar}] ${String(Math.floor(part * 100)).padStart(3)} %  ${thousands(done)} of ${thousands(of)} ${what}`) // prettier-ignore
    },
    clear() {
      if (isShown) io.err(ERASE_LINE)
      isShown = false
    },
  }
}
