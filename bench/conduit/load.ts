/**
 * The clients' end: MQTT 3.1.1 publishers. A process of its own.
 *
 * Requests: `tally {port}`, where the sink tells its count; `open {port, tls, names}` -> null when all are connected; `prepare {count}` -> null when the messages
 * lie ready; `send {mode, count, perSecond}` -> LoadReport when all is written; `close` -> null.
 */
import { connect } from "node:net"
import type { Socket } from "node:net"
import { once } from "node:events"
import { connect as connectTls } from "node:tls"
import { setTimeout as sleep } from "node:timers/promises"
import { chain, connectPacket, digestPacket, MESSAGE_BYTES, nowUs, PER_WRITE } from "./message.ts"
import { publishPackets, STAMP_AT } from "./message.ts"
import type { Mode } from "./message.ts"
import { serveLines } from "./lines.ts"
import { readTls } from "./tls-files.ts"
import type { TlsEnd } from "./tls-files.ts"

/** What the load thread is asked to open. */
export interface OpenRequest {
  readonly port: number
  /** One end per client, in turn; null for plain TCP. */
  readonly tls: readonly TlsEnd[] | null
  /** MQTT client ids. */
  readonly names: readonly string[]
}

/** What the load thread says once everything was sent. */
export interface LoadReport {
  /** Sum over the connections of the chained digests of what was sent: the sink must report the same. */
  readonly digest: number
  /** From the first write to the last. */
  readonly ms: number
}

interface Client {
  readonly socket: Socket
  /** Two bulk writes' worth of packets, sent over and over. */
  readonly packets: Buffer
  readonly digests: Int32Array
  at: number
  left: number
  digest: number
}

const RING = 2 * PER_WRITE.bulk

let clients: Client[] = []
let onTally: (() => void) | null = null

async function openClient(request: OpenRequest, index: number): Promise<Client> {
  const end = request.tls?.[index % request.tls.length]
  const address = { host: "127.0.0.1", port: request.port }
  const socket =
    end === undefined ? connect(address) : connectTls({ ...address, ...readTls(end), minVersion: "TLSv1.3" })
  socket.setNoDelay(true)
  // Ends by design when the proxy is stopped; while messages are out, the sink's count tells.
  socket.on("error", () => undefined)
  await once(socket, end === undefined ? "connect" : "secureConnect")
  socket.write(connectPacket(request.names[index]!))
  const [answer] = (await once(socket, "data")) as [Buffer]
  if (answer[0] !== 0x20 || answer[3] !== 0) throw new Error(`CONNECT refused: ${answer.toString("hex")}`)
  socket.resume()
  return { socket, packets: Buffer.alloc(0), digests: new Int32Array(0), at: 0, left: 0, digest: 0 }
}

/** The next write of `client`, at most `most` messages, booked as sent. */
function take(client: Client, most: number): Buffer {
  if (client.at + most > RING) client.at = 0
  const count = Math.min(most, client.left)
  const start = client.at
  for (let n = start; n < start + count; n++) client.digest = chain(client.digest, client.digests[n]!)
  client.at += count
  client.left -= count
  return client.packets.subarray(start * MESSAGE_BYTES, (start + count) * MESSAGE_BYTES)
}

/** Every client writes as fast as its socket takes it: one write out, the next when it has left. */
async function flood(perWrite: number): Promise<void> {
  const run = async (client: Client): Promise<void> => {
    while (client.left > 0) await new Promise((left) => client.socket.write(take(client, perWrite), left))
  }
  await Promise.all(clients.map(run))
}

/**
 * Every client makes one write, and all wait until the sink has it all; then again.
 *
 * Thus the proxy never finds two writes of one client glued together, however slow it is: unbounded, a slower proxy would
 * be given larger chunks, and so be flattered.
 */
async function step(perWrite: number): Promise<void> {
  while (clients.some((client) => client.left > 0)) {
    const arrived = new Promise<void>((resolve) => (onTally = resolve))
    for (const client of clients) client.socket.write(take(client, perWrite))
    await arrived
  }
}

/** `count` single messages at `perSecond` over all clients in turn, each stamped just before it is written. */
async function pace(count: number, perSecond: number): Promise<void> {
  const startUs = nowUs()
  for (let n = 0; n < count;) {
    const due = Math.min(count, Math.floor(((nowUs() - startUs) / 1e6) * perSecond))
    for (; n < due; n++) {
      const client = clients[n % clients.length]!
      const packet = Buffer.from(client.packets.subarray(client.at * MESSAGE_BYTES, (client.at + 1) * MESSAGE_BYTES))
      client.at = (client.at + 1) % RING
      packet.writeDoubleLE(nowUs(), STAMP_AT)
      client.digest = chain(client.digest, digestPacket(packet, 0, packet.length))
      client.socket.write(packet)
    }
    if (n < count) await sleep(1)
  }
}

serveLines({
  async tally({ port }: { port: number }) {
    const socket = connect(port, "127.0.0.1").setNoDelay(true)
    await once(socket, "connect")
    socket.on("data", () => onTally?.())
  },
  async open(request: OpenRequest) {
    clients = []
    // Few at a time: a handshake storm is another bench.
    for (let at = 0; at < request.names.length; at += 10) {
      const some = request.names.slice(at, at + 10).map((_, n) => openClient(request, at + n))
      clients.push(...(await Promise.all(some)))
    }
  },
  prepare({ count }: { count: number }) {
    clients = clients.map((client, k) => {
      if (client.packets.length > 0) return client
      const packets = publishPackets(k, RING)
      const digests = new Int32Array(RING)
      for (let n = 0; n < RING; n++) digests[n] = digestPacket(packets, n * MESSAGE_BYTES, (n + 1) * MESSAGE_BYTES)
      return { ...client, packets, digests }
    })
    const share = Math.floor(count / clients.length)
    clients.forEach((client, k) => {
      client.left = share + (k < count % clients.length ? 1 : 0)
      client.digest = 0
    })
  },
  async send({ mode, count, perSecond }: { mode: Mode; count: number; perSecond: number }) {
    const startedAt = performance.now()
    if (mode === "paced") await pace(count, perSecond)
    else if (mode === "bulk") await flood(PER_WRITE.bulk)
    else await step(PER_WRITE[mode])
    const digest = clients.reduce((sum, client) => (sum + client.digest) | 0, 0) >>> 0
    return { digest, ms: performance.now() - startedAt } satisfies LoadReport
  },
  async close() {
    for (const client of clients) client.socket.destroy()
    clients = []
  },
})
