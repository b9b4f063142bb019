import { randomBytes } from "node:crypto"
import { open, readFile } from "node:fs/promises"
import { parseInventory } from "../../policy/audit/collect-inventory.ts"
import { printable } from "../../policy/audit/json-text.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { HardwareError, LockgateError } from "../../policy/base/errors.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { openLinuxStorage, type LinuxStorage } from "../../hal/linux/storage.ts"
import { createLinuxTimeSync } from "../../hal/linux/time-sync.ts"
import type { TimeSync } from "../../hal/time-sync.ts"
import { openCollectGateway, type CollectGateway, type CollectStatus } from "../audit/collect-gateway.ts"
import { makeCosignerKey, parseCosignerSecret, type CosignerKey } from "../audit/collect-key.ts"
import { runCollector } from "../audit/collector.ts"
import { nodeSha256 } from "../audit/note-functions.ts"
import { reasonOf } from "../config/read-text.ts"
import { dialBroker, placeOf, type BrokerLogin } from "./audit-broker.ts"
import { EXIT } from "./exit-codes.ts"
import { auditArguments, wrongUse } from "./audit-options.ts"
import { auditRun } from "./audit-run.ts"
import type { CliIo } from "./handler.ts"
import { createProgress } from "./progress.ts"
import { thousands } from "./text.ts"

const USAGE = `usage: lockgate audit collect --broker mqtts://<host>[:<port>]... --store <folder> --key <file>
         (--gateway <name>=<key of its log>... | --inventory <file>)
         [--ca <pem>] [--cert <pem> --cert-key <pem>] [--mqtt 5] [--clock-bound <seconds>] [--once] [--json]
         keep verified copies of gateways' logs, and cosign what is safely there, until Ctrl-C or SIGTERM
       lockgate audit collect --new-key <file> --name <name>
         make the collector's own key; prints its public half, for audit.collectors in the gateways' board files
  --gateway, --inventory  whose logs; the file has a line each: NAME=name+id+base64, as \`lockgate audit key\` prints it
  --store                 <folder>/logs/<gateway> is a copy: lockgate audit verify | show | export take it as <folder> or --state
  --clock-bound           this machine's clock is right within so many seconds, whatever its time daemon says
  --once                  fetch what there is, and end
`
const MAX_FILE = 4 * 1024 * 1024
const MAX_CLOCK_BOUND_S = 3_600

const OPTIONS = {
  broker: { type: "string", multiple: true },
  store: { type: "string" },
  key: { type: "string" },
  gateway: { type: "string", multiple: true },
  inventory: { type: "string" },
  ca: { type: "string" },
  cert: { type: "string" },
  "cert-key": { type: "string" },
  mqtt: { type: "string" },
  "clock-bound": { type: "string" },
  once: { type: "boolean" },
  json: { type: "boolean" },
  "new-key": { type: "string" },
  name: { type: "string" },
} as const

type Values = { readonly [option in "store" | "key" | "inventory" | "ca" | "cert" | "cert-key" | "mqtt" | "clock-bound"]?: string } & { readonly broker?: readonly string[]; readonly gateway?: readonly string[]; readonly once?: boolean; readonly json?: boolean } // prettier-ignore

/**
 * Keeps verified copies of many gateways' logs, cosigns them, and with that acknowledges them: `lockgate audit collect`.
 *
 * Resolves to a code of `EXIT`: `wrong` if a log is accused at the end, `unreadable` if the store cannot be written, `unreachable` if with
 * `--once` a broker cannot be reached, or not all of a log was to be had.
 *
 * @see IEC 62443-4-2 CR 2.9, CR 3.9, CR 6.1
 */
export async function auditCollect(args: readonly string[], io: CliIo): Promise<number> {
  return auditRun("collect", USAGE, io, async () => {
    const { values } = auditArguments(args, OPTIONS)
    if (values["new-key"] !== undefined) return newKey(values["new-key"], values.name, io)
    return collect(values, io)
  })
}

/** The file is made, never overwritten: a collector that lost its key is another collector. */
async function newKey(file: string, name: string | undefined, io: CliIo): Promise<number> {
  if (name === undefined)
    throw wrongUse("--name <name> is needed: how the collector is called, 1 to 64 of A-Z a-z 0-9 . _ -")
  const line = makeName(name)
  try {
    const handle = await open(file, "wx", 0o600)
    try {
      await handle.writeFile(line)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw new HardwareError("ERR_IO", `${file} cannot be made: ${reasonOf(error)}`)
  }
  io.out(`${encodeNoteKey(nodeSha256, parseCosignerSecret(line).key)}\n`)
  io.err("put this line under audit: collectors: in the board file of each gateway\n")
  return EXIT.done
}

function makeName(name: string): string {
  try {
    return makeCosignerKey(name)
  } catch (error) {
    throw asUse("--name", error)
  }
}

async function collect(values: Values, io: CliIo): Promise<number> {
  const { store } = values
  if (store === undefined) throw wrongUse("--store <folder> is needed: where the copies are kept")
  const keys = await namedGateways(values)
  const cosigner = await cosignerKey(values.key)
  const logins = await loginsOf(values)
  const now = earliestNow(createLinuxTimeSync(), clockBoundOf(values["clock-bound"]))
  const storage = await openStore(store)
  try {
    const tell = teller(io, values.json === true)
    const gateways = new Map<string, CollectGateway>()
    for (const [gateway, own] of keys)
      gateways.set(gateway, await openCollectGateway({ gateway, keys: own, storage, cosigner, now, told: tell.status }))
    try {
      await runCollector({
        ...{ gateways, clock: createLinuxClock(), signal: io.signal, once: values.once === true },
        brokers: logins.map((login) => ({ name: login.url, dial: () => dialBroker(login, "collector") })),
        nonce: () => randomBytes(16).toString("base64url"),
        told: tell.broker,
      })
    } catch (error) {
      if (!(error instanceof LockgateError) || error.code !== "ERR_LINK") throw error
      tell.end([...gateways.values()])
      io.err(`lockgate audit collect: ${printable(error.message)}\n`)
      return EXIT.unreachable
    }
    const states = [...gateways.values()].map(({ status }) => status.state)
    tell.end([...gateways.values()])
    if (states.includes("accused")) return EXIT.wrong
    return values.once === true && states.some((state) => state !== "current") ? EXIT.unreachable : EXIT.done
  } finally {
    await storage.close()
  }
}

/** @throws HardwareError `ERR_STORE_IN_USE`, `ERR_IO` */
async function openStore(store: string): Promise<LinuxStorage> {
  try {
    return await openLinuxStorage(store)
  } catch (error) {
    if (!(error instanceof LockgateError) || error.code !== "ERR_STATE_FOLDER_IN_USE") throw error
    throw new HardwareError("ERR_STORE_IN_USE", `another collector works in ${store}`)
  }
}

interface Teller {
  readonly status: (status: CollectStatus) => void
  readonly broker: (broker: string, reason: string | null) => void
  readonly end: (gateways: readonly CollectGateway[]) => void
}

/** A line for a gateway when its state changes, and one for each at the end; a bar meanwhile for what is being fetched. */
function teller(io: CliIo, json: boolean): Teller {
  const last = new Map<string, string>()
  const progress = createProgress(io, "entries")
  const line = (status: CollectStatus): void => {
    progress.clear()
    const { gateway, state, first, size, text } = status
    if (json) io.out(`${JSON.stringify(status)}\n`)
    else
      io.out(
        `${printable(gateway)}  ${state.padEnd(11)}  ${thousands(first)}..${thousands(size)}  ${printable(text)}\n`,
      )
  }
  return {
    status(status) {
      if (status.state === "catching-up") progress.show(status.size, status.shown)
      const word = `${status.state} ${status.state === "held" || status.state === "accused" ? status.text : ""}`
      if (last.get(status.gateway) === word) return
      last.set(status.gateway, word)
      line(status)
    },
    broker(broker, reason) {
      progress.clear()
      const why = reason === null ? "is back" : `cannot be reached or trusted: ${reason}; it is tried again`
      io.err(`lockgate audit collect: ${printable(broker)} ${printable(why)}\n`)
    },
    end(gateways) {
      progress.clear()
      for (const { status } of gateways) line(status)
    },
  }
}

async function namedGateways(values: Values): Promise<ReadonlyMap<string, readonly NoteKey[]>> {
  const lines = [...(values.gateway ?? [])]
  if (values.inventory !== undefined) lines.push(...(await textOf(values.inventory, "--inventory")).split("\n"))
  try {
    const keys = parseInventory(nodeSha256, lines)
    if (keys.size > 0) return keys
  } catch (error) {
    throw asUse(values.inventory === undefined ? "--gateway" : "--inventory", error)
  }
  throw wrongUse("whose logs? --gateway <name>=<key of its log>, or --inventory <file>")
}

async function cosignerKey(file: string | undefined): Promise<CosignerKey> {
  if (file === undefined) throw wrongUse("--key <file> is needed: the collector's own key; --new-key makes one")
  try {
    return parseCosignerSecret(await textOf(file, "--key"))
  } catch (error) {
    throw asUse("--key", error)
  }
}

async function loginsOf(values: Values): Promise<readonly BrokerLogin[]> {
  if (values.broker === undefined) throw wrongUse("--broker mqtts://<host>[:<port>] is needed")
  const files = {
    ...(values.ca === undefined ? {} : { ca: await textOf(values.ca, "--ca") }),
    ...(values.cert === undefined ? {} : { cert: await textOf(values.cert, "--cert") }),
    ...(values["cert-key"] === undefined ? {} : { key: await textOf(values["cert-key"], "--cert-key") }),
  }
  return values.broker.map((url) => {
    try {
      placeOf(url)
    } catch (error) {
      throw asUse("--broker", error)
    }
    return { url, version: values.mqtt === "5" ? ("5" as const) : ("3.1.1" as const), ...files }
  })
}

/** Seconds since 1970 that have surely passed; null while nobody bounds the error of the clock. */
function earliestNow(timeSync: TimeSync, boundMs: number | null): () => Promise<number | null> {
  return async () => {
    const errorMs = boundMs ?? (await timeSync.read()).errorMs
    return errorMs === null ? null : Math.floor((Date.now() - errorMs) / 1000)
  }
}

function clockBoundOf(text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^\d{1,4}$/.test(text) || Number(text) > MAX_CLOCK_BOUND_S)
    throw wrongUse(`--clock-bound takes seconds, 0 to ${MAX_CLOCK_BOUND_S}, not ${printable(text)}`)
  return Number(text) * 1000
}

async function textOf(file: string, option: string): Promise<string> {
  try {
    const text = await readFile(file, "utf8")
    if (text.length <= MAX_FILE) return text
  } catch (error) {
    throw wrongUse(`${option}: ${file} cannot be read: ${reasonOf(error)}`)
  }
  throw wrongUse(`${option}: ${file} is too long`)
}

/** A fault of an option, in the words of whoever found it. */
function asUse(option: string, error: unknown): unknown {
  if (!(error instanceof LockgateError) || error.kind !== "input" || error.code === "ERR_ARGUMENT") return error
  return wrongUse(`${option}: ${error.message}`)
}
