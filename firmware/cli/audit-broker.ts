import { randomBytes } from "node:crypto"
import { connect, type ConnectionOptions } from "node:tls"
import { HardwareError, InputError, LockgateError } from "../../policy/base/errors.ts"
import { parseNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { verifyLog, type LogVerdict } from "../../policy/audit/tlog/verify-log.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { dialReader } from "../audit/mqtt-link.ts"
import { createMqttSource, type MqttSource } from "../audit/mqtt-source.ts"
import { nodeSha256, verifyNoteSignature } from "../audit/note-functions.ts"
import { readText } from "../config/read-text.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { tellError } from "./policy-file.ts"
import { printable } from "./text.ts"

const USAGE =
  "lockgate audit broker mqtts://<host>[:<port>] --key <key of the log> [--ca <pem>] [--cert <pem> --cert-key <pem>] [--ask] [--mqtt 5] [--json]"
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
 * @throws HardwareError `ERR_LINK`, InputError `ERR_BROKER_URL`
 */
export async function openBrokerLog(
  login: BrokerLogin,
  gateway: string,
): Promise<{ readonly source: MqttSource; close(): Promise<void> }> {
  const { host, port } = placeOf(login.url)
  const link = await dialReader({
    clientId: `lockgate-reader-${randomBytes(6).toString("hex")}`,
    version: login.version ?? "3.1.1",
    openStream: () => secureStream({ host, port, ...pemOf(login) }),
  })
  const nonce = (): string => randomBytes(16).toString("base64url")
  const asking = login.ask === true ? { nonce } : {}
  const source = createMqttSource({ link, gateway, clock: createLinuxClock(), ...asking })
  return { source, close: () => link.close() }
}

/** Verify everything that the broker holds of the log whose key this is. @throws HardwareError `ERR_LINK` */
export async function verifyBroker(
  login: BrokerLogin,
  key: NoteKey,
  progress?: (done: number, of: number) => void,
): Promise<LogVerdict> {
  const log = await openBrokerLog(login, gatewayOf(key))
  const { source } = log
  try {
    // The edge says from where on the broker holds it; what it says is verified after.
    await source.checkpoint()
    const deps = { sha256: nodeSha256, verify: verifyNoteSignature, keys: [key] }
    const from = login.ask === true ? 0 : source.first
    const window = login.ask !== true
    return await verifyLog(deps, source, { from, window, ...(progress === undefined ? {} : { progress }) })
  } finally {
    await log.close()
  }
}

/**
 * `lockgate audit broker`: verifies a gateway's log from the broker alone, the gateway may be off. 0: all of it is right, 1: not,
 * 2: wrong usage, or the broker cannot be read.
 *
 * @see IEC 62443-4-2 CR 6.1 RE(1)
 */
export async function auditBroker(args: readonly string[], io: CliIo): Promise<number> {
  const options = {
    key: { type: "string" },
    ca: { type: "string" },
    cert: { type: "string" },
    "cert-key": { type: "string" },
    ask: { type: "boolean" },
    mqtt: { type: "string" },
    json: { type: "boolean" },
  } as const
  const read = readArguments(args, options, 1, USAGE, io)
  if (read === null) return 2
  const { values } = read
  const [url = ""] = read.positionals
  try {
    const login: BrokerLogin = {
      url,
      ...(await pem("ca", values.ca)),
      ...(await pem("cert", values.cert)),
      ...(await pem("key", values["cert-key"])),
      ask: values.ask === true,
      version: values.mqtt === "5" ? "5" : "3.1.1",
    }
    const verdict = await verifyBroker(login, parseNoteKey(nodeSha256, values.key ?? ""))
    tell(verdict, values.json === true, io)
    return verdict.faults.length === 0 ? 0 : 1
  } catch (error) {
    tellError(url, error, io)
    return 2
  }
}

function tell({ checkpoint, from, entries, faults }: LogVerdict, json: boolean, io: CliIo): void {
  if (json) {
    io.out(`${JSON.stringify({ size: checkpoint?.size ?? null, from, entries, faults })}\n`)
    return
  }
  for (const { where, code, text } of faults) io.out(`${printable(where)}: ${code}: ${printable(text)}\n`)
  const what = checkpoint === null ? "no checkpoint" : `entries ${from} to ${checkpoint.size - 1}`
  io.out(faults.length === 0 ? `verified: ${what}, ${entries} of them, all right\n` : `NOT verified: ${what}\n`)
  if (from > 0) io.err(`the broker no longer holds entries below ${from}: ask the gateway with --ask\n`)
}

/** The gateway whose log the key signs. @throws InputError `ERR_NOTE_KEY` */
function gatewayOf({ name }: NoteKey): string {
  const found = /^lockgate\/([^/]+)\/log$/.exec(name)?.[1]
  if (found === undefined) throw new InputError("ERR_NOTE_KEY", `not the key of a gateway's log: ${name.slice(0, 80)}`)
  return found
}

function placeOf(url: string): { readonly host: string; readonly port: number } {
  const found = URL.canParse(url) ? new URL(url) : null
  if (found?.protocol !== "mqtts:" || found.hostname === "" || found.username !== "")
    throw new InputError("ERR_BROKER_URL", "where is the broker? mqtts://<host>:<port>")
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
  throw new LockgateError("input", "ERR_FILE", `${file} cannot be read`)
}
