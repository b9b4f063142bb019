import { request } from "node:http"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { consoleCommand, consoleUrl } from "../../../firmware/cli/console.ts"
import { pageFiles } from "../../../firmware/console/page-files.ts"
import { brokerOrigin, startConsole, type ConsoleServer } from "../../../firmware/console/server.ts"
import { captureIo } from "../../support/cli-io.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("console server")
const BROKER = "wss://broker.example:8884"
let server: ConsoleServer

test.before(async () => {
  server = await startConsole({ port: 0, brokers: [BROKER] })
})
test.after(() => server.stop())

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

function ask(path: string, options: { readonly method?: string; readonly host?: string } = {}): Promise<Answer> {
  const { port } = new URL(server.url)
  const headers = { host: options.host ?? `127.0.0.1:${port}` }
  return new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, path, method: options.method ?? "GET", headers }, (response) => {
      let body = ""
      response.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")))
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    asking.on("error", reject).end()
  })
}

test("[CR 3.4] the content policy allows own scripts, the broker, and nothing else", async () => {
  for (const path of ["/", "/firmware/console/page/main.ts", "/firmware/console/page/worker.ts", "/no-such"]) {
    const { headers } = await ask(path)
    const policy = String(headers["content-security-policy"]).split("; ")
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      `connect-src ${BROKER}`,
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
    ])
      assert.ok(policy.includes(rule), `${path}: ${rule}`)
    assert.not.match(policy.join(), /unsafe|blob:|data:|\*/)
    assert.is(headers["x-content-type-options"], "nosniff")
    assert.is(headers["referrer-policy"], "no-referrer")
  }
})

test("the frame has no script, style or handler of its own, and names nothing elsewhere", async () => {
  const { body } = await ask("/")
  assert.not.match(body, /<script>|<script [^>]*>[^<]|<style| style=| on[a-z]+=|https?:/)
})

test("every file that the frame names is served, and every style that is served is named", async () => {
  const { body } = await ask("/")
  const named = [...body.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, name = ""]) => name)
  const files = pageFiles()
  for (const name of named) assert.ok(files.has(name), name)
  for (const path of files.keys()) assert.ok(!path.endsWith(".css") || named.includes(path), path)
})

test("serves modules without types, packages as installed, and every import of them", async () => {
  const files = pageFiles()
  for (const [path, { type, body }] of files) {
    if (!type.startsWith("text/javascript") || path.includes("node_modules")) continue
    const text = body.toString("utf8")
    assert.not.match(text, /\binterface [A-Z]\w+ \{|: readonly /, path)
    for (const [, name = ""] of text.matchAll(/^(?:import|export) .*?from "([^"]+)"/gms))
      assert.ok(files.has(name), `${path} imports ${name}`)
  }
  assert.ok(files.has("/policy/audit/tlog/verify.ts"))
  assert.ok([...files.keys()].every((path) => !/firmware\/(?!console\/page\/)|hal|provisioning/.test(path)))
})

test("[CR 3.5] nothing but those files can be asked for, under no other name, and only read", async () => {
  for (const path of [
    "/package.json",
    "/../package.json",
    "/%2e%2e/package.json",
    "//etc/passwd",
    "/firmware/console/server.ts",
  ])
    assert.is((await ask(path)).status, 404, path)
  assert.is((await ask("/", { host: "evil.example" })).status, 421)
  assert.is((await ask("/", { host: "localhost:1" })).status, 200)
  assert.is((await ask("/", { method: "POST" })).status, 405)
  assert.is((await ask("/", { method: "HEAD" })).body, "")
})

test("[CR 3.9] without a certificate it listens on this machine alone", async () => {
  assert.match(server.url, /^http:\/\/127\.0\.0\.1:/)
  await rejects(() => startConsole({ port: 0, host: "0.0.0.0", brokers: [] }), "ERR_CONSOLE_HOST")
})

test("a broker's address is over TLS, and cannot widen the content policy", async () => {
  assert.is(brokerOrigin("wss://b.example:8884/mqtt"), "wss://b.example:8884")
  assert.is(brokerOrigin("ws://127.0.0.1:9001"), "ws://127.0.0.1:9001")
  for (const text of [
    "ws://b:1",
    "ws://127.0.0.1.example:1",
    "https://b",
    "wss://user:word@b",
    "wss://b;script-src *",
    "wss://b 'unsafe-inline'",
    "b",
    "",
  ])
    await rejects(() => brokerOrigin(text), "ERR_CONSOLE_BROKER")
})

test("address and keys travel behind the #, where no server sees them", () => {
  const url = new URL(consoleUrl("http://127.0.0.1:8400/", BROKER, ["lockgate/a/log+0+x=\n"]))
  assert.is(url.search, "")
  assert.equal([...new URLSearchParams(url.hash.slice(1))], [["broker", BROKER], ["key", "lockgate/a/log+0+x="]]) // prettier-ignore
})

test("the command tells wrong words, and a port that is taken", async () => {
  const io = captureIo()
  assert.is(await consoleCommand(["--port", "x"], io), 2)
  assert.is(await consoleCommand(["--broker", "mqtt://b"], io), 2)
  assert.is(await consoleCommand(["--log-key", "/no/such/file"], io), 1)
  assert.is(await consoleCommand(["--port", new URL(server.url).port], io), 1)
  assert.match(io.errors(), /cannot listen on 127\.0\.0\.1/)
})

test.run()
