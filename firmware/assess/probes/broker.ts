/** Probe of what stands behind the gateway: whether its brokers hear anybody but the gateway. */
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { Interface } from "../../interfaces.ts"
import { openDoors, USUAL_PORTS } from "../open-doors.ts"
import { selfSignedStranger } from "../stranger.ts"
import type { GatewayProbe } from "../probe-context.ts"
import { knock } from "./transport.ts"

const UNREACHABLE = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)$/

/** What the plant's engineer does about it. */
const MEND = "give it the configuration that `lockgate policy broker` prints, and restart it"

/** A stranger that goes around the gateway to a broker gets no answer of MQTT. */
export const brokerRefusesStrangers: GatewayProbe = {
  id: "boundary.broker-refuses-strangers",
  summary:
    "each broker behind the gateway is dialled without certificate and with a self-made one; neither is answered; " +
    "on its machine the usual ports of MQTT and websockets, in clear text and by TLS, let no stranger in",
  safety: "active-safe",
  vantage: "inside",
  async run({ interfaces }) {
    const brokers = brokersIn(interfaces)
    if (brokers.size === 0) return { outcome: "not-tested", why: "the board file names no broker" }
    const stranger = await selfSignedStranger()
    for (const [at, { address, port }] of brokers) {
      for (const [who, options] of [
        ["without certificate", {}],
        ["with a self-made certificate", stranger],
      ] as const) {
        const seen = await knock({ address, port }, options)
        if (seen.answered > 0)
          return failed(`broker ${at} to refuse a peer ${who}`, `it answered ${seen.answered} bytes; ${MEND}`)
        if (UNREACHABLE.test(seen.error))
          return { outcome: "not-tested", why: `broker ${at} is not reached: ${seen.error}` }
        if (!seen.closed && seen.error === "")
          return failed(`broker ${at} to cut off a peer ${who}`, `it kept the connection; ${MEND}`)
      }
    }
    // On this machine other brokers than the conduit's may stand, and the packet filter is between them and the zones.
    const hosts = [...new Set([...brokers.values()].map(({ address }) => address))].filter((host) => !isOwn(host))
    const doors = await Promise.all(hosts.map(async (host) => ({ host, open: await openDoors(host) })))
    const found = doors.find(({ open }) => open.length > 0)
    if (found !== undefined)
      return failed(`${found.host} to let nobody in at another port`, `it does at ${found.open.join(", ")}; ${MEND}`)
    const others = hosts.length === 0 ? "" : `; at ${hosts.length} hosts ports ${USUAL_PORTS.join(", ")} let nobody in`
    return {
      outcome: "passed",
      evidence: `${brokers.size} brokers refuse whoever comes without the gateway's certificate${others}`,
    }
  },
}

/** This machine itself. */
function isOwn(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host)
}

function brokersIn(interfaces: readonly Interface[]): ReadonlyMap<string, { address: string; port: number }> {
  const found = new Map<string, { address: string; port: number }>()
  for (const { direction, kind, at } of interfaces) {
    const parts = /^\[?(.*?)\]?:(\d+)$/.exec(at)
    if (direction !== "dials" || kind !== "tcp-tls" || parts === null) continue
    found.set(at, { address: parts[1] ?? "", port: Number(parts[2]) })
  }
  return found
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
