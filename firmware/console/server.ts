/**
 * Serves the operator's page: static files, to this machine alone or over https. It never sees the broker, a key or a
 * password: the page connects by itself, and its policy lets it connect nowhere else.
 */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { AddressInfo } from "node:net"
import { HardwareError, InputError } from "../../policy/base/errors.ts"
import { pageFiles, type PageFile } from "./page-files.ts"

/** How the page is served. */
export interface ConsoleOptions {
  /** 0: any free one. */
  readonly port: number
  /** Default: loopback. Another address needs `tls`. */
  readonly host?: string
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Names by which browsers may ask beside `localhost` and loopback: else a page elsewhere could name itself so. */
  readonly names?: readonly string[]
  /** Brokers the page may connect to, `wss://host:port`; empty: any, over TLS. */
  readonly brokers: readonly string[]
}

/** The running server. */
export interface ConsoleServer {
  /** Where to look, with a slash at the end. */
  readonly url: string
  stop(): Promise<void>
}

const LOOPBACK = "127.0.0.1"

/**
 * Starts it; resolves once it listens.
 *
 * @throws InputError `ERR_CONSOLE_HOST`, `ERR_CONSOLE_BROKER`; HardwareError `ERR_CONSOLE_PORT`
 * @see IEC 62443-4-2 CR 3.9, CR 6.1
 */
export async function startConsole(options: ConsoleOptions): Promise<ConsoleServer> {
  const { host = LOOPBACK, tls, port } = options
  if (tls === undefined && host !== LOOPBACK)
    throw new InputError("ERR_CONSOLE_HOST", "without a certificate the page is served to this machine alone")
  const headers = headersFor(options.brokers.map(brokerOrigin))
  const files = pageFiles()
  const names = ["localhost", LOOPBACK, ...(tls === undefined ? [] : [host]), ...(options.names ?? [])]
  const answer: RequestListener = (request, response) => respond(request, response, files, headers, names)
  const server = tls === undefined ? createServer(answer) : createTlsServer({ ...tls, minVersion: "TLSv1.3" }, answer)
  server.headersTimeout = 5_000
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new HardwareError("ERR_CONSOLE_PORT", `cannot listen on ${host} port ${port}`, { cause })),
    )
    server.listen(port, host, resolve)
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? "http" : "https"}://${host}:${bound}/`,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** `wss://host:port` of a broker's address, as a content policy names it. @throws InputError `ERR_CONSOLE_BROKER` */
export function brokerOrigin(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol !== "wss:" || url.username !== "" || url.password !== "" || /[\s;,']/.test(text))
    throw new InputError("ERR_CONSOLE_BROKER", "a broker's address is wss://host:port, without a password")
  return `wss://${url.host}`
}

function headersFor(brokers: readonly string[]): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src ${brokers.length === 0 ? "wss:" : brokers.join(" ")}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types lockgate-worker",
  ]
  return {
    "content-security-policy": policy.join("; "),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), usb=(), serial=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  }
}

function respond(
  request: IncomingMessage,
  response: ServerResponse,
  files: ReadonlyMap<string, PageFile>,
  headers: Readonly<Record<string, string>>,
  names: readonly string[],
): void {
  const end = (status: number, type: string, body: Buffer): void => {
    response.writeHead(status, { ...headers, "content-type": type, "content-length": body.length })
    response.end(request.method === "HEAD" ? undefined : body)
  }
  const say = (status: number, text: string): void => end(status, "text/plain; charset=utf-8", Buffer.from(`${text}\n`))
  // A page elsewhere whose name was made to point here is not to share this origin.
  const asked = (request.headers.host ?? "").replace(/:\d+$/, "")
  if (!names.includes(asked)) return say(421, "this page is not served under that name")
  if (request.method !== "GET" && request.method !== "HEAD") return say(405, "only reading")
  const file = files.get((request.url ?? "").split("?", 1)[0] ?? "")
  if (file === undefined) return say(404, "no such file")
  end(200, file.type, file.body)
}
