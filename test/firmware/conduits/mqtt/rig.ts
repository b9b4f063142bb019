import { createHash } from "node:crypto"
import * as assert from "uvu/assert"
import { generate, type Packet, parser } from "mqtt-packet"
import { createSession, type Session } from "../../../../firmware/conduits/mqtt/session.ts"
import type { ConnectFacts, Judge, RecordWish, SessionDeps } from "../../../../firmware/conduits/mqtt/judge.ts"
import type { RecordedMessage } from "../../../../firmware/conduits/mqtt/recording.ts"
import type { SessionPort } from "../../../../firmware/conduits/mqtt/session-port.ts"
import { DEFAULT_LIMITS, type Limits } from "../../../../firmware/config/gateway-config.ts"
import { REASON, type Reason, reasonName, verdict, type Verdict } from "../../../../policy/filter/verdict.ts"

export type Version = 4 | 5
export const VERSIONS: readonly Version[] = [4, 5]

/** Encode with the foreign encoder. */
export function bytesOf(packet: unknown, version: Version): Uint8Array {
  return new Uint8Array(generate(packet as Packet, { protocolVersion: version }))
}

/** Parse with the foreign parser; without lengths, with payloads as text where short, so that packets compare well. */
export function packetsOf(bytes: Uint8Array, version: Version): any[] {
  const found: any[] = []
  const reader = parser({ protocolVersion: version })
  reader.on("packet", (packet: any) => found.push(plain(packet)))
  reader.on("error", (error: Error) => {
    throw error
  })
  const left = reader.parse(Buffer.from(bytes))
  assert.is(left, 0, "the output ends inside a packet")
  return found
}

/** A packet as plain data: without its length, and without header flags and empty fields where it is no PUBLISH. */
export function plain(packet: any): any {
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

/** The parts one after the other, copied. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

export const ALLOWED = 0
/** A verdict of rule 0 for that reason. */
export function no(reason: Reason = "no-rule"): Verdict {
  return verdict(REASON[reason], 0)
}

/** What the fake filter was asked. */
export interface Asked {
  readonly action: "publish" | "receive" | "subscribe" | "topic-up" | "topic-down"
  readonly topic: string
  readonly qos: number
  readonly retain: boolean
  readonly payloadBytes: number
  /** Null if not all of it is in hand. */
  readonly payload: string | null
}

export type Rules = (asked: Asked) => Verdict

/** What is kept of a question. */
export type Asking = Omit<Asked, "payload">

/**
 * Topics (and filters) that contain the word `secret` are denied; a `reason=<word>` in them says why. On a topic with the
 * word `form` payloads are looked into: those with `bad` in them are denied.
 */
export const SECRETS: Rules = ({ topic, payload }) => {
  if (topic.includes("form")) {
    if (payload === null) return verdict(REASON.incomplete, -1)
    return payload.includes("bad") ? no("payload-form") : ALLOWED
  }
  const reason = /reason=([a-z-]+)/.exec(topic)?.[1] as Reason | undefined
  return topic.includes("secret") ? no(reason ?? "no-rule") : ALLOWED
}

/**
 * A filter with a function for a policy. It reads the packet by itself from [start, end) alone, and fails if that does not
 * hold the variable header. Everything it allows is recorded as `record` says.
 */
export function fakeJudge(version: Version, rules: Rules, log: Asking[] = [], record: RecordWish | null = null): Judge {
  const ask = (asked: Asked): Verdict => {
    const { action, topic, qos, retain, payloadBytes } = asked
    log.push({ action, topic, qos, retain, payloadBytes })
    return rules(asked)
  }
  const packet = (action: "publish" | "receive", given: Uint8Array, start: number, end: number): Verdict => {
    const bytes = Buffer.from(given.slice(start, end))
    let at = 1
    let remaining = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(at++)
      remaining |= (byte & 127) << shift
      if (byte < 128) break
    }
    const total = at + remaining
    const flags = bytes.readUInt8(0)
    assert.is(flags >> 4, 3)
    const length = bytes.readUInt16BE(at)
    const topic = bytes.subarray(at + 2, at + 2 + length)
    assert.is(topic.length, length, "the topic is in hand")
    at += 2 + length
    const qos = (flags >> 1) & 3
    if (qos > 0) {
      bytes.readUInt16BE(at)
      at += 2
    }
    if (version === 5) {
      let size = 0
      for (let shift = 0; ; shift += 7) {
        const byte = bytes.readUInt8(at++)
        size |= (byte & 127) << shift
        if (byte < 128) break
      }
      at += size
    }
    assert.ok(at <= bytes.length, "the variable header is in hand")
    assert.ok(bytes.length <= total, "nothing behind the packet")
    const payload = bytes.length === total ? bytes.toString("latin1", at) : null
    return ask({ action, topic: topic.toString(), qos, retain: (flags & 1) === 1, payloadBytes: total - at, payload })
  }
  return {
    publish: (bytes, start, end) => packet("publish", bytes, start, end),
    receive: (bytes, start, end) => packet("receive", bytes, start, end),
    topic: (direction, bytes, start, end, flags, payloadBytes, _nowMs, payload, payloadAt) =>
      ask({
        action: `topic-${direction}`,
        topic: Buffer.from(bytes.slice(start, end)).toString(),
        qos: (flags >> 1) & 3,
        retain: (flags & 1) === 1,
        payloadBytes,
        payload:
          payloadAt < 0 ? null : Buffer.from(payload.slice(payloadAt, payloadAt + payloadBytes)).toString("latin1"),
      }),
    subscribe: (bytes, start, end, qos) =>
      ask({
        action: "subscribe",
        topic: Buffer.from(bytes.slice(start, end)).toString(),
        qos,
        retain: false,
        payloadBytes: 0,
        payload: "",
      }),
    record: () => record,
    hear: null,
  }
}

/** What of a session's surroundings is not the default. */
export interface RigOptions {
  /** Answers for `$lockgate/rights`; absent: it is a topic like any other. */
  readonly askRights?: () => void
  readonly version?: Version
  readonly rules?: Rules
  readonly limits?: Partial<Limits>
  readonly onDeny?: "ack" | "close"
  readonly upstreamIdentity?: "strip" | "subject"
  readonly enhancedAuth?: "refuse" | "pass"
  readonly direction?: "both" | "out" | "in"
  readonly subject?: string
  readonly clientIdPattern?: string
  /** What is recorded of everything that is allowed. */
  readonly record?: RecordWish
  /** In place of the fake filter. */
  readonly admit?: (facts: ConnectFacts) => Judge
}

/** Everything observable of a session, for comparison. */
export interface Outcome {
  readonly upstream: Uint8Array
  readonly client: Uint8Array
  readonly denied: readonly string[]
  readonly recorded: readonly RecordedMessage[]
  readonly closed: string | null
  readonly connected: string | null
  readonly messages: Readonly<Record<"up" | "down", number>>
  readonly bytes: Readonly<Record<"up" | "down", number>>
}

/** A session with a port that records, and with checks of what a port may rely on. */
export class Rig {
  readonly session: Session
  readonly asked: Asking[] = []
  readonly denied: string[] = []
  readonly recorded: RecordedMessage[] = []
  readonly admitted: ConnectFacts[] = []
  readonly version: Version
  now = 1000
  dialled = 0
  closed: string | null = null
  connected: string | null = null
  messages = { up: 0, down: 0 }
  bytes = { up: 0, down: 0 }
  requests = 0
  /** Writes of the last call. */
  writes: { readonly to: "upstream" | "client"; readonly view: Uint8Array; readonly copy: Uint8Array }[] = []
  #rules: Rules
  #upstream: Uint8Array[] = []
  #client: Uint8Array[] = []
  #takenUpstream = 0
  #takenClient = 0
  #passed = new Set<string>()

  constructor(options: RigOptions = {}) {
    this.version = options.version ?? 4
    this.#rules = options.rules ?? SECRETS
    const open = (): void => assert.is(this.closed, null, "nothing comes out after close")
    const port: SessionPort = {
      dial: () => {
        open()
        this.dialled++
      },
      toUpstream: (bytes) => {
        open()
        assert.is(this.dialled, 1, "dialled before the first byte")
        assert.ok(bytes.length > 0, "no empty write")
        this.writes.push({ to: "upstream", view: bytes, copy: new Uint8Array(bytes) })
        this.#upstream.push(new Uint8Array(bytes))
      },
      toClient: (bytes) => {
        open()
        assert.ok(bytes.length > 0, "no empty write")
        this.writes.push({ to: "client", view: bytes, copy: new Uint8Array(bytes) })
        this.#client.push(new Uint8Array(bytes))
      },
      denied: (action, verdict, object, will) => {
        open()
        this.denied.push(`${will ? "will" : action} ${object} ${reasonName(verdict)}`)
      },
      recorded: (message) => {
        open()
        this.recorded.push(message)
      },
      passed: (direction, messages, bytes) => {
        open()
        assert.not(this.#passed.has(direction), "at most once a chunk and direction")
        this.#passed.add(direction)
        this.messages[direction] += messages
        this.bytes[direction] += bytes
      },
      requested: (count) => {
        open()
        this.requests += count
      },
      connected: (clientId, version) => {
        open()
        this.connected = `${clientId} ${version}`
      },
      close: (reason, detail) => {
        open()
        this.closed = `${reason} ${detail}`
      },
    }
    const deps: SessionDeps = {
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      conduit: {
        onDeny: options.onDeny ?? "ack",
        upstreamIdentity: options.upstreamIdentity ?? "strip",
        enhancedAuth: options.enhancedAuth ?? "refuse",
        direction: options.direction ?? "both",
      },
      subject: options.subject ?? "s1",
      clientIdPattern: options.clientIdPattern ?? "%u",
      randomSuffix: () => "r4nd0m",
      newHash: () => {
        const hash = createHash("sha256")
        return { update: (bytes) => hash.update(bytes), digest: () => hash.digest("base64") }
      },
      admit: (facts) => {
        this.admitted.push(facts)
        if (options.admit !== undefined) return options.admit(facts)
        return fakeJudge(facts.version, (asked) => this.#rules(asked), this.asked, options.record ?? null)
      },
    }
    this.session = createSession(port, {
      ...deps,
      ...(options.askRights === undefined ? {} : { askRights: options.askRights }),
    })
  }

  /** Bytes of the client, each argument a chunk; packets are encoded first. */
  client(...chunks: readonly unknown[]): this {
    for (const chunk of chunks) this.#call(chunk, (bytes) => this.session.fromClient(bytes, this.now))
    return this
  }

  broker(...chunks: readonly unknown[]): this {
    for (const chunk of chunks) this.#call(chunk, (bytes) => this.session.fromUpstream(bytes, this.now))
    return this
  }

  /** Feeds a Buffer, as sockets do (its `slice` is a view), and spoils it afterwards, as a pool of buffers does. */
  #call(chunk: unknown, feed: (bytes: Uint8Array) => void): void {
    this.writes = []
    this.#passed.clear()
    const given = Buffer.from(chunk instanceof Uint8Array ? chunk : bytesOf(chunk, this.version))
    feed(given)
    for (const { view, copy } of this.writes) {
      assert.ok(Buffer.compare(view, copy) === 0, "a written view stays as it is within the call")
    }
    given.fill(0xee)
  }

  rejudge(rules: Rules): this {
    this.#rules = rules
    this.session.rejudge(fakeJudge(this.version, rules, this.asked), this.now)
    return this
  }

  /** CONNECT and CONNACK; what they caused is taken. */
  open(connect: Record<string, unknown> = {}, connack: Record<string, unknown> = {}): this {
    this.client(connectPacket(this.version, connect)).broker(connackPacket(this.version, connack))
    assert.is(this.closed, null)
    this.takeUpstream()
    this.takeClient()
    return this
  }

  upstreamBytes(): Uint8Array {
    return concat(this.#upstream)
  }

  clientBytes(): Uint8Array {
    return concat(this.#client)
  }

  /** Packets that reached the broker since the last taking. */
  takeUpstream(): any[] {
    const all = this.upstreamBytes()
    const fresh = all.subarray(this.#takenUpstream)
    this.#takenUpstream = all.length
    return packetsOf(fresh, this.version)
  }

  takeClient(): any[] {
    const all = this.clientBytes()
    const fresh = all.subarray(this.#takenClient)
    this.#takenClient = all.length
    return packetsOf(fresh, this.version)
  }

  outcome(): Outcome {
    return {
      upstream: this.upstreamBytes(),
      client: this.clientBytes(),
      denied: this.denied,
      recorded: this.recorded,
      closed: this.closed,
      connected: this.connected,
      messages: this.messages,
      bytes: this.bytes,
    }
  }
}

/** A CONNECT of client `s1` as `mqtt-packet` takes it, clean and without keep-alive. */
export function connectPacket(version: Version, more: Record<string, unknown> = {}): Record<string, unknown> {
  const base = {
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: version,
    clientId: "s1",
    clean: true,
    keepalive: 0,
  }
  return version === 5 ? { ...base, properties: {}, ...more } : { ...base, ...more }
}

/** A CONNACK that accepts, as `mqtt-packet` takes it. */
export function connackPacket(version: Version, more: Record<string, unknown> = {}): Record<string, unknown> {
  return version === 5
    ? { cmd: "connack", sessionPresent: false, reasonCode: 0, properties: {}, ...more }
    : { cmd: "connack", sessionPresent: false, returnCode: 0, ...more }
}

/** A PUBLISH with QoS 0 and payload `x`, as `mqtt-packet` takes it. */
export function publishPacket(topic: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { cmd: "publish", topic, payload: "x", qos: 0, retain: false, dup: false, ...more }
}

/** An acknowledgement as `packetsOf` reports it: 3.1.1 knows no codes. */
export function ack(cmd: string, messageId: number, version: Version, reasonCode = 0): Record<string, unknown> {
  return version === 5 ? { cmd, messageId, reasonCode } : { cmd, messageId }
}
