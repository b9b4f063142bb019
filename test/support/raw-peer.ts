/** A TLS peer that counts: what it may say of a listener is how many bytes came back, and how it ended. */
import { connect as connectTcp } from "node:net"
import { Duplex } from "node:stream"
import { connect, type ConnectionOptions } from "node:tls"

/** What a peer does that knows TLS and nothing of what is said in it. */
export interface RawPeerOptions {
  readonly port: number
  /** Key, certificate, versions; the listener's own certificate is not checked. */
  readonly tls: ConnectionOptions
  /** Said once the handshake is over as this end sees it. */
  readonly say: Uint8Array
  /** Send it in one piece with the last flight of the handshake, before the other end can have judged. */
  readonly early?: boolean
  /** Ends the wait for an answer or the end; default 5 s. */
  readonly timeoutMs?: number
}

/** What such a peer saw. */
export interface RawPeerSeen {
  /** The handshake ended, as this end sees it: in TLS 1.3 before the other end has judged. */
  readonly handshake: boolean
  /** Application bytes that came back. */
  readonly bytes: number
  /** The other end closed; false if an answer came, or nothing in time. */
  readonly closed: boolean
  /** Node's or OpenSSL's code, if it ended with an error. */
  readonly error: string
  /** Whether one write to the wire carried the handshake's last flight and `say`. */
  readonly joined: boolean
}

/** Connect, say it, wait for an answer or the end. */
export async function rawPeer(options: RawPeerOptions): Promise<RawPeerSeen> {
  const wire = connectTcp(options.port, "127.0.0.1")
  const held: Buffer[] = []
  let writes = 0
  // The first write is the ClientHello; in TLS 1.3 all that follows is the last flight, and then our own words.
  const holding = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _, done) {
      if (options.early === true && ++writes > 1) held.push(chunk)
      else wire.write(chunk)
      done()
    },
    final: (done) => wire.end(done),
    destroy: (error, done) => {
      wire.destroy()
      done(error)
    },
  })
  wire.on("data", (chunk: Buffer) => holding.push(chunk))
  wire.on("end", () => holding.push(null))
  wire.on("error", (error) => holding.destroy(error))
  wire.on("close", () => holding.destroy())
  const socket = connect({ ...options.tls, socket: holding, rejectUnauthorized: false })
  let handshake = false
  let bytes = 0
  let error = ""
  let joined = false
  return new Promise((resolve) => {
    const end = (closed: boolean): void => {
      clearTimeout(timer)
      resolve({ handshake, bytes, closed, error, joined })
      socket.destroy()
      wire.destroy()
    }
    const timer = setTimeout(() => end(false), options.timeoutMs ?? 5_000)
    socket.on("error", (e: NodeJS.ErrnoException) => (error ||= e.code ?? e.message))
    socket.on("close", () => end(bytes === 0))
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length
      end(false)
    })
    socket.on("secureConnect", () => {
      handshake = true
      socket.write(options.say)
      if (options.early !== true) return
      // Time for both to come out of the TLS layer; the listener waits for the flight meanwhile.
      setTimeout(() => {
        const flight = Buffer.concat(held.splice(0))
        const records = recordLengths(flight)
        joined = records.length >= 3 && records.at(-1) === options.say.length + SEALING
        wire.write(flight)
      }, 100)
    })
  })
}

/** What a TLS 1.3 record of AEAD adds to what it holds: a type and a tag. */
const SEALING = 17

function recordLengths(bytes: Buffer): number[] {
  const lengths: number[] = []
  for (let at = 0; at + 5 <= bytes.length; at += 5 + lengths.at(-1)!) lengths.push(bytes.readUInt16BE(at + 3))
  return lengths
}
