/**
 * One conduit at work: its listener (TLS, or plain TCP where policy has clear text), the judgement of every peer, and the connections of those who were let in.
 *
 * A peer's certificate is judged in `secureConnection`, before any listener for data is attached: of a refused peer
 * no application byte is read and no upstream is opened (IEC 62443-4-2 CR 1.2, NDR 5.2).
 */
import type { Server, Socket } from "node:net"
import { createServer, type Server as TlsServer, type TLSSocket } from "node:tls"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import { InvariantError } from "../../policy/base/errors.ts"
import { closeFailedHandshakes } from "../tls/handshake-failure.ts"
import { serverOptions } from "../tls/options.ts"
import { peerChain } from "../tls/peer-chain.ts"
import { newCounters, type CounterSet } from "./counters.ts"
import { judgeAddress, judgeAgain, judgeArrival, type Admission } from "./arrival.ts"
import type { ConduitInForce, InForce } from "./in-force.ts"
import type { EngineContext } from "./engine-context.ts"
import { createFrontDoor, type FrontDoor } from "./load/front-door.ts"
import type { LoadedPeer } from "./load/load-watch.ts"
import { unlike, type EndsKind } from "../config/ends-kind.ts"
import type { EngineConduit, Listening, TlsCredential } from "./messages.ts"
import { createMqttProtocol } from "./mqtt/protocol.ts"
import type { Admitted, Now, PeerSession } from "./protocol.ts"
import { certificateDetail } from "./trust-in-force.ts"

/** Between two attempts to open a listener. */
const REOPEN_MS = 5_000

const CLOSED: Admission = {
  ok: false,
  reason: "closed",
  faults: [],
  fingerprint: null,
  issuer: null,
  serial: null,
}

/** A peer that was let in, and what it was judged by. */
interface Entry extends LoadedPeer {
  readonly session: PeerSession
  readonly chain: readonly Uint8Array[]
  readonly leaf: CertificateFacts | null
  readonly address: string
  readonly tlsVersion: string
  generation: number
  anchorKey: string
  essential: boolean
}

/** One conduit, as the engine drives it. */
export interface ConduitListener {
  readonly counters: CounterSet
  /** Where it listens now, or null. */
  listening(): Listening | null
  /** Take over what is in force; resolves when the listener is open or closed accordingly. */
  apply(next: InForce | null): Promise<Listening | null>
  /** Let the next bytes of a peer fail; for tests. */
  breakNext(): void
  /** Everybody who was let in. */
  readonly peers: Iterable<LoadedPeer>
}

/** Connections that the kernel keeps for us: all of them are taken in one turn, and whoever is connected already waits so long. */
const BACKLOG = 64

/** A conduit's runtime; closed until `apply` is given a policy that opens it. */
export function createListener(conduit: EngineConduit, context: EngineContext): ConduitListener {
  const counters = newCounters()
  const protocol =
    conduit.modbus === undefined
      ? createMqttProtocol(conduit, context, counters)
      : modbusOf(context)(conduit, context, counters)
  const admitted = new Set<Entry>()
  let server: Server | null = null
  let tls: TlsServer | null = null
  /** The generation of trust that its credential is of. */
  let shownFrom = 0
  let inForce: Now | null = null
  let breaking = false

  // ---- peers ----

  function onPeer(socket: TLSSocket): void {
    socket.on("error", () => socket.destroy())
    const chain = peerChain(socket)
    const now = inForce
    const verdict = now === null ? CLOSED : judgeArrival(now.own, chain, socket.getProtocol() ?? "", context)
    if (now !== null && verdict.ok) return admit(socket, now, chain, verdict, socket.getProtocol() ?? "")
    turnAway(socket, verdict)
  }

  /** A peer in clear text shows nothing: its address is all there is. */
  function onPlainPeer(socket: Socket): void {
    socket.on("error", () => socket.destroy())
    const now = inForce
    const verdict = now === null ? CLOSED : judgeAddress(now.own, socket.remoteAddress ?? "")
    if (now !== null && verdict.ok) return admit(socket, now, [], verdict, "none")
    turnAway(socket, verdict)
  }

  function turnAway(socket: Socket, verdict: Admission): void {
    const address = socket.remoteAddress ?? ""
    socket.destroy()
    if (verdict.ok) return
    const { reason, faults, fingerprint, issuer, serial } = verdict
    refused(reason, address, {
      ...(fingerprint === null ? {} : { fingerprint }),
      ...(issuer === null ? {} : { issuer }),
      ...(serial === null ? {} : { serial }),
      ...(faults.length > 1 ? { faults: faults.join(" ") } : {}),
    })
  }

  function admit(socket: Socket, now: Now, chain: readonly Uint8Array[], verdict: Admitted, tlsVersion: string): void {
    const { leaf, subject } = verdict
    const address = socket.remoteAddress ?? ""
    const essential = now.own.isEssential(subject.roles)
    const place = context.load.take(conduit.name, subject.name, essential, makeRoom)
    if (typeof place === "string") {
      socket.destroy()
      return refused(place, address, { subject: subject.name })
    }
    context.load.keeper.proved(address)
    const leave = [context.buckets.join(subject.name), context.modbusBuckets.join(subject.name)]
    counters.accepted++
    counters.connections++
    if (leaf !== null) context.certificateSeen(leaf.notBeforeAt)
    const session = protocol.admit({ socket, leaf, address, tlsVersion, meter: place.meter }, now, verdict, {
      refresh: () => {
        if (breaking) throw new InvariantError("ERR_BROKEN_ON_PURPOSE", "a test lets this conduit fail")
        if (inForce === null || entry.generation !== inForce.all.generation) readmit(entry)
      },
      now: () => inForce,
      failed: (error) => context.failed(conduit.name, error),
      essential: () => entry.essential,
      ended: () => {
        counters.connections--
        place.free()
        for (const end of leave) end()
        admitted.delete(entry)
      },
    })
    const entry: Entry = {
      session,
      chain,
      leaf,
      address,
      tlsVersion,
      generation: now.all.generation,
      anchorKey: now.own.anchorKey,
      essential,
      waitingBytes: () => socket.writableLength,
      heldBytes: () => socket.writableLength + (session.heldBytes?.() ?? 0),
      shed: (reason) => {
        context.load.shed(conduit.name, reason, subject.name, entry.essential)
        session.withdraw(reason, 0)
      },
    }
    admitted.add(entry)
  }

  /** End a connection that is not essential, the greediest, for one that is. */
  function makeRoom(): boolean {
    const lesser = [...admitted].filter((entry) => !entry.essential)
    const first = lesser[0]
    if (first === undefined) return false
    lesser.reduce((most, entry) => (entry.heldBytes() > most.heldBytes() ? entry : most), first).shed("displaced")
    return true
  }

  /** Whether nobody could come in, not even somebody essential: else a full conduit is worth a handshake. */
  function hasNoRoom(): boolean {
    if (!context.load.isFull(conduit.name)) return false
    const roles = inForce?.all.epoch.policy.essentialRoles[conduit.name] ?? []
    return roles.length === 0 || [...admitted].every((entry) => entry.essential)
  }

  /** Judge a peer that is already in by what is in force now; who may no longer be in is withdrawn. */
  function readmit(entry: Entry): void {
    const now = inForce
    if (now === null) return entry.session.withdraw("closed", 0)
    // Judged once a generation, also when the outcome is a withdrawal that waits for the rest of a message.
    entry.generation = now.all.generation
    // What island mode and its like close is cut at once; a new policy lets the message under way arrive.
    const graceMs = now.own.essentialOnly ? 0 : protocol.withdrawGraceMs
    const verdict = judgeEntry(entry, now)
    if (!verdict.ok) return entry.session.withdraw(verdict.reason, distrusted(entry, now.own, verdict) ? 0 : graceMs)
    entry.anchorKey = now.own.anchorKey
    entry.essential = now.own.isEssential(verdict.subject.roles)
    if (!entry.session.readmit(now, verdict)) entry.session.withdraw("terms", graceMs)
  }

  function judgeEntry({ leaf, chain, address, tlsVersion, anchorKey }: Entry, { own }: Now): Admission {
    if (leaf === null) return judgeAddress(own, address)
    return anchorKey === own.anchorKey
      ? judgeAgain(own, leaf, tlsVersion)
      : judgeArrival(own, chain, tlsVersion, context)
  }

  /** True, and told to the log, if it is trust alone that speaks against who was let in: then nothing more may pass. */
  function distrusted(entry: Entry, own: ConduitInForce, verdict: Extract<Admission, { ok: false }>): boolean {
    const { leaf } = entry
    if (leaf === null || entry.anchorKey === own.anchorKey) return false
    const known = judgeAgain(own, leaf, entry.tlsVersion)
    if (!known.ok) return false
    context.report({
      id: "conduit.peer-distrusted",
      outcome: "denied",
      source: `conduit/${conduit.name}`,
      subject: known.subject.name,
      conduit: conduit.name,
      reason: verdict.reason,
      detail: certificateDetail(leaf),
    })
    return true
  }

  // ---- listener ----

  /** What fails while a peer is taken in is a fault of this conduit, and of no other. NDR 5.2 RE(3). */
  function guarded<S extends Socket>(take: (socket: S) => void): (socket: S) => void {
    return (socket) => {
      try {
        take(socket)
      } catch (error) {
        socket.destroy()
        context.failed(conduit.name, error)
      }
    }
  }

  /** What answers behind the front door: TLS, or nothing at all where the zone speaks in clear. */
  function makeDoor(own: ConduitInForce): FrontDoor {
    const credential = context.trust.serverCredential(conduit)
    const { maxConnections, maxHalfOpen } = context.limits
    const handshakes = credential === null ? null : createServer(tlsOptions(own, credential))
    tls = handshakes
    const door = createFrontDoor({
      keeper: context.load.keeper,
      maxHalfOpen,
      maxSockets: maxConnections + 2 * maxHalfOpen,
      full: hasNoRoom,
      accept: (socket) => {
        if (handshakes !== null) handshakes.emit("connection", socket)
        else greet(socket, onPlainPeer)
      },
      refused,
    })
    const greet = <S extends Socket>(socket: S, next: (socket: S) => void): void => {
      door.greeted(socket)
      guarded(next)(socket)
    }
    if (handshakes === null) return door
    handshakes.on("secureConnection", (socket) => greet(socket, onPeer))
    closeFailedHandshakes(handshakes, ({ code, address }) => {
      if (address !== null || !door.displaced()) refused(code, address ?? "")
    })
    return door
  }

  function open(own: ConduitInForce): Promise<Listening | null> {
    const opened = makeDoor(own).server
    shownFrom = context.trust.generation
    server = opened
    return new Promise((resolve) => {
      opened.on("error", (error: NodeJS.ErrnoException) => {
        context.fault(conduit.name, error.code ?? "ERR_LISTEN", error.message)
        opened.close()
        if (server === opened) server = null
        resolve(null)
        context.after(REOPEN_MS, reopen)
      })
      opened.once("close", () => resolve(null))
      const { address: host, port } = conduit.listen
      opened.listen({ host, port, backlog: BACKLOG, reusePort: context.workers > 1 }, () => resolve(listening()))
    })
  }

  /** A port that was taken may be free again. */
  function reopen(): void {
    if (inForce === null || server !== null) return
    void open(inForce.own).then((now) => {
      if (now !== null) context.reopened()
    })
  }

  function refused(reason: string, address: string, detail: Readonly<Record<string, string>> = {}): void {
    counters.refusedPeers++
    context.refusedPeer({ conduit: conduit.name, address, reason, detail })
  }

  function tlsOptions(own: ConduitInForce, credential: TlsCredential) {
    return serverOptions({
      credential,
      tlsMin: own.zone.tlsMin,
      handshakeTimeoutMs: Math.min(context.limits.halfOpenMs, context.limits.connectTimeoutMs),
    })
  }

  function listening(): Listening | null {
    const address = server?.address()
    if (address === null || address === undefined || typeof address === "string") return null
    return { conduit: conduit.name, address: address.address, port: address.port }
  }

  async function apply(next: InForce | null): Promise<Listening | null> {
    const own = next?.conduits.get(conduit.name)
    // Ends of another kind than the policy demands stay closed; `policy.unfit` says so.
    if (next === null || own === undefined || !own.open || unlike(own.settings, kindOf(conduit)) !== null) {
      inForce = null
      protocol.inForce?.(null)
      breaking = false
      server?.close()
      server = null
      for (const entry of admitted) entry.session.withdraw("closed", 0)
      return null
    }
    const versionChanged = inForce !== null && inForce.own.zone.tlsMin !== own.zone.tlsMin
    inForce = { all: next, own }
    protocol.inForce?.(inForce)
    if (server === null) return open(own)
    const credential = context.trust.serverCredential(conduit)
    const isNew = versionChanged || shownFrom !== context.trust.generation
    if (isNew && credential !== null) {
      tls?.setSecureContext(tlsOptions(own, credential))
    }
    shownFrom = context.trust.generation
    context.sweep([...admitted], (entry) => {
      if (admitted.has(entry) && inForce !== null && entry.generation !== inForce.all.generation) readmit(entry)
    })
    return listening()
  }

  return { counters, apply, listening, breakNext: () => (breaking = true), peers: admitted }
}

/** What these ends speak, and over what. */
/** Which protocols this thread speaks, its entry has loaded: Modbus only where the board file names it. */
function modbusOf({ modbus }: EngineContext): NonNullable<EngineContext["modbus"]> {
  if (modbus !== undefined) return modbus
  throw new InvariantError("ERR_NO_MODBUS", "a conduit speaks Modbus, and the engine was started without it")
}

function kindOf({ serverCredential, upstream, clientCredential, modbus }: EngineConduit): EndsKind {
  return {
    protocol: modbus === undefined ? "mqtt" : "modbus",
    from: serverCredential === null ? "tcp" : "tls",
    to: upstream === null ? "rtu" : clientCredential === null ? "tcp" : "tls",
  }
}
