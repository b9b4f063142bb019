import { once } from "node:events"
import { createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openDoors } from "../../../firmware/assess/open-doors.ts"
import { freePort } from "../../peers/ports.ts"

const test = suite("firmware/assess/open-doors")
const servers: Server[] = []
const sockets = new Set<Socket>()
test.after(() => {
  for (const socket of sockets) socket.destroy()
  for (const server of servers) server.close()
})

/** The port of a listener that answers with these bytes in turn, one for each chunk. */
async function answers(...said: (string | readonly number[])[]): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket)
    let n = 0
    socket.on("error", () => undefined)
    socket.on("data", () => {
      const next = said[n++]
      if (next !== undefined) socket.write(typeof next === "string" ? next : Uint8Array.from(next))
    })
  }).listen(0, "127.0.0.1")
  servers.push(server)
  await once(server, "listening")
  return (server.address() as AddressInfo).port
}

const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

test("[CR 5.1] a broker that lets a stranger in at another port is found, in clear text and by websocket", async () => {
  const clear = await answers([0x20, 2, 0, 0])
  const web = await answers(SWITCHED, [0x82, 4, 0x20, 2, 0, 0])
  assert.equal(await openDoors("127.0.0.1", [clear, web]), [`${clear} in clear text`, `${web} in clear text and websocket`]) // prettier-ignore
})

test("a refusal, another protocol, silence and nobody there are no way in, and it ends in time", async () => {
  const refuses = await answers([0x20, 2, 0, 5])
  const refusesWeb = await answers(SWITCHED, [0x82, 4, 0x20, 2, 0, 5])
  const page = await answers("HTTP/1.1 400 Bad Request\r\n\r\n")
  const silent = await answers()
  const startMs = performance.now()
  assert.equal(await openDoors("127.0.0.1", [refuses, refusesWeb, page, silent, await freePort()]), [])
  assert.ok(performance.now() - startMs < 4_000)
})

test.run()
