/** Probes of the TLS listeners: what the gateway shows, and whom it lets in. They knock from this machine. */
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { isPermittedKey, isPermittedSignature } from "../../../policy/identity/algorithms.ts"
import { clearEnds } from "../clear-ends.ts"
import { selfSignedStranger } from "../stranger.ts"
import type { Listening } from "../../conduits/messages.ts"
import type { GatewayProbe, ProbeContext } from "../probe-context.ts"
import { connectPacket } from "./packets.ts"

const NOTHING_LISTENS: ProbeResult = { outcome: "not-tested", why: "no conduit listens" }
const WAIT_MS = 2_000

/** Listeners that speak TLS; the others are named in the evidence. */
function listensByTls(context: ProbeContext): readonly Listening[] {
  const clear = context.interfaces.filter(({ kind }) => kind === "tcp").map(({ name }) => name)
  return context.listening().filter(({ conduit }) => !clear.includes(`conduit/${conduit}`))
}

/** What the policy lets go in clear text on this board, for the end of the evidence of a probe that has nothing to say of it. */
function clearText(context: ProbeContext): string {
  const clear = clearEnds(context)
  return clear.length === 0 ? "" : `; nothing is encrypted on ends that policy has IN CLEAR TEXT: ${clear.join(", ")}`
}

/** What a client saw that connected to a listener of the gateway and said an MQTT CONNECT. */
export interface Knock {
  /** The handshake ended, as this end sees it (in TLS 1.3 before the other end has judged). */
  readonly handshake: boolean
  readonly protocol: string
  readonly cipher: string
  readonly fingerprint: string
  /** Bytes that came back after an MQTT CONNECT was sent. */
  readonly answered: number
  readonly closed: boolean
  /** How it ended, when with an error: Node's or OpenSSL's code. */
  readonly error: string
}

/** What was seen of a listener: connect, say CONNECT, and wait for an answer or the end. */
export async function knock(at: Pick<Listening, "address" | "port">, options: ConnectionOptions): Promise<Knock> {
  const host = at.address === "0.0.0.0" || at.address === "::" ? "127.0.0.1" : at.address
  const socket: TLSSocket = connect({ ...options, host, port: at.port, rejectUnauthorized: false })
  let handshake = false
  let answered = 0
  let seen = { protocol: "", cipher: "", fingerprint: "" }
  let error = ""
  socket.on("error", (e: NodeJS.ErrnoException) => (error ||= e.code ?? e.message))
  socket.on("data", (chunk: Buffer) => (answered += chunk.length))
  socket.on("secureConnect", () => {
    handshake = true
    seen = {
      protocol: socket.getProtocol() ?? "",
      cipher: socket.getCipher().name,
      fingerprint: socket.getPeerX509Certificate()?.fingerprint256.replaceAll(":", "").toLowerCase() ?? "",
    }
    socket.write(connectPacket("lockgate-probe"))
  })
  // Not by `once` of node:events: it fails on an error, and a reset, which is an end as good as any, comes as one.
  const ended = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), WAIT_MS)
    for (const event of ["close", "data"])
      socket.once(event, () => {
        clearTimeout(timer)
        resolve(true)
      })
  })
  const closed = ended && answered === 0
  socket.destroy()
  return { handshake, ...seen, answered, closed, error }
}

/** Peers without a certificate of the zone get no MQTT answer and are cut off. */
export const strangersAreRefused: GatewayProbe = {
  id: "listener.strangers-refused",
  summary: "a peer without certificate and one with a certificate of its own making connect; neither is answered",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const listening = context.listening()
    if (listening.length === 0) return NOTHING_LISTENS
    const stranger = await selfSignedStranger()
    for (const at of listening) {
      for (const [who, options] of [
        ["a peer without certificate", {}],
        ["a peer with a self-made certificate", stranger],
      ] as const) {
        const seen = await knock(at, options)
        if (seen.answered > 0 || !seen.closed) {
          return failed(`${at.conduit} to cut off ${who} unanswered`, `${seen.answered} bytes, closed: ${seen.closed}`)
        }
      }
    }
    return { outcome: "passed", evidence: `${listening.length} listeners cut off both kinds of stranger unanswered` }
  },
}

/** Every listener proves its identity with the certificate that the key store holds for it. */
export const listenersProveThemselves: GatewayProbe = {
  id: "listener.proves-identity",
  summary:
    "each listener completes a TLS 1.3 handshake with its own certificate; outward connections have one to show. No end is clear text",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const clear = clearEnds(context)
    if (clear.length > 0) return failed(`${clear.join(", ")} to prove who is there`, "clear text, as policy has it")
    const listening = context.listening()
    if (listening.length === 0) return NOTHING_LISTENS
    for (const at of listening) {
      const seen = await knock(at, {})
      const own = context.ownCertificates.get(`conduit/${at.conduit}`)
      if (!seen.handshake || own === undefined || seen.fingerprint !== own.fingerprint) {
        return failed(
          `${at.conduit} to show certificate ${own?.fingerprint ?? "of its own"}`,
          seen.fingerprint || "none",
        )
      }
    }
    const dials = context.interfaces.filter((row) => row.direction === "dials" && row.kind === "tcp-tls")
    for (const row of dials) {
      const own = context.ownCertificates.get(row.name)
      if (own === undefined) return failed(`${row.name} to have a certificate to show`, "none")
      if (own.extendedKeyUsage !== null && !own.extendedKeyUsage.includes("1.3.6.1.5.5.7.3.2")) {
        return failed(`${row.name}'s certificate to be for clients`, own.extendedKeyUsage.join(", "))
      }
    }
    return {
      outcome: "passed",
      evidence: `${listening.length} listeners showed their own certificate; ${dials.length} outward ends hold one`,
    }
  },
}

/** What the other end says when an offer is too weak; anything else proves nothing (it may have hung up later). */
const REFUSED_AS_WEAK = /ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY)/

/** Offers below the permitted algorithms; each must fail in the handshake. */
const WEAK: readonly { readonly what: string; readonly options: ConnectionOptions }[] = [
  { what: "TLS 1.1", options: { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" } },
  {
    what: "TLS 1.2 with CBC",
    options: { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384" },
  },
  { what: "TLS 1.2 without forward secrecy", options: { maxVersion: "TLSv1.2", ciphers: "AES128-GCM-SHA256" } },
]

/** The listeners refuse weak offers, and all certificates shown use permitted algorithms. */
export const weakCryptographyIsRefused: GatewayProbe = {
  id: "tls.weak-offers-refused",
  summary: "handshakes with TLS 1.1, CBC or without forward secrecy fail; own keys are of permitted kinds",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const listening = listensByTls(context)
    if (listening.length === 0) return NOTHING_LISTENS
    for (const at of listening) {
      for (const { what, options } of WEAK) {
        const seen = await knock(at, options)
        if (seen.handshake) return failed(`${at.conduit} to refuse ${what}`, `${seen.protocol} with ${seen.cipher}`)
        if (!REFUSED_AS_WEAK.test(seen.error)) {
          return failed(`${at.conduit} to refuse ${what} by an alert`, seen.error === "" ? "no answer" : seen.error)
        }
      }
    }
    for (const [name, own] of context.ownCertificates) {
      if (!isPermittedKey(own.keyAlgorithm)) return failed(`a permitted key for ${name}`, own.keyAlgorithm)
      if (!isPermittedSignature(own.signatureAlgorithm)) {
        return failed(`a permitted signature on ${name}'s certificate`, own.signatureAlgorithm)
      }
    }
    return {
      outcome: "passed",
      evidence: `${listening.length * WEAK.length} weak handshakes failed; ${context.ownCertificates.size} certificates are of permitted kinds${clearText(context)}`,
    }
  },
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
