/** Other ways to a broker than the one that the board file names: the usual ports of its host, in clear text, TLS and websockets. */
import { connect as connectTcp, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import { connectPacket } from "./probes/packets.ts"

/** MQTT, MQTT over TLS, and what brokers are usually given for websockets. */
export const USUAL_PORTS: readonly number[] = [1883, 8883, 80, 443, 9001, 8083, 8084]
const WAIT_MS = 1_000
/** A CONNACK without refusal, and its first bytes on a websocket. */
const CONNACK = 0x20
const BINARY_FRAME = 0x82

const HELLO = connectPacket("lockgate-probe")
/** Masked with zeros, as a client must mask. */
const FRAMED = Uint8Array.of(BINARY_FRAME, 0x80 | HELLO.length, 0, 0, 0, 0, ...HELLO)
const upgrade = (host: string): string =>
  `GET /mqtt HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

/**
 * Which of these ports let a stranger into MQTT, as `1883 in clear text` or `443 by TLS and websocket`. All are tried at
 * once, each for at most two seconds; a CONNACK that refuses, silence and another protocol are no way in.
 */
export async function openDoors(host: string, ports: readonly number[] = USUAL_PORTS): Promise<readonly string[]> {
  const ways = ports.flatMap((port) => [false, true].flatMap((tls) => [false, true].map((web) => ({ port, tls, web }))))
  const found = await Promise.all(ways.map(async (way) => ((await letsIn(host, way)) ? nameOf(way) : null)))
  return found.filter((one) => one !== null)
}

interface Way {
  readonly port: number
  readonly tls: boolean
  readonly web: boolean
}

function nameOf({ port, tls, web }: Way): string {
  return `${port} ${tls ? "by TLS" : "in clear text"}${web ? " and websocket" : ""}`
}

function letsIn(host: string, { port, tls, web }: Way): Promise<boolean> {
  return new Promise((resolve) => {
    const at = { host, port }
    const socket: Socket = tls ? connectTls({ ...at, rejectUnauthorized: false }) : connectTcp(at)
    let read = Buffer.alloc(0)
    let upgraded = false
    const end = (letIn: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(letIn)
    }
    const timer = setTimeout(() => end(false), 2 * WAIT_MS)
    socket.on("error", () => end(false))
    socket.on("close", () => end(false))
    socket.once(tls ? "secureConnect" : "connect", () => socket.write(web ? upgrade(host) : HELLO))
    socket.on("data", (chunk: Buffer) => {
      // No more is looked at than a header and a CONNACK.
      read = Buffer.concat([read, chunk]).subarray(0, 4_096)
      if (web && !upgraded) {
        const over = read.indexOf("\r\n\r\n")
        if (over < 0) return
        if (!read.toString("latin1").startsWith("HTTP/1.1 101")) return end(false)
        upgraded = true
        read = read.subarray(over + 4)
        socket.write(FRAMED)
      }
      const packet = web ? read.subarray(2) : read
      if (packet.length < 4) return
      end((!web || read[0] === BINARY_FRAME) && packet[0] === CONNACK && packet[3] === 0)
    })
  })
}
