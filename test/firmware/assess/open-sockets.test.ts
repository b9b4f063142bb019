import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { listeningSockets } from "../../../firmware/assess/open-sockets.ts"

const test = suite("firmware/assess/open-sockets")

test("[CR 7.7] the kernel's list shows TCP, UDP and Unix listeners of this process, and no others", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-sockets-"))
  assert.equal(await listeningSockets(), [])
  const v4 = createServer().listen(0, "127.0.0.1")
  const v6 = createServer().listen(0, "::1")
  const unix = createServer().listen(join(folder, "s.sock"))
  const udp = createSocket("udp4").bind(0, "127.0.0.1")
  await Promise.all([v4, v6, unix, udp].map((s) => once(s, "listening")))
  const port = (s: { address(): unknown }): number => (s.address() as AddressInfo).port
  const seen = (await listeningSockets()).map(({ kind, at }) => `${kind} ${at}`).sort()
  const expected = [
    `tcp 127.0.0.1:${port(v4)}`,
    `tcp [::1]:${port(v6)}`,
    `udp 127.0.0.1:${port(udp)}`,
    `unix ${join(folder, "s.sock")}`,
  ]
  assert.equal(seen, expected.sort())
  for (const server of [v4, v6, unix]) server.close()
  udp.close()
  rmSync(folder, { recursive: true })
})

test.run()
