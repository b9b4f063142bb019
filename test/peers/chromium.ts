import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { commandPath } from "./packages.ts"

/** How the browser is started. */
export interface ChromiumOptions {
  /** base64 of the SHA-256 of the public keys of certificates that it is to accept, though nobody vouches for them. */
  readonly trustedKeys?: readonly string[]
}

/** A request that the browser made, by any of its pages or workers. */
export type Asked = string

/** One tab. */
export interface Tab {
  /** The value of an expression in the page; promises are waited for. Throws what the page throws. */
  evaluate<Value>(expression: string): Promise<Value>
  /** Waits until an expression is true in the page. */
  until(expression: string, timeoutMs?: number): Promise<void>
  goto(url: string): Promise<void>
  /** Runs in each worker that starts from now on, before its own first line; empty: nothing. */
  inWorkers(script: string): void
  /** Keys as a person presses them: `ArrowDown`, `Enter`, `/`. */
  press(key: string): Promise<void>
  size(width: number, height: number, scale?: number): Promise<void>
  scheme(scheme: "dark" | "light"): Promise<void>
  /** A picture of what is seen, PNG. */
  picture(): Promise<Buffer>
  /** Errors that the console of the browser showed, violations of the content policy among them. */
  errors(): readonly string[]
  asked(): readonly Asked[]
  close(): Promise<void>
}

/** The real browser, headless, with a profile of its own. */
export interface Chromium {
  tab(): Promise<Tab>
  stop(): Promise<void>
}

type Params = Readonly<Record<string, unknown>>
type Listener = (method: string, params: any, session: string | undefined) => void

/** Starts the real Chromium, driven over a pipe: no port, no driver package. */
export async function startChromium(options: ChromiumOptions = {}): Promise<Chromium> {
  const command = commandPath("chromium")
  if (command === null) throw new Error("chromium is not installed: see test/peers/debian-packages.txt")
  const profile = mkdtempSync(join(tmpdir(), "lockgate-chromium-"))
  const flags = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
  ]
  flags.push("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-extensions")
  flags.push("--disable-sync", "--mute-audio", "--hide-scrollbars", `--user-data-dir=${profile}`)
  if (options.trustedKeys) flags.push(`--ignore-certificate-errors-spki-list=${options.trustedKeys.join(",")}`)
  const child = spawn(command, [...flags, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] })
  const kill = (): void => void child.kill("SIGKILL")
  process.once("exit", kill)
  const closed = new Promise<void>((resolve) => child.on("close", () => resolve()))
  const listeners = new Set<Listener>()
  const call = protocol(child.stdio[3] as Writable, child.stdio[4] as Readable, listeners, closed)
  return {
    tab: () => openTab(call, listeners),
    async stop() {
      const patience = setTimeout(kill, 3_000)
      await call("Browser.close").catch(() => undefined)
      await closed
      clearTimeout(patience)
      process.off("exit", kill)
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

type Call = (method: string, params?: Params, session?: string) => Promise<any>

/** DevTools protocol: JSON messages that end in a zero byte. */
function protocol(out: Writable, back: Readable, listeners: Set<Listener>, closed: Promise<void>): Call {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let next = 1
  let chunks: Buffer[] = []
  out.on("error", () => undefined)
  back.on("data", (chunk: Buffer) => {
    let from = 0
    for (let at = chunk.indexOf(0); at >= 0; at = chunk.indexOf(0, from)) {
      chunks.push(chunk.subarray(from, at))
      const message = JSON.parse(Buffer.concat(chunks).toString("utf8"))
      chunks = []
      from = at + 1
      const asker = waiting.get(message.id)
      waiting.delete(message.id)
      if (message.error) asker?.reject(new Error(message.error.message))
      else if (message.id) asker?.resolve(message.result)
      else for (const listener of listeners) listener(message.method, message.params, message.sessionId)
    }
    chunks.push(chunk.subarray(from))
  })
  void closed.then(() => {
    for (const { reject } of waiting.values()) reject(new Error("chromium ended"))
  })
  return (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      const id = next++
      waiting.set(id, { resolve, reject })
      out.write(`${JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) })}\0`)
    })
}

async function openTab(call: Call, listeners: Set<Listener>): Promise<Tab> {
  const { targetId } = await call("Target.createTarget", { url: "about:blank" })
  const { sessionId: session } = await call("Target.attachToTarget", { targetId, flatten: true })
  const sessions = new Set<string | undefined>([session])
  const [errors, asked]: [string[], Asked[]] = [[], []]
  let early = ""
  const watch = async (id: string): Promise<void> => {
    await Promise.all(["Runtime.enable", "Log.enable", "Network.enable"].map((m) => call(m, {}, id).catch(() => null)))
    // Workers are pages of their own here.
    const attach = { autoAttach: true, waitForDebuggerOnStart: true, flatten: true }
    await call("Target.setAutoAttach", attach, id).catch(() => null)
    if (id !== session && early !== "") await call("Runtime.evaluate", { expression: early }, id)
    await call("Runtime.runIfWaitingForDebugger", {}, id).catch(() => null)
  }
  const listener: Listener = (method, params, from) => {
    if (!sessions.has(from)) return
    if (method === "Target.attachedToTarget") {
      sessions.add(params.sessionId)
      void watch(params.sessionId)
    } else if (method === "Network.requestWillBeSent") asked.push(params.request.url)
    else if (method === "Network.webSocketCreated") asked.push(params.url)
    else if (method === "Log.entryAdded" && params.entry.level === "error")
      errors.push(`${params.entry.text} ${params.entry.url ?? ""}`)
    else if (method === "Runtime.exceptionThrown") {
      const { exceptionDetails: details } = params
      errors.push(`${details.text} ${details.exception?.description ?? ""}`)
    }
  }
  listeners.add(listener)
  await watch(session)
  await call("Page.enable", {}, session)
  const evaluate = async <Value>(expression: string): Promise<Value> => {
    const options = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails: failed } = await call("Runtime.evaluate", options, session)
    if (failed) throw new Error(`${failed.text} ${failed.exception?.description ?? ""}`)
    return result.value as Value
  }
  return {
    evaluate,
    async until(expression, timeoutMs = 8_000) {
      const until = performance.now() + timeoutMs
      while (!(await evaluate<boolean>(`Boolean(${expression})`).catch(() => false))) {
        if (performance.now() > until) {
          const seen = await evaluate<string>("document.body.innerText").catch(() => "nothing")
          throw new Error(`never true: ${expression}\nerrors: ${errors.join("\n")}\nseen:\n${seen.slice(0, 3_000)}`)
        }
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    },
    async goto(url) {
      await call("Page.navigate", { url }, session)
    },
    inWorkers: (script) => void (early = script),
    async press(key) {
      const text = key.length === 1 ? { text: key } : key === "Enter" ? { text: "\r" } : {}
      const codes: Record<string, number> = { Enter: 13, Escape: 27, ArrowUp: 38, ArrowDown: 40, Tab: 9 }
      const event = { key, windowsVirtualKeyCode: codes[key] ?? key.charCodeAt(0), ...text }
      await call("Input.dispatchKeyEvent", { type: "keyDown", ...event }, session)
      await call("Input.dispatchKeyEvent", { type: "keyUp", ...event }, session)
    },
    async size(width, height, scale = 1) {
      const metrics = { width, height, deviceScaleFactor: scale, mobile: width < 600 }
      await call("Emulation.setDeviceMetricsOverride", metrics, session)
    },
    async scheme(scheme) {
      const features = [{ name: "prefers-color-scheme", value: scheme }]
      await call("Emulation.setEmulatedMedia", { features }, session)
    },
    async picture() {
      const { data } = await call("Page.captureScreenshot", { format: "png" }, session)
      return Buffer.from(data, "base64")
    },
    errors: () => errors,
    asked: () => asked,
    async close() {
      listeners.delete(listener)
      await call("Target.closeTarget", { targetId })
    },
  }
}
