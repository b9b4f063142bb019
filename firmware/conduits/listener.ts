/**
 * One conduit at work: its listener (TLS, or plain TCP where policy has clear text), the judgement of every peer, and the connections of those who were let in.
 *
 * A peer's certificate is judged in `secureConnection`, before any listener for data is attached: of a refused peer
 * no application byte is read and no upstream is opened (IEC 62443-4-2 CR 1.2, NDR 5.2).
 */
import { createServer as createPlainServer, type Server, type Socket } from "node:net"
import { createServer, Server as TlsServer, type TLSSocket } from "node:tls"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import { closeFailedHandshakes } from "../tls/handshake-failure.ts"
import { serverOptions } from "../tls/options.ts"
import { peerChain } from "../tls/peer-chain.ts"
import { newCounters, type CounterSet } from "./counters.ts"
import { judgeAddress, judgeAgain, judgeArrival, type Admission } from "./arrival.ts"
import type { ConduitInForce, InForce } from "./in-force.ts"
import type { EngineContext } from "./engine-context.ts"
import { unlike, type EndsKind } from "../config/fit.ts"
import type { EngineConduit, Listening, TlsCredential } from "./messages.ts"
import { createModbusProtocol } from "./modbus/protocol.ts"
import { createMqttProtocol } from "./mqtt/protocol.ts"
import type { Admitted, Now, PeerSession } from "./protocol.ts"

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
interface Entry {
  readonly session: PeerSession
  readonly chain: readonly Uint8Array[]
  readonly leaf: CertificateFacts | null
  readonly address: string
  readonly tlsVersion: string
  generation: number
  anchorKey: string
}

/** One conduit, as the engine drives it. */
export interface ConduitListener {
  readonly counters: CounterSet
  /** Where it listens now, or null. */
  listening(): Listening | null
  /** Take over what is in force; resolves when the listener is open or closed accordingly. */
  apply(next: InForce | null): Promise<Listening | null>
}

/** A conduit's runtime; closed until `apply` is given a policy that opens it. */
export function createListener(conduit: EngineConduit, context: EngineContext): ConduitListener {
  const counters = newCounters()
  const protocol =
    conduit.modbus === undefined
      ? createMqttProtocol(conduit, context, counters)
      : createModbusProtocol(conduit, context, counters)
  const admitted = new Set<Entry>()
  let server: Server | null = null
  let inForce: Now | null = null

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
    const { leaf } = verdict
    const address = socket.remoteAddress ?? ""
    counters.accepted++
    counters.connections++
    if (leaf !== null) context.certificateSeen(leaf.notBeforeAt)
    const session = protocol.admit({ socket, leaf, address, tlsVersion }, now, verdict, {
      refresh: () => {
        if (inForce === null || entry.generation !== inForce.all.generation) readmit(entry)
      },
      now: () => inForce,
      ended: () => {
        counters.connections--
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
    }
    admitted.add(entry)
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
    if (!verdict.ok) return entry.session.withdraw(verdict.reason, graceMs)
    entry.anchorKey = now.own.anchorKey
    if (!entry.session.readmit(now, verdict)) entry.session.withdraw("terms", graceMs)
  }

  function judgeEntry({ leaf, chain, address, tlsVersion, anchorKey }: Entry, { own }: Now): Admission {
    if (leaf === null) return judgeAddress(own, address)
    return anchorKey === own.anchorKey
      ? judgeAgain(own, leaf, tlsVersion)
      : judgeArrival(own, chain, tlsVersion, context)
  }

  // ---- listener ----

  function makeServer(own: ConduitInForce): Server {
    const { serverCredential } = conduit
    if (serverCredential === null) return createPlainServer(onPlainPeer)
    const made = createServer(tlsOptions(own, serverCredential))
    made.on("secureConnection", onPeer)
    closeFailedHandshakes(made, ({ code, address }) => refused(code, address ?? ""))
    return made
  }

  function open(own: ConduitInForce): Promise<Listening | null> {
    const opened = makeServer(own)
    opened.maxConnections = context.limits.maxConnections
    opened.on("drop", (drop?: { remoteAddress?: string }) => {
      refused("too-many-connections", drop?.remoteAddress ?? "")
    })
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
      opened.listen({ host: conduit.listen.address, port: conduit.listen.port }, () => resolve(listening()))
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
      handshakeTimeoutMs: context.limits.connectTimeoutMs,
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
      server?.close()
      server = null
      for (const entry of admitted) entry.session.withdraw("closed", 0)
      return null
    }
    const versionChanged = inForce !== null && inForce.own.zone.tlsMin !== own.zone.tlsMin
    inForce = { all: next, own }
    if (server === null) return open(own)
    if (versionChanged && server instanceof TlsServer && conduit.serverCredential !== null) {
      server.setSecureContext(tlsOptions(own, conduit.serverCredential))
    }
    context.sweep([...admitted], (entry) => {
      if (admitted.has(entry) && inForce !== null && entry.generation !== inForce.all.generation) readmit(entry)
    })
    return listening()
  }

  return { counters, apply, listening }
}

/** What these ends speak, and over what. */
function kindOf({ serverCredential, upstream, clientCredential, modbus }: EngineConduit): EndsKind {
  return {
    protocol: modbus === undefined ? "mqtt" : "modbus",
    from: serverCredential === null ? "tcp" : "tls",
    to: upstream === null ? "rtu" : clientCredential === null ? "tcp" : "tls",
  }
}
