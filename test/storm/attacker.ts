/**
 * One attacker, a process of its own: `node attacker.ts <json>`. It ends by itself when its time is over, and holds no more
 * sockets than it was told. It says how often it came.
 */
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { connect as connectTcp, type Socket } from "node:net"
import { constants, setPriority } from "node:os"
import { connect as connectTls } from "node:tls"
import { generate } from "mqtt-packet"

/** What an attacker is told. */
export interface AttackOrder {
  readonly kind: "connections" | "handshakes" | "slowloris" | "random" | "giant" | "slow-reader"
  readonly port: number
  readonly seconds: number
  readonly sockets: number
  /** Files of a certificate that the zone vouches for, for those who have one. */
  readonly tls: { readonly cert: string; readonly key: string }
  readonly clientId: string
}

// An attacker brings a machine of its own. Here it takes what gateway, broker and honest clients leave of this one.
setPriority(constants.priority.PRIORITY_LOW)
const order = JSON.parse(process.argv[2] ?? "{}") as AttackOrder
const { kind, port, sockets } = order
const until = performance.now() + order.seconds * 1_000
const credential = { cert: readFileSync(order.tls.cert), key: readFileSync(order.tls.key) }
let came = 0
let turn = 0
const open = new Set<Socket>()

/** Another network each time: 127.1.0.1 to 127.250.250.1; those with a certificate come from one. */
function source(): string {
  turn++
  return `127.${1 + (turn % 250)}.${1 + ((turn >> 3) % 250)}.1`
}

function again(): void {
  if (performance.now() < until && open.size < sockets) knock()
}

function keep(socket: Socket): void {
  came++
  open.add(socket)
  socket.on("error", () => undefined)
  socket.once("close", () => {
    open.delete(socket)
    setImmediate(again)
  })
}

function login(socket: Socket): void {
  socket.write(
    generate({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 4,
      clean: true,
      clientId: order.clientId,
      keepalive: 60,
    }),
  )
}

function from(localAddress: string): Socket {
  const socket = connectTcp({ host: "127.0.0.1", port, localAddress })
  socket.on("error", () => undefined)
  return socket
}

function knock(): void {
  const at = { host: "127.0.0.1", port }
  switch (kind) {
    case "connections": {
      const socket = connectTcp({ ...at, localAddress: source() }, () => socket.destroy())
      return keep(socket)
    }
    case "slowloris": {
      const socket = connectTcp({ ...at, localAddress: source() })
      const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])
      let said = 0
      const drip = setInterval(
        () => socket.write(hello.subarray(said % hello.length, (said++ % hello.length) + 1)),
        400,
      )
      socket.once("close", () => clearInterval(drip))
      return keep(socket)
    }
    case "random": {
      const socket = connectTcp({ ...at, localAddress: source() }, () => socket.write(randomBytes(16_384)))
      return keep(socket)
    }
    case "handshakes": {
      const socket = connectTls({ socket: from(source()), rejectUnauthorized: false }, () => socket.destroy())
      return keep(socket)
    }
    case "giant": {
      const socket = connectTls({ socket: from("127.251.0.1"), rejectUnauthorized: false, ...credential }, () => {
        login(socket)
        // 256 MiB are announced, and begun.
        socket.write(Buffer.concat([Buffer.of(0x30, 0xff, 0xff, 0xff, 0x7f), randomBytes(65_536)]))
      })
      return keep(socket)
    }
    case "slow-reader": {
      const socket = connectTls({ socket: from("127.252.0.1"), rejectUnauthorized: false, ...credential }, () => {
        login(socket)
        socket.pause()
        const pings = Buffer.alloc(8_192, Buffer.of(0xc0, 0))
        const more = (): void => {
          while (!socket.destroyed && performance.now() < until && socket.write(pings));
          if (!socket.destroyed) socket.once("drain", more)
        }
        more()
      })
      return keep(socket)
    }
  }
}

for (let k = 0; k < sockets; k++) again()
// Who is refused comes again at once; who is dropped without a word is replaced here.
const tick = setInterval(again, 5)
setTimeout(() => {
  clearInterval(tick)
  process.stdout.write(JSON.stringify({ kind, came }), () => process.exit(0))
}, order.seconds * 1_000)
