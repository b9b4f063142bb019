/** Probes of what TLS is there for: nothing altered gets through, each connection proves itself anew, nobody revoked comes in. */
import { once } from "node:events"
import { connect as connectTcp } from "node:net"
import { Duplex } from "node:stream"
import { connect, type ConnectionOptions } from "node:tls"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { Listening } from "../../conduits/messages.ts"
import { clearEnds } from "../clear-ends.ts"
import type { GatewayProbe } from "../probe-context.ts"

const NOTHING_LISTENS: ProbeResult = { outcome: "not-tested", why: "no conduit listens" }
const WAIT_MS = 2_000
/** Record type of everything that TLS 1.3 has encrypted. */
const ENCRYPTED = 0x17
const SAMPLES = 8
const MAX_RESETS = 4

/** One flipped bit in an encrypted record must end the connection, and no end of a conduit may do without encryption. */
export const alteredRecordsAreRefused: GatewayProbe = {
  id: "tls.altered-refused",
  summary:
    "one bit of an encrypted record is flipped on its way to each listener; the listener must notice. No end is clear text",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const clear = clearEnds(context)
    if (clear.length > 0) return failed(`${clear.join(", ")} to be protected by TLS`, "clear text, as policy has it")
    const listening = context.listening()
    if (listening.length === 0) return NOTHING_LISTENS
    for (const at of listening) {
      let error = ""
      // A listener that still had bytes to read resets the connection, which may overtake its alert: that proves nothing.
      for (let tries = 0; tries < MAX_RESETS && (tries === 0 || error === "ECONNRESET"); tries++)
        error = await knockAltered(at)
      // OpenSSL's alert: the one end that could not verify a record tells the other.
      if (!/BAD_RECORD_MAC/.test(error)) return failed(`${at.conduit} to refuse an altered record`, error || "no alert")
    }
    return { outcome: "passed", evidence: `${listening.length} listeners noticed one flipped bit and closed` }
  },
}

/** A session of an earlier connection must not stand in for the proof of the key. */
export const nothingIsResumed: GatewayProbe = {
  id: "tls.no-resumption",
  summary:
    "each listener is visited twice, the second time with the session of the first, in TLS 1.2 and 1.3; none is taken up",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const listening = context.listening()
    if (listening.length === 0) return NOTHING_LISTENS
    let offered = 0
    for (const at of listening) {
      for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        const { session } = await visit(at, { maxVersion })
        if (session === null) continue
        offered++
        const { reused } = await visit(at, { maxVersion, session })
        if (reused) return failed(`${at.conduit} to make a full handshake`, `a session of ${maxVersion} was resumed`)
      }
    }
    return { outcome: "passed", evidence: `${listening.length} listeners gave ${offered} sessions and took none up` }
  },
}

/** What the kept lists revoke is refused by the conduits themselves, and nothing else is. */
export const revokedAreRefused: GatewayProbe = {
  id: "trust.revoked-refused",
  summary:
    "serial numbers from the kept lists, and one that is on none, are asked of the conduits' thread as it judges peers",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    const listening = context.listening()
    if (policy === null || listening.length === 0) return NOTHING_LISTENS
    let asked = 0
    let known = 0
    for (const { conduit } of listening) {
      const from = policy.conduits.find(({ name }) => name === conduit)?.from
      const authorities = policy.zones.find(({ name }) => name === from)?.authorities ?? []
      for (const { issuerDer, serials } of authorities.flatMap((name) => context.revocations(name))) {
        known++
        for (const serial of serials.slice(0, SAMPLES)) {
          if ((await context.isRevoked(conduit, issuerDer, serial)) !== true) {
            return failed(`${conduit} to refuse serial ${serial}, which is on a kept list`, "it would be let in")
          }
          asked++
        }
        // No serial number is longer than 20 bytes: this one is nobody's.
        if ((await context.isRevoked(conduit, issuerDer, "f".repeat(42))) !== false) {
          return failed(`${conduit} to know who is not revoked`, "a serial number on no list is refused")
        }
      }
    }
    if (known === 0)
      return { outcome: "not-tested", why: "no list of revoked certificates is known: name one in trust.crls" }
    return {
      outcome: "passed",
      evidence: `${known} lists are enforced; ${asked} revoked serial numbers were asked for`,
    }
  },
}

/** The error of a handshake in which the first encrypted record to the listener has one bit flipped. */
async function knockAltered(at: Listening): Promise<string> {
  const raw = connectTcp(at.port, hostOf(at))
  const seen = { altered: false }
  const altering = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _, next) => {
      const bytes = Buffer.from(chunk)
      for (let from = 0; !seen.altered && from + 5 < bytes.length; from += 5 + bytes.readUInt16BE(from + 3)) {
        if (bytes[from] !== ENCRYPTED) continue
        bytes[from + 5] = (bytes[from + 5] ?? 0) ^ 1
        seen.altered = true
      }
      raw.write(bytes, () => next())
    },
  })
  raw.on("data", (bytes) => altering.push(bytes))
  raw.on("close", () => altering.push(null))
  let error = ""
  raw.on("error", (e: NodeJS.ErrnoException) => (error ||= e.code ?? e.message))
  const socket = connect({ socket: altering, minVersion: "TLSv1.3", rejectUnauthorized: false })
  socket.on("error", (e: NodeJS.ErrnoException) => (error ||= e.code ?? e.message))
  socket.resume()
  await once(raw, "close", { signal: AbortSignal.timeout(WAIT_MS) }).catch(() => undefined)
  socket.destroy()
  raw.destroy()
  return seen.altered ? error : "no encrypted record was sent"
}

async function visit(
  at: Listening,
  options: ConnectionOptions,
): Promise<{ readonly session: Buffer | null; readonly reused: boolean }> {
  const socket = connect({ ...options, host: hostOf(at), port: at.port, rejectUnauthorized: false })
  let session: Buffer | null = null
  let reused = false
  socket.on("error", () => undefined)
  socket.on("session", (bytes: Buffer) => (session = bytes))
  socket.on("secureConnect", () => (reused = socket.isSessionReused()))
  socket.resume()
  await once(socket, "close", { signal: AbortSignal.timeout(WAIT_MS) }).catch(() => undefined)
  socket.destroy()
  return { session, reused }
}

function hostOf({ address }: Listening): string {
  return address === "0.0.0.0" || address === "::" ? "127.0.0.1" : address
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
