import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import { createWebSocketStream, WebSocketServer } from "ws"

/** Where a browser on this machine reaches the demo's broker. */
export interface ViewerDoor {
  readonly port: number
  stop(): Promise<void>
}

/**
 * Opens it on loopback, at a port of the system's choice. In clear text and for anybody on this machine: whoever comes may only read the
 * audit topics, which the broker sees to. A plant's broker has a listener with TLS and credentials for this.
 */
export async function openViewerDoor(take: (stream: Duplex) => void): Promise<ViewerDoor> {
  const http = createServer((_request, response) => response.writeHead(426).end())
  const sockets = new WebSocketServer({ server: http, maxPayload: 1024 * 1024, handleProtocols: () => "mqtt" })
  sockets.on("connection", (socket) => {
    const stream = createWebSocketStream(socket)
    stream.on("error", () => stream.destroy())
    take(stream)
  })
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  return {
    port: (http.address() as AddressInfo).port,
    stop: async () => {
      for (const client of sockets.clients) client.terminate()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}
