import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process"
import { commandPath } from "./packages.ts"

/** Where a client connects and as whom. Certificates are paths of PEM files. */
export interface ClientOptions {
  readonly port: number
  readonly host?: string
  /** Default 311. */
  readonly version?: "311" | "5"
  readonly id?: string
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string }
  /** Default 10 s; then the client is killed. */
  readonly timeoutMs?: number
  /** Further arguments, e.g. `["-D", "publish", "topic-alias", "1"]`. */
  readonly args?: readonly string[]
}

/** What `mosquitto_pub` is to send. */
export interface PublishOptions extends ClientOptions {
  readonly topic: string
  /** Sent through the client's standard input, so any bytes and any length will do. */
  readonly message: string | Uint8Array
  readonly qos?: 0 | 1 | 2
  readonly retain?: boolean
}

/** How a client ended: 0 is success; null if it was killed. */
export interface Ended {
  readonly code: number | null
  readonly output: string
}

/** Publishes one message with the real `mosquitto_pub`; answers when it has ended. */
export async function mosquittoPub(options: PublishOptions): Promise<Ended> {
  const retain = options.retain === true ? ["-r"] : []
  const args = [
    "-t",
    options.topic,
    "-q",
    String(options.qos ?? 0),
    ...retain,
    options.message.length === 0 ? "-n" : "-s",
  ]
  const child = start("mosquitto_pub", options, args)
  child.stdin.on("error", () => undefined)
  child.stdin.end(options.message)
  return ended(child, options.timeoutMs)
}

/** What `mosquitto_sub` is to ask for. */
export interface SubscribeOptions extends ClientOptions {
  readonly topics: readonly string[]
  readonly qos?: 0 | 1 | 2
}

/** One message as `mosquitto_sub` printed it. */
export interface Received {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: number
  readonly retain: boolean
}

/** A `mosquitto_sub` that runs. */
export interface Subscription {
  /** Codes of the SUBACK, in the order of `topics`: 0..2 granted, 128 and above refused. */
  readonly granted: readonly number[]
  /** Everything received so far. */
  readonly messages: readonly Received[]
  /** The first `count` messages, as soon as they are there. Throws after `timeoutMs` (default 5 s), or if the client ended. */
  take(count: number, timeoutMs?: number): Promise<readonly Received[]>
  stop(): Promise<Ended>
  /** SIGKILL: the broker sees the connection break, and no DISCONNECT. */
  kill9(): Promise<Ended>
}

const MARK = "RECEIVED "
/** So long a client has to end when it is told to. */
const STOP_MS = 5_000

/** Subscribes with the real `mosquitto_sub`; answers at the SUBACK. Throws if there is none in time. */
export async function mosquittoSub(options: SubscribeOptions): Promise<Subscription> {
  const topics = options.topics.flatMap((topic) => ["-t", topic])
  const args = [...topics, "-q", String(options.qos ?? 0), "-d", "-F", `${MARK}%r %q %x %t`]
  const child = start("mosquitto_sub", options, args)
  const messages: Received[] = []
  let granted: number[] | null = null
  let rest = ""
  let wake = (): void => undefined
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString("utf8")).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) {
      const codes = /^Subscribed \(mid: \d+\): (.*)$/.exec(line)?.[1]
      if (codes !== undefined) granted = codes.split(", ").map(Number)
      const m = line.startsWith(MARK) ? /^(\d) (\d) ([0-9a-f]*) (.*)$/s.exec(line.slice(MARK.length)) : null
      if (m !== null)
        messages.push({ retain: m[1] === "1", qos: Number(m[2]), payload: Buffer.from(m[3]!, "hex"), topic: m[4]! })
    }
    wake()
  })
  const end = ended(child, null)
  void end.then(() => wake())
  const until = async (done: () => boolean, timeoutMs: number): Promise<void> => {
    const timer = setTimeout(() => wake(), timeoutMs)
    const deadline = performance.now() + timeoutMs
    while (!done() && performance.now() < deadline && child.exitCode === null && child.signalCode === null)
      await new Promise<void>((resolve) => (wake = resolve))
    clearTimeout(timer)
    if (done()) return
    child.kill("SIGKILL")
    const got = `got ${messages.length} messages, SUBACK ${String(granted)}`
    throw new Error(`mosquitto_sub ${options.topics.join(" ")}: ${got}\n${(await end).output}`)
  }
  await until(() => granted !== null, options.timeoutMs ?? 10_000)
  return {
    granted: granted!,
    messages,
    async take(count, timeoutMs = 5000) {
      await until(() => messages.length >= count, timeoutMs)
      return messages.slice(0, count)
    },
    stop() {
      child.kill("SIGTERM")
      // Its handler says DISCONNECT, which takes a lock that the signal may have found taken: then it hangs for good.
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS)
      void end.then(() => clearTimeout(timer))
      return end
    },
    kill9() {
      child.kill("SIGKILL")
      return end
    },
  }
}

function start(command: string, options: ClientOptions, args: readonly string[]): ChildProcessWithoutNullStreams {
  const path = commandPath(command)
  if (path === null) throw new Error(`${command} is not installed: see test/peers/debian-packages.txt`)
  const { tls } = options
  const tlsArgs = tls === undefined ? [] : ["--cafile", tls.ca]
  if (tls?.cert !== undefined) tlsArgs.push("--cert", tls.cert)
  if (tls?.key !== undefined) tlsArgs.push("--key", tls.key)
  const where = ["-h", options.host ?? "127.0.0.1", "-p", String(options.port), "-V", options.version ?? "311"]
  const id = options.id === undefined ? [] : ["-i", options.id]
  // Into a pipe it would hold its lines back until it ends.
  return spawn("stdbuf", ["-oL", path, ...where, ...id, ...tlsArgs, ...args, ...(options.args ?? [])])
}

function ended(child: ChildProcessWithoutNullStreams, timeoutMs: number | null = 10_000): Promise<Ended> {
  let output = ""
  const take = (chunk: Buffer): void => {
    output += chunk.toString()
  }
  child.stdout.on("data", take)
  child.stderr.on("data", take)
  const timer = timeoutMs === null ? null : setTimeout(() => child.kill("SIGKILL"), timeoutMs)
  return new Promise((resolve) =>
    child.on("close", (code) => {
      if (timer !== null) clearTimeout(timer)
      resolve({ code, output })
    }),
  )
}
