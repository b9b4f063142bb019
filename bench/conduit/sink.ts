/**
 * The broker's end: answers CONNECT, counts and digests every PUBLISH, delivers nothing. Or a subscriber, where a true broker
 * is measured. A process of its own.
 *
 * Requests: `listen {tls | null}` -> `{port}`; `subscribe {port, tls | null, name, user}` -> null when it is granted; `unsubscribe`;
 * `tally` -> `{port}`, where a byte is written each time another `window` messages are there; `reset {stamped, window}`;
 * `await {count, timeoutMs}` -> SinkReport.
 */
import { once } from "node:events"
import { connect, createServer } from "node:net"
import type { Server, Socket } from "node:net"
import { connect as connectTls, createServer as createTlsServer } from "node:tls"
import { chain, connectPacket, digestPacket, lineOf, nowUs, ROLES, STAMP_AT, subscribePacket } from "./message.ts"
import { serveLines } from "./lines.ts"
import { readTls } from "./tls-files.ts"
import type { TlsEnd } from "./tls-files.ts"

/** What arrived since the last reset. */
export interface SinkReport {
  readonly messages: number
  /** Sum over the clients of the chained digests of their packets. */
  readonly digest: number
  /** Reads in which the messages came. */
  readonly chunks: number
  /** From the first byte to the message that made the count full. */
  readonly ms: number
  /** Microseconds from stamp to arrival, in order of arrival; empty unless `stamped`. */
  readonly latenciesUs: readonly number[]
  /** Whether the count was reached in time. */
  readonly complete: boolean
}

const CONNACK = Buffer.from([0x20, 2, 0, 0])
const TICK = Buffer.from([1])
const PINGRESP = Buffer.from([0xd0, 0])

interface Peer {
  readonly socket: Socket
  rest: Buffer | null
  /** By line, one client each, where a broker has merged them; else of all that came over the connection. */
  readonly digests: Int32Array
}

/** A subscription asked for; `granted` when the broker has said so. */
export interface SubscribeRequest {
  readonly port: number
  readonly tls: TlsEnd | null
  readonly name: string
  readonly user: string
}

const peers = new Set<Peer>()
let endedDigests = 0
let messages = 0
let chunks = 0
let stamped = false
let latenciesUs: number[] = []
let firstAt = 0
let lastAt = 0
let wanted = Infinity
let window = Infinity
let nextTally = Infinity
let tally: Socket | null = null
let full: (() => void) | null = null
let subscriber: Socket | null = null
let granted: ((code: number) => void) | null = null

function accept(socket: Socket, chains = 1): void {
  socket.setNoDelay(true)
  const peer: Peer = { socket, rest: null, digests: new Int32Array(chains) }
  peers.add(peer)
  socket.on("data", (chunk) => take(peer, chunk))
  socket.on("error", () => undefined)
  socket.on("close", () => {
    peers.delete(peer)
    endedDigests = peer.digests.reduce((sum, digest) => (sum + digest) | 0, endedDigests)
  })
}

function take(peer: Peer, chunk: Buffer): void {
  const bytes = peer.rest === null ? chunk : Buffer.concat([peer.rest, chunk])
  const before = messages
  let at = 0
  while (at < bytes.length) {
    let length = 0
    let body = at + 1
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = bytes[body++]
      // Not here yet: an end beyond the chunk keeps the rest for the next one.
      length = byte === undefined ? bytes.length : length | ((byte & 0x7f) << shift)
      more = byte !== undefined && byte >= 0x80
    }
    if (body + length > bytes.length) break
    packet(peer, bytes, at, body, body + length)
    at = body + length
  }
  peer.rest = at === bytes.length ? null : bytes.subarray(at)
  if (messages === before) return
  if (chunks++ === 0) firstAt = performance.now()
  lastAt = performance.now()
  while (messages >= nextTally) {
    nextTally += window
    tally?.write(TICK)
  }
  if (messages >= wanted) full?.()
}

function packet(peer: Peer, bytes: Buffer, start: number, body: number, end: number): void {
  switch (bytes[start]! >> 4) {
    case 1:
      peer.socket.write(CONNACK)
      break
    case 2:
      if (bytes[end - 1] === 0) peer.socket.write(subscribePacket("plant/#"))
      else granted?.(bytes[end - 1]!)
      break
    case 3: {
      messages++
      const line = peer.digests.length === 1 ? 0 : lineOf(bytes, start)
      peer.digests[line] = chain(peer.digests[line]!, digestPacket(bytes, start, end))
      if (stamped) latenciesUs.push(nowUs() - bytes.readDoubleLE(start + STAMP_AT))
      break
    }
    case 9:
      granted?.(bytes[end - 1]!)
      break
    case 12:
      peer.socket.write(PINGRESP)
      break
    case 14:
      peer.socket.end()
      break
    default:
      // Nothing else is sent in this bench; a packet of another type is a fault of the proxy.
      process.stderr.write(`sink: unexpected packet type ${bytes[start]! >> 4}, ${end - body} bytes\n`)
      peer.socket.destroy()
  }
}

async function listenOn(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  return address !== null && typeof address === "object" ? address.port : 0
}

function report(complete: boolean): SinkReport {
  let digest = endedDigests
  for (const { digests } of peers) digest = digests.reduce((sum, each) => (sum + each) | 0, digest)
  return { messages, digest: digest >>> 0, chunks, ms: lastAt - firstAt, latenciesUs, complete }
}

serveLines({
  async listen({ tls }: { tls: TlsEnd | null }) {
    const server =
      tls === null
        ? createServer((socket) => accept(socket))
        : createTlsServer(
            { ...readTls(tls), requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" },
            (socket) => accept(socket),
          )
    return { port: await listenOn(server) }
  },
  async subscribe({ port, tls, name, user }: SubscribeRequest) {
    const address = { host: "127.0.0.1", port }
    const socket = tls === null ? connect(address) : connectTls({ ...address, ...readTls(tls), minVersion: "TLSv1.3" })
    subscriber = socket
    await once(socket, tls === null ? "connect" : "secureConnect")
    accept(socket, ROLES)
    const answer = new Promise<number>((resolve) => {
      granted = resolve
      socket.on("close", () => resolve(0xff))
    })
    socket.write(connectPacket(name, user))
    if ((await answer) !== 0) throw new Error(`the broker refused the subscriber: ${await answer}`)
  },
  unsubscribe() {
    subscriber?.destroy()
    subscriber = null
  },
  async tally() {
    const server = createServer((socket) => {
      tally = socket.setNoDelay(true)
    })
    return { port: await listenOn(server) }
  },
  reset(argument: { stamped: boolean; window: number | null }) {
    for (const { digests } of peers) digests.fill(0)
    endedDigests = messages = chunks = 0
    stamped = argument.stamped
    latenciesUs = []
    nextTally = window = argument.window ?? Infinity
    wanted = Infinity
  },
  await({ count, timeoutMs }: { count: number; timeoutMs: number }) {
    return new Promise<SinkReport>((resolve) => {
      const timer = setTimeout(() => resolve(report(false)), timeoutMs)
      full = () => {
        full = null
        clearTimeout(timer)
        resolve(report(true))
      }
      wanted = count
      if (messages >= count) full()
    })
  },
  connections: () => peers.size,
})
