/**
 * One conduit at work: its TLS listener, the judgement of every peer, and the connections of those who were let in.
 *
 * A peer's certificate is judged in `secureConnection`, before any listener for data is attached: of a refused peer
 * no application byte is read and no upstream is opened (IEC 62443-4-2 CR 1.2, NDR 5.2).
 */
import { createServer, type Server, type TLSSocket } from "node:tls"
import { LockgateError } from "../../policy/base/errors.ts"
import { reasonName, ruleOf } from "../../policy/filter/verdict.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import type { MqttConduit } from "../../policy/language/policy.ts"
import type { Subject } from "../../policy/identity/subject.ts"
import { dialTrusted, type Dialled } from "../tls/dial.ts"
import { closeFailedHandshakes } from "../tls/handshake-failure.ts"
import { serverOptions } from "../tls/options.ts"
import { peerChain } from "../tls/peer-chain.ts"
import { countDenial, newCounters, type CounterSet } from "./counters.ts"
import { judgeAgain, judgeArrival, type Admission } from "./arrival.ts"
import { nameAt } from "./engine-policy.ts"
import type { ConduitInForce, InForce } from "./in-force.ts"
import type { EngineContext } from "./engine-context.ts"
import type { EngineConduit, Listening } from "./messages.ts"
import { PeerTap } from "./traffic-tap.ts"
import { openConnection, WITHDRAW_GRACE_MS, type Connection } from "./mqtt/connection.ts"
import type { ConnectFacts } from "./mqtt/judge.ts"
import { createJudge, type Rights } from "./mqtt/rights.ts"

/** Between two attempts to open a listener. */
const REOPEN_MS = 5_000

/** A policy and posture, and this conduit's part of it. */
interface Now {
  readonly all: InForce
  readonly own: ConduitInForce
}

/** A peer that was let in, and what it was judged by. */
interface Admitted {
  readonly connection: Connection
  readonly chain: readonly Uint8Array[]
  readonly leaf: CertificateFacts
  readonly tlsVersion: string
  readonly name: string
  readonly clientIdPattern: string
  readonly settings: MqttConduit
  readonly tap: PeerTap
  rights: Rights
  generation: number
  anchorKey: string
  /** From its CONNECT; null before. */
  facts: ConnectFacts | null
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
  const source = `conduit/${conduit.name}`
  const admitted = new Set<Admitted>()
  let server: Server | null = null
  let inForce: { all: InForce; own: ConduitInForce } | null = null
  let upstreamLost = false

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

  function rightsOf(now: Now, name: string, classIndex: number): Rights {
    const { compiled } = now.all.epoch.policy
    return {
      compiled,
      classIndex,
      name,
      buckets: context.buckets.of(compiled.table, name),
      essentialOnly: now.own.essentialOnly,
    }
  }

  function admit(
    socket: TLSSocket,
    now: Now,
    chain: readonly Uint8Array[],
    verdict: Extract<Admission, { ok: true }>,
  ): void {
    const { leaf } = verdict
    const { name, roles } = verdict.subject
    counters.accepted++
    counters.connections++
    context.certificateSeen(leaf.notBeforeAt)
    let established = false
    const whom = { conduit: conduit.name, zone: now.own.zone.name, subject: name, roles, clientId: "" }
    const tap = new PeerTap(context.recording, { ...whom, names: leaf, fingerprint: leaf.fingerprint })
    const connection = openConnection({
      client: socket,
      connectTimeoutMs: context.limits.connectTimeoutMs,
      nowMs: context.nowMs,
      after: context.after,
      dial,
      session: {
        limits: context.limits,
        conduit: now.own.settings,
        subject: name,
        clientIdPattern: verdict.subject.clientIdPattern,
        randomSuffix: context.randomSuffix,
        tap,
        newHash: context.newHash,
        admit: (facts) => {
          entry.facts = facts
          tap.become({ clientId: facts.clientId })
          return createJudge(entry.rights, facts, context.flows)
        },
      },
      refresh: () => {
        if (inForce === null || entry.generation !== inForce.all.generation) readmit(entry)
      },
      denied: (action, v, object, will) => {
        const rule = nameAt((inForce ?? now).all.epoch.policy.compiled.ruleNames, ruleOf(v))
        const reason = reasonName(v)
        countDenial(counters, action === "receive" ? "down" : "up", rule, reason)
        context.denied({ conduit: conduit.name, subject: name, action: will ? "will" : action, rule, reason }, object)
      },
      recorded: (message) => {
        context.allowed({ ...message, conduit: conduit.name, subject: name, fingerprint: leaf.fingerprint })
      },
      passed: (direction, messages, bytes) => {
        if (direction === "up") {
          counters.allowedUp += messages
          counters.bytesUp += bytes
        } else {
          counters.allowedDown += messages
          counters.bytesDown += bytes
        }
      },
      connected: (clientId, version) => {
        established = true
        context.report({
          id: "conduit.connected",
          outcome: "success",
          source,
          subject: name,
          conduit: conduit.name,
          object: clientId,
          detail: {
            mqtt: version === 5 ? "5" : "3.1.1",
            tls: socket.getProtocol() ?? "",
            fingerprint: leaf.fingerprint,
          },
        })
      },
      ended: (reason, detail) => {
        counters.connections--
        admitted.delete(entry)
        const broken = reason === "protocol-client" || reason === "protocol-broker" || reason === "limit"
        context.report({
          id: broken ? "conduit.protocol-error" : established ? "conduit.disconnected" : "conduit.connect-refused",
          outcome: reason === "client" || reason === "broker" ? "success" : "failure",
          source,
          subject: name,
          conduit: conduit.name,
          reason: broken && detail !== "" ? detail : reason,
          ...(detail === "" || broken ? {} : { detail: { why: detail } }),
        })
      },
    })
    const entry: Admitted = {
      connection,
      chain,
      leaf,
      tlsVersion: socket.getProtocol() ?? "",
      name,
      clientIdPattern: verdict.subject.clientIdPattern,
      settings: now.own.settings,
      tap,
      rights: rightsOf(now, name, verdict.classIndex),
      generation: now.all.generation,
      anchorKey: now.own.anchorKey,
      facts: null,
    }
    admitted.add(entry)
  }

  /** Judge a peer that is already in by what is in force now; who may no longer be in is withdrawn. */
  function readmit(entry: Admitted): void {
    const now = inForce
    if (now === null) return entry.connection.withdraw("closed", 0)
    // Judged once a generation, also when the outcome is a withdrawal that waits for the rest of a message.
    entry.generation = now.all.generation
    // What island mode and its like close is cut at once; a new policy lets the message under way arrive.
    const graceMs = now.own.essentialOnly ? 0 : WITHDRAW_GRACE_MS
    const verdict =
      entry.anchorKey === now.own.anchorKey
        ? judgeAgain(now.own, entry.leaf, entry.tlsVersion)
        : judgeArrival(now.own, entry.chain, entry.tlsVersion, context)
    if (!verdict.ok) return entry.connection.withdraw(verdict.reason, graceMs)
    if (!sameTerms(entry, now.own, verdict.subject)) return entry.connection.withdraw("terms", graceMs)
    entry.anchorKey = now.own.anchorKey
    entry.rights = rightsOf(now, entry.name, verdict.classIndex)
    entry.tap.become({ roles: verdict.subject.roles })
    if (entry.facts !== null) entry.connection.rejudge(createJudge(entry.rights, entry.facts, context.flows))
  }

  /** What was settled at CONNECT cannot change afterwards: who is let in under other terms connects anew. */
  function sameTerms(entry: Admitted, own: ConduitInForce, subject: Subject): boolean {
    return (
      subject.name === entry.name &&
      subject.clientIdPattern === entry.clientIdPattern &&
      own.settings.upstreamIdentity === entry.settings.upstreamIdentity &&
      own.settings.onDeny === entry.settings.onDeny
    )
  }

  // ---- upstream ----

  function dial(): Dialled {
    const { upstream } = conduit
    const dialled = dialTrusted({
      ...upstream,
      credential: conduit.clientCredential,
      anchors: context.anchorsOf(conduit.upstreamAuthority),
      now: context.time,
      timeoutMs: context.limits.connectTimeoutMs,
      cache: context.certificates,
      after: context.after,
    })
    dialled.trusted.then(
      () => {
        if (upstreamLost) report("conduit.upstream-restored", "")
        upstreamLost = false
      },
      (error: unknown) => {
        if (!upstreamLost)
          report("conduit.upstream-lost", error instanceof LockgateError ? String(error.detail["reason"]) : "")
        upstreamLost = true
      },
    )
    return dialled
  }

  function report(id: "conduit.upstream-lost" | "conduit.upstream-restored", reason: string): void {
    context.report({
      id,
      outcome: id === "conduit.upstream-lost" ? "failure" : "success",
      source,
      conduit: conduit.name,
      object: `${conduit.upstream.host}:${conduit.upstream.port}`,
      ...(reason === "" ? {} : { reason }),
    })
  }

  // ---- listener ----

  function open(own: ConduitInForce): Promise<Listening | null> {
    const opened = createServer(tlsOptions(own))
    opened.maxConnections = context.limits.maxConnections
    opened.on("secureConnection", onPeer)
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
      server?.close()
      server = null
      for (const entry of admitted) entry.connection.withdraw("closed", 0)
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

  return { counters, apply, listening }
}
