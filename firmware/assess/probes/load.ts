/** Probes of what the gateway takes upon itself: the live limits and their code, asked with floods that never happen. */
import { once } from "node:events"
import { connect } from "node:net"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { Listening } from "../../conduits/messages.ts"
import type { GatewayProbe } from "../probe-context.ts"

const ENGINE_SILENT: ProbeResult = { outcome: "failed", expected: "the engine to answer", seen: "nothing" }
/** A longer half-open time cannot be waited for within a probe. */
const LONGEST_WAIT_MS = 8_000

/** A flood gets no more handshakes than the budgets say; who was in before is let in; an essential peer gets a place. */
export const floodsAreHeldOff: GatewayProbe = {
  id: "load.floods-held-off",
  summary:
    "floods from one network and from many are rehearsed; they get the budget and no more, and essential peers a place",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const seen = await context.rehearseLoad()
    if (seen === null) return ENGINE_SILENT
    const { sourceHandshakes, handshakes, maxSubjectConnections } = context.limits
    const most = ({ burst, perSecond }: { burst: number; perSecond: number }): number => Math.ceil(burst + perSecond)
    if (seen.oneNetwork > Math.min(most(sourceHandshakes), most(handshakes))) {
      return failed(`${most(sourceHandshakes)} handshakes at most for one network in a second`, `${seen.oneNetwork}`)
    }
    if (seen.manyNetworks > most(handshakes)) {
      return failed(`${most(handshakes)} handshakes at most for all in a second`, `${seen.manyNetworks}`)
    }
    if (!seen.provenLetIn)
      return failed("an address that was in before to be let in during a flood", "it was turned away")
    if (seen.ofOneSubject > maxSubjectConnections) {
      return failed(`${maxSubjectConnections} connections at most for a subject`, `${seen.ofOneSubject}`)
    }
    if (seen.otherTookPlace) return failed("a full conduit to take nobody who is not essential", "it did")
    if (!seen.essentialTookPlace) return failed("an essential peer to get a place in a full conduit", "it got none")
    const passed = `${seen.oneNetwork} of one network, ${seen.manyNetworks} of many`
    return { outcome: "passed", evidence: `of ${seen.asked} connections a second each, ${passed} got a handshake` }
  },
}

/** What connections hold stays under the bound, and essential ones are the last to go for it. */
export const memoryIsBounded: GatewayProbe = {
  id: "load.memory-bounded",
  summary: "connections that hold three times the bound are rehearsed; they are ended to below it, essential ones last",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const seen = await context.rehearseLoad()
    if (seen === null) return ENGINE_SILENT
    const bound = context.limits.maxMemoryBytes
    if (seen.heldAfterShedding > bound) return failed(`${bound} bytes at most`, `${seen.heldAfterShedding}`)
    if (seen.essentialShed) return failed("essential connections to be ended last", "one went before others")
    if (seen.heldNow > bound) return failed(`connections to hold ${bound} bytes at most`, `${seen.heldNow}`)
    return {
      outcome: "passed",
      evidence: `${seen.heldNow} of ${bound} bytes are held now; three times as much was shed`,
    }
  },
}

/** A connection that says nothing loses its place at every listener. */
export const silenceEnds: GatewayProbe = {
  id: "load.silent-peer-ends",
  summary: "a connection to each listener says nothing; it is closed when the half-open time is over",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const listening = context.listening()
    if (listening.length === 0) return { outcome: "not-tested", why: "no conduit listens" }
    const { halfOpenMs, connectTimeoutMs } = context.limits
    const waitMs = Math.min(halfOpenMs, connectTimeoutMs)
    if (waitMs > LONGEST_WAIT_MS)
      return { outcome: "not-tested", why: `half-open-time is ${waitMs} ms: too long to wait` }
    const ended = await Promise.all(listening.map((at) => endsWithin(at, waitMs + 1_500)))
    const open = listening.filter((_, k) => ended[k] === false).map(({ conduit }) => conduit)
    if (open.length > 0)
      return failed(`a silent connection to end within ${waitMs} ms`, `still open: ${open.join(", ")}`)
    return {
      outcome: "passed",
      evidence: `${listening.length} listeners closed a silent connection within ${waitMs} ms`,
    }
  },
}

async function endsWithin(at: Listening, timeoutMs: number): Promise<boolean> {
  const host = at.address === "0.0.0.0" || at.address === "::" ? "127.0.0.1" : at.address
  const socket = connect({ host, port: at.port })
  socket.on("error", () => undefined)
  socket.resume()
  const ended = await once(socket, "close", { signal: AbortSignal.timeout(timeoutMs) }).then(
    () => true,
    () => false,
  )
  socket.destroy()
  return ended
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
