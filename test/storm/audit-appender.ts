/**
 * The child of the kill storm: appends for ever, and says of each entry `<sequence> <name>` once it is acknowledged.
 *
 * Said by a synchronous write into the pipe: once it is said, the parent will read it, however this process ends.
 */
import { writeSync } from "node:fs"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { openLinuxStorage } from "../../hal/linux/storage.ts"
import { openTestLog, sampleEvent } from "../support/audit.ts"

const [folder = "", round = "0"] = process.argv.slice(2)
const log = await openTestLog(await openLinuxStorage(folder), { clock: createLinuxClock(), bootId: round })
let made = 0

async function lane(): Promise<never> {
  for (;;) {
    const name = `${round}/${made++}`
    const seq = await log.append(sampleEvent(name))
    writeSync(1, `${seq} ${name}\n`)
  }
}

await Promise.all(Array.from({ length: 24 }, lane))
