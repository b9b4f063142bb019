import { randomBytes } from "node:crypto"
import { connect, type ConnectionOptions } from "node:tls"
import { HardwareError, InputError } from "../../policy/base/errors.ts"
import type { NoteKey } from "../../policy/audit/tlog/note.ts"
import { verifyLog, type LogVerdict, type VerifyLogOptions } from "../../policy/audit/tlog/verify-log.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { dialReader, type MqttLink } from "../audit/mqtt-link.ts"
import { createMqttSource, type MqttSource } from "../audit/mqtt-source.ts"
import { nodeSha256, verifyNoteSignature } from "../audit/note-functions.ts"
import { readText } from "../config/read-text.ts"

const MAX_PEM = 64 * 1024

/** A broker, and as whom it is dialled: PEM texts. */
export interface BrokerLogin {
  readonly url: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly version?: "3.1.1" | "5"
  /** Ask the gateway for what the broker no longer holds. */
  readonly ask?: boolean
}

/**
 * The log of `gateway` as a broker holds it, and how to end that. The broker proves itself by `ca`, or the machine's authorities.
 *
 * @throws HardwareError `ERR_LINK`, InputError `ERR_ARGUMENT`
 */
export async function openBrokerLog(
  login: BrokerLogin,
  gateway: string,
): Promise<{ readonly source: MqttSource; close(): Promise<void> }> {
  const link = await dialBroker(login, "reader")
  const nonce = (): string => randomBytes(16).toString("base64url")
  const asking = login.ask === true ? { nonce } : {}
  const source = createMqttSource({ link, gateway, clock: createLinuxClock(), ...asking })
  return { source, close: () => link.close() }
}

/**
 * A connection to a broker under a client id of its own. The broker proves itself by `ca`, or the machine's authorities.
 *
 * @throws HardwareError `ERR_LINK`, InputError `ERR_ARGUMENT`
 */
export function dialBroker(login: BrokerLogin, as: "reader" | "collector" | "person"): Promise<MqttLink> {
  const { host, port } = placeOf(login.url)
  return dialReader({
    clientId: `lockgate-${as}-${randomBytes(6).toString("hex")}`,
    version: login.version ?? "3.1.1",
    openStream: () => secureStream({ host, port, ...pemOf(login) }),
  })
}

/** What was found at the broker, and the note that it shows. */
export interface BrokerVerdict extends LogVerdict {
  readonly note: string | null
}

/** Verify everything that the broker holds of the log whose keys these are; the gateway may be off. @throws HardwareError `ERR_LINK` @see IEC 62443-4-2 CR 6.1 RE(1) */
export async function verifyBroker(
  login: BrokerLogin,
  keys: readonly [NoteKey, ...NoteKey[]],
  options: Pick<VerifyLogOptions, "known" | "progress"> = {},
): Promise<BrokerVerdict> {
  const log = await openBrokerLog(login, gatewayOf(keys[0]))
  const { source } = log
  try {
    // The edge says from where on the broker holds it; what it says is verified after.
    const note = await source.checkpoint()
    const deps = { sha256: nodeSha256, verify: verifyNoteSignature, keys }
    const from = login.ask === true ? 0 : source.first
    const ours = {
      checkpoint: async () => note,
      piece: (path: string) => source.piece(path),
      handovers: () => source.handovers(),
    }
    return { ...(await verifyLog(deps, ours, { ...options, from, window: login.ask !== true })), note }
  } finally {
    await log.close()
  }
}

/** Options that say which broker, and as whom. */
export const BROKER_OPTIONS = {
  broker: { type: "string" },
  ca: { type: "string" },
  cert: { type: "string" },
  "cert-key": { type: "string" },
  ask: { type: "boolean" },
  mqtt: { type: "string" },
} as const

/** The login that the options name. @throws HardwareError `ERR_IO` if a file cannot be read */
export async function brokerLogin(url: string, values: BrokerValues): Promise<BrokerLogin> {
  return {
    url,
    ...(await pem("ca", values.ca)),
    ...(await pem("cert", values.cert)),
    ...(await pem("key", values["cert-key"])),
    ask: values.ask === true,
    version: values.mqtt === "5" ? "5" : "3.1.1",
  }
}

interface BrokerValues {
  readonly ca?: string
  readonly cert?: string
  readonly "cert-key"?: string
  readonly ask?: boolean
  readonly mqtt?: string
}

/** The gateway whose log the key signs. @throws InputError `ERR_ARGUMENT` */
function gatewayOf({ name }: NoteKey): string {
  const found = /^lockgate\/([^/]+)\/log$/.exec(name)?.[1]
  if (found === undefined)
    throw new InputError("ERR_ARGUMENT", `--key: not the key of a gateway's log: ${name.slice(0, 80)}`)
  return found
}

/** Host and port of a broker. @throws InputError `ERR_ARGUMENT` */
export function placeOf(url: string): { readonly host: string; readonly port: number } {
  const found = URL.canParse(url) ? new URL(url) : null
  if (found?.protocol !== "mqtts:" || found.hostname === "" || found.username !== "")
    throw new InputError("ERR_ARGUMENT", "--broker: where is the broker? mqtts://<host>:<port>")
  return { host: found.hostname.replace(/^\[|\]$/g, ""), port: found.port === "" ? 8883 : Number(found.port) }
}

function pemOf({ ca, cert, key }: BrokerLogin): ConnectionOptions {
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) } // prettier-ignore
}

function secureStream(options: ConnectionOptions): Promise<ReturnType<typeof connect>> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, minVersion: "TLSv1.2", rejectUnauthorized: true }, () => resolve(socket))
    socket.once("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code ?? "tls"
      reject(
        new HardwareError("ERR_LINK", `the broker cannot be reached or trusted: ${reason}`, { detail: { reason } }),
      )
    })
  })
}

async function pem(name: "ca" | "cert" | "key", file: string | undefined): Promise<Partial<BrokerLogin>> {
  if (file === undefined) return {}
  const text = await readText(file, MAX_PEM)
  if (text.ok) return { [name]: text.value }
  throw new HardwareError("ERR_IO", `${file} cannot be read`)
}
