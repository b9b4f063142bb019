/**
 * One conduit at work: its TLS listener, the judgement of every peer, and the connections of those who were let in.
 *
 * A peer's certificate is judged in `secureConnection`, before any listener for data is attached: of a refused peer
 * no application byte is read and no upstream is opened (IEC 62443-4-2 CR 1.2, NDR 5.2).
 */
import { createServer, type Server, type TLSSocket } from "node:tls"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import { InvariantError } from "../../policy/base/errors.ts"
import { closeFailedHandshakes } from "../tls/handshake-failure.ts"
import { serverOptions } from "../tls/options.ts"
import { peerChain } from "../tls/peer-chain.ts"
import { newCounters, type CounterSet } from "./counters.ts"
import { judgeAgain, judgeArrival, type Admission } from "./arrival.ts"
import type { ConduitInForce, InForce } from "./in-force.ts"
import type { EngineContext } from "./engine-context.ts"
import type { EngineConduit, Listening } from "./messages.ts"
import { createMqttProtocol } from "./mqtt/protocol.ts"
import type { Admitted, Now, PeerSession } from "./protocol.ts"

/** Between two attempts to open a listener. */
const REOPEN_MS = 5_000

/** A peer that was let in, and what it was judged by. */
interface Entry {
  readonly session: PeerSession
  readonly chain: readonly Uint8Array[]
  readonly leaf: CertificateFacts
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
  /** Let the next bytes of a peer fail; for tests. */
  breakNext(): void
}

/** A conduit's runtime; closed until `apply` is given a policy that opens it. */
export function createListener(conduit: EngineConduit, context: EngineContext): ConduitListener {
  const counters = newCounters()
  const protocol = createMqttProtocol(conduit, context, counters)
  const admitted = new Set<Entry>()
  let server: Server | null = null
  let inForce: Now | null = null
  let breaking = false

  // ---- peers ----

  function onPeer(socket: TLSSocket): void {
    socket.on("error", () => socket.destroy())
    const chain = peerChain(socket)
    const now = inForce
    const verdict: Admission =
      now === null
        ? { ok: false, reason: "closed", faults: [], fingerprint: null, issuer: null, serial: null }
        : judgeArrival(now.own, chain, socket.getProtocol() ?? "", context)
    if (now !== null && verdict.ok) return admit(socket, now, chain, verdict)
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

  function admit(socket: TLSSocket, now: Now, chain: readonly Uint8Array[], verdict: Admitted): void {
    const { leaf } = verdict
    const tlsVersion = socket.getProtocol() ?? ""
    counters.accepted++
    counters.connections++
    context.certificateSeen(leaf.notBeforeAt)
    const session = protocol.admit({ socket, leaf, tlsVersion }, now, verdict, {
      refresh: () => {
        if (breaking) throw new InvariantError("ERR_BROKEN_ON_PURPOSE", "a test lets this conduit fail")
        if (inForce === null || entry.generation !== inForce.all.generation) readmit(entry)
      },
      now: () => inForce,
      failed: (error) => context.failed(conduit.name, error),
      ended: () => {
        counters.connections--
        admitted.delete(entry)
      },
    })
    const entry: Entry = {
      session,
      chain,
      leaf,
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
    const verdict =
      entry.anchorKey === now.own.anchorKey
        ? judgeAgain(now.own, entry.leaf, entry.tlsVersion)
        : judgeArrival(now.own, entry.chain, entry.tlsVersion, context)
    if (!verdict.ok) return entry.session.withdraw(verdict.reason, graceMs)
    entry.anchorKey = now.own.anchorKey
    if (!entry.session.readmit(now, verdict)) entry.session.withdraw("terms", graceMs)
  }

  // ---- listener ----

  function open(own: ConduitInForce): Promise<Listening | null> {
    const opened = createServer(tlsOptions(own))
    opened.maxConnections = context.limits.maxConnections
    opened.on("secureConnection", (socket) => {
      try {
        onPeer(socket)
      } catch (error) {
        socket.destroy()
        context.failed(conduit.name, error)
      }
    })
    closeFailedHandshakes(opened, ({ code, address }) => refused(code, address ?? ""))
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

  function tlsOptions(own: ConduitInForce) {
    return serverOptions({
      credential: conduit.serverCredential,
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
    if (next === null || own === undefined || !own.open) {
      inForce = null
      breaking = false
      server?.close()
      server = null
      for (const entry of admitted) entry.session.withdraw("closed", 0)
      return null
    }
    const versionChanged = inForce !== null && inForce.own.zone.tlsMin !== own.zone.tlsMin
    inForce = { all: next, own }
    if (server === null) return open(own)
    if (versionChanged) server.setSecureContext(tlsOptions(own))
    context.sweep([...admitted], (entry) => {
      if (admitted.has(entry) && inForce !== null && entry.generation !== inForce.all.generation) readmit(entry)
    })
    return listening()
  }

  return { counters, apply, listening, breakNext: () => (breaking = true) }
}
