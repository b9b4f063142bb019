import { aliasBytes, createAliasMemory, MAX_ALIASES } from "../../../policy/filter/payload/alias-memory.ts"
import { isAllowed, REASON, reasonOf } from "../../../policy/filter/verdict.ts"
import { admitConnect, judgeWill, refuseVersion, type Refused, type WillInForce } from "./admission.ts"
import type { Authentication } from "./authentication.ts"
import { Lane, OUTCOME, type Outcome } from "./boundary.ts"
import { connackTerms } from "./connack-terms.ts"
import { parseConnack, refuseConnect } from "./connack.ts"
import { type ConnectPacket, parseConnect } from "./connect.ts"
import { encodeDisconnect } from "./disconnect.ts"
import { brokerHandler, type BrokerSide } from "./from-broker.ts"
import { clientHandler, type ClientSide } from "./from-client.ts"
import { type Direction, type Judge, REFUSING_JUDGE, type SessionDeps } from "./judge.ts"
import { KeepAlive } from "./keep-alive.ts"
import { outwardBroker, outwardClient } from "./one-way.ts"
import { AUTH, CONNACK, CONNECT, DISCONNECT, FROM_BROKER, FROM_CLIENT } from "./packet-type.ts"
import { PINGREQ_PACKET, PUBLISH, type Version, typeSet } from "./packet-type.ts"
import { PacketScan } from "./packet-scan.ts"
import { faultOf, mqttError } from "./protocol-error.ts"
import { PublishPath } from "./publish-path.ts"
import { Recording } from "./recording.ts"
import { CODE, RETURN_CODE } from "./reason-code.ts"
import type { SessionContext } from "./session-context.ts"
import type { CloseReason, SessionPort } from "./session-port.ts"
import { Subscriptions } from "./subscriptions.ts"
import { printable } from "./text.ts"
import { Writer } from "./writer.ts"

/**
 * One client's connection to its broker, without sockets: bytes in, bytes and decisions out by its `SessionPort`.
 *
 * No input makes it throw; after `port.close` every further input is ignored.
 */
export interface Session {
  /** Bytes of the client. The chunk is overwritten while this runs, and not kept. */
  fromClient(chunk: Uint8Array, nowMs: number): void
  /** Bytes of the broker; the same holds. */
  fromUpstream(chunk: Uint8Array, nowMs: number): void
  /** A new policy epoch. Ends the session if the will that the broker holds is no longer allowed. */
  rejudge(judge: Judge, nowMs: number): void
  /**
   * We end the session. The broker is sent a DISCONNECT first, so that it discards the will. If the client is in the middle
   * of a message that was allowed, its rest is let through before that, and `port.close` comes only then: the shell sets
   * a time after which it ends the client's socket and calls `clientEnded`.
   */
  withdraw(detail: string): void
  /** Say something of the gateway's own to the client, QoS 0, if it can be told anything now. */
  tell(topic: string, payload: Uint8Array): void
  /** The client's socket ended without a DISCONNECT: so does the upstream, and the broker publishes the will. */
  clientEnded(): void
  upstreamEnded(): void
  /** True after a withdrawal that waits for the rest of an allowed message. */
  readonly draining: boolean
  /** Bytes held for this session between calls, the tables of aliases and identifiers included. */
  readonly heldBytes: number
}

/** Make the session of a peer whose certificate was accepted; nothing is dialled before its CONNECT is. */
export function createSession(port: SessionPort, deps: SessionDeps): Session {
  return new ProxySession(port, deps)
}

/**
 * | phase    | from            | the client may send | the broker may send |
 * |----------|-----------------|---------------------|---------------------|
 * | connect  | start           | CONNECT             | nothing             |
 * | connack  | CONNECT         | all but CONNECT     | CONNACK             |
 * | open     | CONNACK         | all but CONNECT     | all but CONNACK     |
 * | draining | withdrawal      | rest of one PUBLISH | ignored             |
 * | closed   | anywhere        | ignored             | ignored             |
 */
type Phase = "connect" | "connack" | "open" | "draining" | "closed"

interface Ending {
  readonly reason: CloseReason
  readonly detail: string
}

/** What a client says of one message besides the PUBLISH: PUBREC and PUBCOMP of one that it gets, PUBREL of one that it sends. */
const PACKETS_OF_MESSAGE = 2
/** As many as packet identifiers can be in flight. */
const MAX_AWAITED = PACKETS_OF_MESSAGE * 65_535

class ProxySession implements Session, SessionContext {
  readonly port: SessionPort
  readonly deps: SessionDeps
  version: Version = 4
  judge: Judge = REFUSING_JUDGE
  nowMs = 0

  #phase: Phase = "connect"
  #ending: Ending | null = null
  #withdrawCode: number = CODE.administrativeAction
  #clientId = ""
  #idAssigned = false
  /** True once a CONNACK with success went to the client. */
  #answered = false
  #keepAliveSeconds = 0
  #will: WillInForce | null = null
  #authentication: Authentication | null = null
  /** Data may only leave (`one-way.ts`). */
  readonly #isOutward: boolean
  readonly #up: Lane
  readonly #down: Lane
  readonly #upPath: PublishPath
  readonly #downPath: PublishPath
  readonly #subscriptions: Subscriptions
  readonly #keepAlive = new KeepAlive()
  /** One for both directions: a command that comes down is read by the birth that went up. */
  readonly #metricAliases = createAliasMemory(MAX_ALIASES)
  /** Packets of the client that messages explain and that have not come yet. */
  #awaited = 0

  constructor(port: SessionPort, deps: SessionDeps) {
    this.port = port
    this.deps = deps
    this.#upPath = new PublishPath(this, "up")
    this.#downPath = new PublishPath(this, "down")
    this.#subscriptions = new Subscriptions(this)
    const parts = {
      context: this,
      authenticate: (direction: Direction, bytes: Uint8Array, body: number, end: number): Outcome => {
        this.#authentication?.packet(direction, bytes, body, end)
        return OUTCOME.pass
      },
      up: this.#upPath,
      down: this.#downPath,
      subscriptions: this.#subscriptions,
      keepAlive: this.#keepAlive,
    }
    const client = { ...parts, connect: (...packet: Parameters<ClientSide["connect"]>) => this.#connect(...packet) }
    const broker = { ...parts, connack: (...packet: Parameters<BrokerSide["connack"]>) => this.#connack(...packet) }
    this.#isOutward = deps.conduit.direction === "out"
    const [usualClient, usualBroker] = [clientHandler(client), brokerHandler(broker)]
    const fromClient = this.#isOutward ? outwardClient(client, usualClient) : usualClient
    const fromBroker = this.#isOutward ? outwardBroker(broker, usualBroker) : usualBroker
    const upScan = new PacketScan(typeSet(CONNECT), true, deps.limits)
    const downScan = new PacketScan(typeSet(CONNACK), false, deps.limits)
    this.#up = new Lane(upScan, fromClient, this.#upPath.recording, (bytes) => port.toUpstream(bytes))
    this.#down = new Lane(downScan, fromBroker, this.#downPath.recording, (bytes) => port.toClient(bytes))
  }

  get draining(): boolean {
    return this.#phase === "draining"
  }

  get heldBytes(): number {
    const paths = [this.#upPath, this.#downPath]
    const tables = paths.reduce((sum, path) => sum + path.aliases.heldBytes + path.ids.heldBytes, 0)
    const will = (this.#will?.payload.length ?? 0) + (this.#authentication?.heldBytes ?? 0)
    const lanes = this.#up.heldBytes + this.#down.heldBytes
    return lanes + tables + this.#subscriptions.heldBytes + will + aliasBytes(this.#metricAliases)
  }

  fromClient(chunk: Uint8Array, nowMs: number): void {
    this.nowMs = nowMs
    if (this.#phase === "closed") return
    if (this.#phase === "draining") this.#drain(chunk)
    else this.#feed("up", chunk)
  }

  fromUpstream(chunk: Uint8Array, nowMs: number): void {
    this.nowMs = nowMs
    if (this.#phase === "connack" || this.#phase === "open") this.#feed("down", chunk)
  }

  rejudge(judge: Judge, nowMs: number): void {
    this.nowMs = nowMs
    if (this.#phase !== "connack" && this.#phase !== "open") return
    this.judge = judge
    if (this.#will === null) return
    const verdict = judgeWill(judge, this.#will, nowMs)
    // A rate that happens to be used up says nothing about whether the will may stand.
    if (isAllowed(verdict) || reasonOf(verdict) === REASON.rate) return
    this.#denyWill(verdict, this.#will.topic)
    this.#withdrawCode = CODE.notAuthorized
    this.withdraw("ERR_MQTT_WILL_DENIED")
  }

  withdraw(detail: string): void {
    if (this.#phase === "closed" || this.#phase === "draining") return
    this.#ending = { reason: "withdrawn", detail }
    if (this.#phase === "connect") this.#close()
    else if (this.#up.insidePacket) this.#phase = "draining"
    else this.#leave()
  }

  tell(topic: string, payload: Uint8Array): void {
    if (this.#phase !== "open" && this.#phase !== "connack") return
    const writer = new Writer().binary(new TextEncoder().encode(topic))
    if (this.version === 5) writer.propertyList(new Uint8Array(0))
    const packet = writer.raw(payload).packet(PUBLISH << 4)
    if (packet.length > this.#downPath.receiverMaxBytes) return
    this.inject("down", packet)
    this.#down.pump()
  }

  clientEnded(): void {
    // Withdrawn inside a packet and never at its end: no DISCONNECT could be said, so the broker publishes the will.
    if (this.#phase === "draining") this.#ending = { reason: "withdrawn", detail: "ERR_MQTT_CUT_INSIDE_PACKET" }
    this.#ending ??= { reason: "client", detail: "lost" }
    this.#close()
  }

  upstreamEnded(): void {
    if (this.#phase === "connack") this.#refuseUnavailable()
    this.#ending ??= { reason: "broker", detail: "lost" }
    this.#close()
  }

  replace(direction: Direction, packet: Uint8Array): void {
    this.#lane(direction).replace(packet)
  }

  inject(direction: Direction, packet: Uint8Array): void {
    this.#lane(direction).inject(packet)
  }

  endAfter(reason: CloseReason, detail: string): void {
    this.#ending ??= { reason, detail }
  }

  #lane(direction: Direction): Lane {
    return direction === "up" ? this.#up : this.#down
  }

  #feed(direction: Direction, chunk: Uint8Array): void {
    const lane = this.#lane(direction)
    const path = direction === "up" ? this.#upPath : this.#downPath
    const before = path.passedMessages
    let failure: unknown = null
    try {
      lane.feed(chunk)
      if (direction === "up") this.#noteLife()
    } catch (error) {
      failure = error
    }
    const messages = path.passedMessages - before
    if (lane.passedBytes > 0) this.port.passed(direction, messages, lane.passedBytes)
    this.#awaited = Math.min(this.#awaited + messages * PACKETS_OF_MESSAGE, MAX_AWAITED)
    if (direction === "up") this.#noteRequests(lane.controlPackets)
    this.#up.pump()
    this.#down.pump()
    if (failure !== null) this.#fail(failure, direction)
    else if (this.#ending !== null) this.#close()
  }

  #noteRequests(controlPackets: number): void {
    const unexplained = controlPackets - this.#awaited
    this.#awaited = Math.max(0, -unexplained)
    if (unexplained > 0) this.port.requested(unexplained)
  }

  #noteLife(): void {
    if (this.#up.passedBytes > 0) this.#keepAlive.heard(this.nowMs)
    else if (this.#up.droppedPackets > 0 && this.#keepAlive.dropped(this.nowMs)) this.inject("up", PINGREQ_PACKET)
  }

  #connect(bytes: Uint8Array, body: number, end: number, scan: PacketScan): Outcome {
    let packet: ConnectPacket
    try {
      packet = parseConnect(bytes, body, end)
    } catch (error) {
      const level = faultOf(error)?.detail["level"]
      if (typeof level !== "number") throw error
      const answer = refuseVersion(level)
      return this.#refuse({ kind: "refused", answer, detail: "ERR_MQTT_PROTOCOL_LEVEL", deniedWill: null })
    }
    if (packet.version === 5 && scan.padded) throw mqttError("ERR_MQTT_LENGTH", "a remaining length is padded")
    this.version = this.#up.scan.version = this.#down.scan.version = packet.version
    const admission = admitConnect(packet, this.deps, this.#metricAliases, this.nowMs)
    if (admission.kind === "refused") return this.#refuse(admission)

    this.judge = admission.judge
    this.#will = admission.will
    this.#clientId = admission.clientId
    this.#idAssigned = admission.assigned
    this.#keepAliveSeconds = admission.keepAliveSeconds
    this.#downPath.aliases.limit = admission.topicAliasMaximum
    this.#downPath.receiverMaxBytes = this.#down.scan.receiverMaxBytes = admission.clientMaxPacketBytes
    this.#downPath.run.bound(admission.clientMaxPacketBytes)
    this.#authentication = admission.authentication
    // Until it is authenticated a client must send nothing else (MQTT-3.1.2-30).
    this.#up.scan.accepted = this.#authentication === null ? FROM_CLIENT : typeSet(AUTH, DISCONNECT)
    if (this.#authentication !== null) this.#down.scan.accepted |= typeSet(AUTH)
    this.#phase = "connack"
    // What we answer to packets behind the CONNECT comes after the broker's word on it (MQTT-3.2.0-1).
    this.#down.holding = true
    if (this.#will !== null) this.#recordWill(this.#will, admission.willVerdict)
    this.port.dial()
    this.#up.replace(admission.forward)
    return OUTCOME.replaced
  }

  #recordWill({ topic, payload }: WillInForce, verdict: number): void {
    const wish = this.judge.record(verdict)
    if (wish === null) return
    const recording = new Recording(this)
    recording.begin(wish, "will", topic, 0, topic.length, payload.length)
    recording.payload(payload, 0, payload.length)
    recording.end()
  }

  #refuse(refused: Refused): Outcome {
    if (refused.deniedWill !== null) this.#denyWill(refused.deniedWill.verdict, refused.deniedWill.topic)
    this.port.toClient(refused.answer)
    this.endAfter("refused", refused.detail)
    return OUTCOME.stop
  }

  #denyWill(verdict: number, topic: Uint8Array): void {
    this.port.denied("publish", verdict, printable(topic, 0, topic.length), true)
  }

  #connack(bytes: Uint8Array, body: number, end: number): Outcome {
    const packet = parseConnack(bytes, body, end, this.version)
    if (packet.code !== 0) {
      this.endAfter("broker", `connack ${packet.code}`)
      if (!this.#isOutward) return OUTCOME.last
      this.#down.replace(refuseConnect(packet.code, this.version))
      return OUTCOME.stop
    }
    const { maxPacketBytes, maxTopicAliases } = this.deps.limits
    const authentication = this.#authentication
    const assignedClientId = this.#idAssigned ? this.#clientId : null
    const terms = connackTerms(packet, this.version, {
      maxPacketBytes,
      maxTopicAliases,
      numbersOnly: this.#isOutward,
      authentication,
      assignedClientId,
    })
    this.#upPath.aliases.limit = terms.topicAliasMaximum
    this.#upPath.receiverMaxBytes = terms.brokerMaxPacketBytes
    this.#keepAlive.start(terms.keepAliveSeconds ?? this.#keepAliveSeconds, this.nowMs)
    this.#down.scan.accepted = FROM_BROKER[this.version]
    if (authentication !== null) {
      this.#up.scan.accepted = FROM_CLIENT | typeSet(AUTH)
      this.#down.scan.accepted |= typeSet(AUTH)
    }
    this.#phase = "open"
    this.#answered = true
    this.#down.holding = false
    this.#down.replace(terms.forward)
    this.port.connected(this.#clientId, this.version)
    return OUTCOME.replaced
  }

  /** A peer broke the protocol or asked for too much. The broker publishes the will, as it would have by itself. */
  #fail(error: unknown, direction: Direction): void {
    const found = faultOf(error)
    if (found === null) throw error
    const { code, fault } = found
    const broken = direction === "up" ? "protocol-client" : "protocol-broker"
    this.#ending = { reason: fault.limit === true ? "limit" : broken, detail: code }
    if (direction === "up") this.#disconnectClient(fault.reason)
    else {
      if (this.version === 5) this.#say("up", encodeDisconnect(fault.reason, 5))
      this.#disconnectClient(CODE.unspecified)
    }
    this.#close()
  }

  #drain(chunk: Uint8Array): void {
    this.#up.drain(chunk)
    this.port.passed("up", 0, this.#up.passedBytes)
    if (!this.#up.insidePacket) this.#leave()
  }

  /** Take leave of both sides in order: without its will from the broker, with a reason from the client. */
  #leave(): void {
    this.#say("up", encodeDisconnect(CODE.success, this.version))
    if (this.#answered) this.#disconnectClient(this.#withdrawCode)
    else this.#refuseUnavailable()
    this.#close()
  }

  #refuseUnavailable(): void {
    const code = this.version === 5 ? CODE.serverUnavailable : RETURN_CODE.serverUnavailable
    this.port.toClient(refuseConnect(code, this.version))
  }

  /** MQTT 5 lets a server say why, once it has said CONNACK; 3.1.1 has no word for it. */
  #disconnectClient(code: number): void {
    if (this.version === 5 && this.#answered) this.#say("down", encodeDisconnect(code, 5))
  }

  /** The last packet of a direction; unsaid if the receiver is in the middle of another. */
  #say(direction: Direction, packet: Uint8Array): void {
    const lane = this.#lane(direction)
    lane.pump()
    if (lane.insidePacket) return
    if (direction === "up") this.port.toUpstream(packet)
    else this.port.toClient(packet)
  }

  #close(): void {
    if (this.#phase === "closed") return
    this.#phase = "closed"
    this.judge = REFUSING_JUDGE
    const { reason, detail } = this.#ending ?? { reason: "client", detail: "lost" }
    this.port.close(reason, detail)
  }
}
