/**
 * An MQTT client of raw packets, for scripts that two brokers must answer alike: it says what it is told and nothing else,
 * but for acknowledgements, and keeps every packet that it was sent.
 */
import { connect as connectTcp } from "node:net"
import type { Duplex } from "node:stream"
import { connect as connectTls, type ConnectionOptions } from "node:tls"
import { generate, type Packet, parser } from "mqtt-packet"

export type WireVersion = 4 | 5

/** Where a client connects: with `tls`, by TLS without a look at the server's certificate. */
export interface WireEnd {
  readonly port: number
  readonly tls?: ConnectionOptions
}

/** A message of QoS 1 or 2 that is not over: its PUBLISH, or from the PUBREC on its identifier alone. */
export type Unfinished = Map<number, Record<string, unknown> | null>

/** An MQTT client that does only what it is told, packet by packet. */
export interface WireClient {
  /** Packets that came, as plain data, without those of `ping`. */
  readonly seen: readonly any[]
  readonly closed: boolean
  /** While true nothing is acknowledged. */
  hold: boolean
  say(packet: Record<string, unknown>): void
  bytes(bytes: Uint8Array): void
  /** Resolves once it fits or the connection is closed; rejects after five seconds. */
  until(fits: () => boolean, what: string): Promise<void>
  /** A PINGREQ and its answer: whatever the broker had to say before has come. False if the connection is closed. */
  ping(): Promise<boolean>
  /** End the socket without a word. */
  drop(): void
}

/** Connect a socket; `unfinished` is the session's, and outlives the connection. */
export async function wireClient(end: WireEnd, version: WireVersion, unfinished: Unfinished): Promise<WireClient> {
  const { port, tls } = end
  const socket: Duplex =
    tls === undefined
      ? connectTcp({ port, host: "127.0.0.1", noDelay: true })
      : connectTls({ ...tls, port, host: "127.0.0.1", rejectUnauthorized: false })
  const seen: any[] = []
  let closed = false
  let pongs = 0
  let pings = 0
  let failure = ""
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const go of waiting) go()
  }
  const client: WireClient = {
    seen,
    hold: false,
    get closed() {
      return closed
    },
    say(packet) {
      this.bytes(generate(packet as unknown as Packet, { protocolVersion: version }))
    },
    bytes(bytes) {
      if (!closed) socket.write(bytes)
    },
    async until(fits, what) {
      let late = false
      const timer = setTimeout(() => {
        late = true
        wake()
      }, 5_000)
      while (!fits() && !closed && !late && failure === "") {
        let go = (): void => undefined
        await new Promise<void>((resolve) => waiting.add((go = resolve)))
        waiting.delete(go)
      }
      clearTimeout(timer)
      if (!fits() && !closed) throw new Error(`${what}: ${failure === "" ? "it did not come in time" : failure}`)
    },
    async ping() {
      if (closed) return false
      const wanted = ++pings
      this.say({ cmd: "pingreq" })
      await this.until(() => pongs >= wanted, "PINGRESP")
      return !closed
    },
    drop() {
      socket.destroy()
    },
  }
  const reader = parser({ protocolVersion: version })
  reader.on("packet", (packet: any) => {
    if (packet.cmd === "pingresp") pongs++
    else {
      seen.push(plain(packet))
      answer(client, packet, unfinished)
    }
  })
  reader.on("error", (error: Error) => (failure = error.message))
  socket.on("data", (chunk: Buffer) => {
    reader.parse(chunk)
    wake()
  })
  socket.on("error", () => undefined)
  socket.on("close", () => {
    closed = true
    wake()
  })
  let open = false
  socket.once(tls === undefined ? "connect" : "secureConnect", () => {
    open = true
    wake()
  })
  await client.until(() => open, "connection")
  return client
}

/** What MQTT makes a client answer, unless it holds back. */
function answer(client: WireClient, packet: any, unfinished: Unfinished): void {
  const { cmd, messageId, qos, reasonCode = 0 } = packet
  if (cmd === "puback" || cmd === "pubcomp" || (cmd === "pubrec" && reasonCode >= 0x80)) unfinished.delete(messageId)
  else if (cmd === "pubrec") unfinished.set(messageId, null)
  if (client.hold) return
  if (cmd === "publish" && qos > 0) client.say({ cmd: qos === 1 ? "puback" : "pubrec", messageId, reasonCode: 0 })
  else if (cmd === "pubrec" && reasonCode < 0x80) client.say({ cmd: "pubrel", messageId, reasonCode: 0 })
  else if (cmd === "pubrel") client.say({ cmd: "pubcomp", messageId, reasonCode: 0 })
}

/** A packet as data that compares: no lengths, bytes as text. */
function plain(packet: any): any {
  const data = JSON.parse(
    JSON.stringify(packet, (_key, value: unknown) =>
      typeof value === "object" && value !== null && (value as any).type === "Buffer"
        ? Buffer.from((value as any).data as number[]).toString("latin1")
        : value,
    ),
  )
  const noise = data.cmd === "publish" ? ["length"] : ["length", "retain", "qos", "dup", "topic", "payload"]
  return Object.fromEntries(Object.entries(data).filter(([key, value]) => !noise.includes(key) && value !== null))
}
