/**
 * The child of the outage storm: a log that is written and published as a gateway does it. Says `appended` once `count` entries are durable,
 * and `next <n> <retained>` as the broker takes them.
 */
import { connect } from "node:net"
import { writeSync } from "node:fs"
import { dialMqtt, linkError } from "../../firmware/audit/mqtt-link.ts"
import { createAuditPublisher } from "../../firmware/audit/publisher.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { openLinuxStorage } from "../../hal/linux/storage.ts"
import { openTestLog, sampleEvent } from "../support/audit.ts"
import { clock as fast } from "../support/retained-scene.ts"

const [folder = "", port = "", version = "", count = "0", boot = ""] = process.argv.slice(2)
const clock = createLinuxClock()
const storage = await openLinuxStorage(folder)
const log = await openTestLog(storage, { clock, bootId: boot })
const stopping = new AbortController()
const publisher = createAuditPublisher({
  // Dials again ten times as soon.
  ...{ log, storage, clock: fast, gateway: "gw", report: () => undefined, random: () => 0 },
  connect: () =>
    dialMqtt({
      gateway: "gw",
      version: version === "5" ? "5" : "3.1.1",
      openStream: async () => {
        const socket = connect(Number(port), "127.0.0.1")
        await new Promise((resolve, reject) =>
          socket.once("connect", resolve).once("error", () => reject(linkError("down"))),
        )
        return socket
      },
    }),
  retained: { log, edgeEveryMs: 500 },
})
process.once("SIGTERM", () => stopping.abort())
const running = publisher.start(stopping.signal)
while (log.size < Number(count)) {
  const more = Math.min(256, Number(count) - log.size)
  await Promise.all(Array.from({ length: more }, (_, k) => log.append(sampleEvent(`${boot}/${k}`))))
}
writeSync(1, `appended ${log.size}\n`)
const telling = setInterval(() => writeSync(1, `next ${publisher.status.next}\n`), 10)
await running
clearInterval(telling)
await log.close()
