import { createServer } from "node:net"
import { HardwareError } from "../../policy/base/errors.ts"
import type { EngineConduit } from "./messages.ts"

/**
 * The same conduits, with a free port of the board in place of each port 0: workers that each took any free one would not
 * meet. Somebody else can take it before the workers do; then their listeners fail and try again like those of any other port.
 *
 * @throws HardwareError `ERR_LISTEN` if an address takes no listener at all
 */
export function withPorts(conduits: readonly EngineConduit[]): Promise<readonly EngineConduit[]> {
  return Promise.all(
    conduits.map(async (conduit) => {
      const { address, port } = conduit.listen
      return port === 0 ? { ...conduit, listen: { address, port: await freePort(address) } } : conduit
    }),
  )
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.resetAndDestroy())
    server.on("error", (error) => reject(new HardwareError("ERR_LISTEN", `no free port at ${host}: ${error.message}`)))
    server.listen({ host, port: 0 }, () => {
      const at = server.address()
      server.close(() => resolve(at !== null && typeof at === "object" ? at.port : 0))
    })
  })
}
