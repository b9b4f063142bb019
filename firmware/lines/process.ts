/**
 * Entry of the process `lines`: the only one that loads native addons. Started by `keeper.ts`; nothing imports it.
 *
 * Its setup comes as the first line of its input, never by arguments. When its input ends, the gateway is gone, and it
 * ends, too: no line is kept open for nobody.
 */
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { createLinuxSerial } from "../../hal/linux/serial.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import { LineBuffer } from "../management/line-buffer.ts"
import { writeFromLines, type FromLines, type LinesSetup } from "./control.ts"
import { hostLines, type LineHost } from "./host.ts"

/** A board file has at most 256 KiB. */
const MAX_SETUP_BYTES = 512 * 1024

const say = (message: FromLines): void => void process.stdout.write(writeFromLines(message))
const input = new LineBuffer(MAX_SETUP_BYTES)
let host: Promise<LineHost> | null = null

process.stdin.on("data", (chunk: Buffer) => {
  for (const line of input.push(chunk)) host ??= start(JSON.parse(Buffer.from(line).toString("utf8")) as LinesSetup)
})
process.stdin.on("end", () => {
  void (host ?? Promise.resolve(null)).then((open) => open?.stop()).finally(() => process.exit(0))
})
// The reader is gone: `end` follows.
process.stdout.on("error", () => undefined)
// Ctrl-C reaches the whole group; the gateway says when we end.
process.on("SIGINT", () => undefined)

async function start({ socket, lines }: LinesSetup): Promise<LineHost> {
  try {
    const open = await hostLines({
      socket,
      lines,
      serial: createLinuxSerial(),
      clock: createLinuxClock(),
      note: (line, event) => say({ kind: "event", line, event }),
    })
    say({ kind: "ready" })
    return open
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    process.stderr.write(`${error.message} (${error.code})\n`)
    process.exit(1)
  }
}
