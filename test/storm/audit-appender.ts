/**
 * The child of the kill storm: appends for ever, and says of each entry `<sequence> <name>` once it is acknowledged. With `drops` it gives up
 * the oldest bundles all the while, as the keeper of the room does.
 *
 * Said by a synchronous write into the pipe: once it is said, the parent will read it, however this process ends.
 */
import { writeSync } from "node:fs"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { openLinuxStorage } from "../../hal/linux/storage.ts"
import { dropSaid, openTestLog, sampleEvent } from "../support/audit.ts"

const [folder = "", round = "0", form = "keeps"] = process.argv.slice(2)
const log = await openTestLog(await openLinuxStorage(folder), { clock: createLinuxClock(), bootId: round })
let made = 0

async function lane(): Promise<never> {
  for (;;) {
    const name = `${round}/${made++}`
    const seq = await log.append(sampleEvent(name))
    writeSync(1, `${seq} ${name}\n`)
  }
}

async function drops(): Promise<void> {
  for (;;) {
    const below = log.size - (log.size % 256) - 256
    if (form === "drops" && below > log.firstSeq) await dropSaid(log, below)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

void drops()
await Promise.all(Array.from({ length: 24 }, lane))
