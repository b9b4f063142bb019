/** Modbus on raw sockets: a server that says what a test wants it to, a tap before a real one, a master that sends bytes. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { encodeMbap, MbapReader } from "../../firmware/conduits/modbus/mbap.ts"

/** Something that listens on a loopback port and has seen requests. */
export interface ModbusEnd {
  readonly port: number
  /** Unit, function and data of each request that reached it, in hex. */
  readonly seen: string[]
  /** Connections that were made to it. */
  connections: number
  stop(): Promise<void>
}

/** What a server says to a request: bytes as they stand on the wire, at once or later, or nothing. */
export type Say = (transaction: number, adu: Uint8Array) => Uint8Array | null | Promise<Uint8Array>

/** A server that answers as `say` does, which a test may change. */
export async function listenModbus(server: { say: Say }): Promise<ModbusEnd> {
  return listen((socket, end) => {
    const reader = new MbapReader()
    socket.on("data", (chunk: Uint8Array) => {
      reader.push(chunk)
      for (let frame = reader.next(); frame !== null && typeof frame !== "string"; frame = reader.next()) {
        end.seen.push(Buffer.from(frame.adu).toString("hex"))
        const answer = server.say(frame.transaction, frame.adu)
        if (answer instanceof Promise) void answer.then((bytes) => socket.write(bytes))
        else if (answer !== null) socket.write(answer)
      }
    })
  })
}

/** Passes everything on to `port`, and notes the requests that go there. */
export async function tapModbus(port: () => number): Promise<ModbusEnd> {
  return listen((socket, end) => {
    const reader = new MbapReader()
    const far = connect(port(), "127.0.0.1")
    far.on("error", () => socket.destroy())
    far.on("close", () => socket.destroy())
    socket.on("close", () => far.destroy())
    far.pipe(socket)
    socket.on("data", (chunk: Uint8Array) => {
      reader.push(chunk)
      for (let frame = reader.next(); frame !== null && typeof frame !== "string"; frame = reader.next()) {
        end.seen.push(Buffer.from(frame.adu).toString("hex"))
      }
      far.write(chunk)
    })
  })
}

async function listen(serve: (socket: Socket, end: ModbusEnd) => void): Promise<ModbusEnd> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    end.connections++
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    socket.on("close", () => sockets.delete(socket))
    serve(socket, end)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const end: ModbusEnd = {
    port: (server.address() as AddressInfo).port,
    seen: [],
    connections: 0,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return end
}

/** A good answer to reads of registers (each register holds its address) and an echo of single writes. */
export const honest = (transaction: number, adu: Uint8Array): Uint8Array => {
  const code = adu[1] ?? 0
  if (code !== 3) return encodeMbap(transaction, adu[0] ?? 0, adu.subarray(1, 6))
  const from = ((adu[2] ?? 0) << 8) | (adu[3] ?? 0)
  const count = ((adu[4] ?? 0) << 8) | (adu[5] ?? 0)
  const words = Array.from({ length: count }, (_, k) => [(from + k) >> 8, (from + k) & 0xff]).flat()
  return encodeMbap(transaction, adu[0] ?? 0, Uint8Array.of(3, count * 2, ...words))
}

/** A master on a socket of its own: requests by hand, answers as unit, function and data in hex. */
export class WireMaster {
  readonly socket: Socket
  readonly #reader = new MbapReader()
  readonly answers: string[] = []
  readonly transactions: number[] = []
  #wake: () => void = () => undefined
  closed = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on("error", () => socket.destroy())
    socket.on("data", (chunk: Uint8Array) => {
      this.#reader.push(chunk)
      for (let frame = this.#reader.next(); frame !== null; frame = this.#reader.next()) {
        if (typeof frame === "string") throw new Error(`the gateway sent ${frame}`)
        this.answers.push(Buffer.from(frame.adu).toString("hex"))
        this.transactions.push(frame.transaction)
      }
      this.#wake()
    })
    socket.on("close", () => {
      this.closed = true
      this.#wake()
    })
  }

  /** Resolves once there are so many answers, or the connection is closed. */
  async until(count: number): Promise<readonly string[]> {
    while (this.answers.length < count && !this.closed) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.answers
  }

  /** The answer to one request (unit, function and data in hex). */
  async ask(adu: string): Promise<string> {
    const bytes = Buffer.from(adu.replaceAll(" ", ""), "hex")
    const count = this.answers.length + 1
    this.socket.write(encodeMbap(count & 0xffff, bytes[0] ?? 0, bytes.subarray(1)))
    return (await this.until(count))[count - 1] ?? "closed"
  }

  async end(): Promise<void> {
    this.socket.destroy()
    while (!this.closed) await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}
