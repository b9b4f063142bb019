/** Probes of the audit at the broker: that strangers get nothing of it, and that those who may read it find it there. */
import { connect, type ConnectionOptions } from "node:tls"
import { HardwareError, LockgateError } from "../../../policy/base/errors.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { dialReader, type MqttLink } from "../../audit/mqtt-link.ts"
import type { GatewayProbe, ProbeContext } from "../probe-context.ts"
import { selfSignedStranger } from "../stranger.ts"

const NO_BROKER: ProbeResult = { outcome: "not-tested", why: "the board file names no broker for the log" }
const UNREACHABLE = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)$/
/** So long is waited for what a broker would send to somebody whom it lets read. */
const LISTEN_MS = 1_000
const DIAL_MS = 3_000
const MEND = "give it the access list that `lockgate audit acl` prints, and restart it"

/** Who comes without a right to the audit is shown nothing of it. @see IEC 62443-4-2 CR 3.9 */
export const strangersReadNoAudit: GatewayProbe = {
  id: "audit.strangers-read-nothing",
  summary:
    "a client without certificate and one with a self-made one ask the broker for the gateway's audit; neither gets a message",
  safety: "active-safe",
  vantage: "inside",
  async run({ interfaces, audit }) {
    const at = interfaces.find(({ name }) => name === "management/mqtt")?.at
    const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(at ?? "") ?? []
    if (at === undefined || host === undefined) return NO_BROKER
    const ways: string[] = []
    for (const [who, credential] of [
      ["without certificate", {}],
      ["with a self-made certificate", await selfSignedStranger()],
    ] as const) {
      const seen = await eavesdrop({ ...credential, host, port: Number(port) }, audit.gateway)
      if (UNREACHABLE.test(seen.refused ?? "")) return { outcome: "not-tested", why: `broker ${at} is not reached: ${seen.refused}` } // prettier-ignore
      if (seen.messages > 0)
        return {
          outcome: "failed",
          expected: `broker ${at} to show nothing of lockgate/${audit.gateway}/ to a client ${who}`,
          seen: `it showed ${seen.messages} messages; ${MEND}`,
        }
      ways.push(`${who}: ${seen.refused === null ? "let in, shown nothing" : "not let in"}`)
    }
    return { outcome: "passed", evidence: `broker ${at}: ${ways.join("; ")}` }
  },
}

/** What was published of the log stands at the broker, and who may read it is shown it. @see IEC 62443-4-2 CR 6.1 */
export const brokerShowsLog: GatewayProbe = {
  id: "audit.broker-shows-log",
  summary: "the gateway asks its broker for the edge of its own log and compares it with what it published last",
  safety: "passive",
  vantage: "inside",
  async run({ audit }: ProbeContext) {
    const found = await audit.readBack()
    if (found === "off") return NO_BROKER
    if (found === "offline") return { outcome: "not-tested", why: "the broker for the log is not connected" }
    if (found === "shown")
      return { outcome: "passed", evidence: "the broker shows the signed edge as it was published" }
    return {
      outcome: "failed",
      expected: "the broker to show the edge of the log as it was published",
      seen: `nothing, or another one; ${MEND}`,
    }
  },
}

/** How many messages of the gateway a stranger is sent; `refused` says why it was not let in. */
async function eavesdrop(
  options: ConnectionOptions,
  gateway: string,
): Promise<{ readonly messages: number; readonly refused: string | null }> {
  let link: MqttLink
  try {
    link = await dialReader({
      clientId: "lockgate-probe",
      openStream: () => anyStream(options),
      connackTimeoutMs: DIAL_MS,
    })
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    const { detail, code } = error as LockgateError
    return { messages: 0, refused: typeof detail["reason"] === "string" ? detail["reason"] : code }
  }
  let messages = 0
  link.onMessage(() => {
    messages++
    return Promise.resolve()
  })
  try {
    await link.subscribe([`lockgate/${gateway}/#`, "#"]).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS))
    return { messages, refused: null }
  } finally {
    link.destroy()
  }
}

/** A stranger does not ask who answers. */
function anyStream(options: ConnectionOptions): Promise<ReturnType<typeof connect>> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, rejectUnauthorized: false, timeout: DIAL_MS }, () => resolve(socket))
    const failed = (reason: string): void => {
      socket.destroy()
      reject(new HardwareError("ERR_LINK", "the broker does not let a stranger in", { detail: { reason } }))
    }
    socket.on("error", (error: NodeJS.ErrnoException) => failed(error.code ?? "tls"))
    socket.once("timeout", () => failed("timeout"))
  })
}
