import { suite } from "uvu"
import * as assert from "uvu/assert"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { connect as connectTcp } from "node:net"
import type { AddressInfo } from "node:net"
import { connect, createServer } from "node:tls"
import type { TLSSocket, TlsOptions } from "node:tls"
import { closeFailedHandshakes } from "../../../firmware/tls/handshake-failure.ts"
import type { HandshakeFailure } from "../../../firmware/tls/handshake-failure.ts"
import { serverOptions } from "../../../firmware/tls/options.ts"
import { createOpensslPki } from "../../support/openssl-pki.ts"

const test = suite("firmware/tls/options")

const pki = createOpensslPki()
test.after(() => pki.remove())

const field = pki.authority("field")
const server = pki.leaf("gateway", field)
const good = pki.leaf("good", field)

const ours12 = serverOptions({
  credential: { key: server.key, certificate: server.certificate },
  tlsMin: "1.2",
  handshakeTimeoutMs: 5000,
})

/** Connect twice, the second time with the session of the first; whether each end says that it was reused. */
async function twice(
  options: TlsOptions,
  maxVersion: "TLSv1.2" | "TLSv1.3",
): Promise<{ reused: boolean; offered: boolean }> {
  const served: boolean[] = []
  const listener = createServer(options, (socket) => {
    served.push(socket.isSessionReused())
    socket.on("error", () => undefined)
    socket.end("x")
  })
  listener.listen(0, "127.0.0.1")
  await once(listener, "listening")
  const { port } = listener.address() as AddressInfo
  const visit = async (session: Buffer | undefined): Promise<{ socket: TLSSocket; session: Buffer | undefined }> => {
    const socket = connect({
      port,
      rejectUnauthorized: false,
      key: good.key,
      cert: good.certificate,
      maxVersion,
      ...(session ? { session } : {}),
    })
    let given: Buffer | undefined
    socket.on("session", (bytes: Buffer) => (given = bytes))
    socket.resume()
    await once(socket, "close")
    return { socket, session: given }
  }
  const first = await visit(undefined)
  const second = await visit(first.session)
  await new Promise((resolve) => listener.close(resolve))
  return { reused: second.socket.isSessionReused() || served.includes(true), offered: first.session !== undefined }
}

test("[CR 1.2] no session is resumed: each connection proves the key anew", async () => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    assert.is((await twice(ours12, maxVersion)).reused, false)
    // The same without our options does resume, or this test would show nothing.
    const plain = await twice(
      { key: server.key, cert: server.certificate, requestCert: true, rejectUnauthorized: false },
      maxVersion,
    )
    assert.equal(plain, { reused: true, offered: true })
  }
})

/** What `openssl s_client` says when it asks for a new handshake in the middle of a connection. */
async function renegotiate(options: TlsOptions): Promise<string> {
  const listener = createServer(options, (socket) => {
    socket.on("error", () => undefined)
    socket.resume()
  })
  listener.listen(0, "127.0.0.1")
  await once(listener, "listening")
  const { port } = listener.address() as AddressInfo
  const args = [
    "s_client",
    "-connect",
    `127.0.0.1:${port}`,
    "-tls1_2",
    "-cert",
    good.certificateFile,
    "-key",
    good.keyFile,
  ]
  const client = spawn("openssl", args, { stdio: ["pipe", "pipe", "pipe"] })
  let said = ""
  let typed = 0
  const type = (line: string): void => {
    typed += 1
    client.stdin.write(`${line}\n`)
  }
  const listen = (bytes: Buffer): void => {
    said += bytes.toString()
    // s_client takes R (renegotiate) and Q (quit) for commands only at the start of what it reads at once.
    if (typed === 0 && said.includes("Verify return code")) type("R")
    if (typed === 1 && /RENEGOTIATING[^]*verify return/.test(said)) type("Q")
  }
  client.stdout.on("data", listen)
  client.stderr.on("data", listen)
  client.stdin.on("error", () => undefined)
  await once(client, "close")
  await new Promise((resolve) => listener.close(resolve))
  return said
}

test("[CR 1.2] a TLS 1.2 peer cannot renegotiate", async () => {
  assert.match(await renegotiate(ours12), /RENEGOTIATING[^]*no renegotiation/)
  // A server without our options does renegotiate, or this test would show nothing.
  const plain = { key: server.key, cert: server.certificate, requestCert: true, rejectUnauthorized: false }
  assert.match(await renegotiate(plain), /RENEGOTIATING[^]*verify return/)
})

test("[CR 7.1] a peer that opens a connection and says nothing is cut off, and told of", async () => {
  const listener = createServer({ ...ours12, handshakeTimeout: 30 })
  const failures: HandshakeFailure[] = []
  closeFailedHandshakes(listener, (failure) => failures.push(failure))
  listener.listen(0, "127.0.0.1")
  await once(listener, "listening")
  const silent = connectTcp((listener.address() as AddressInfo).port, "127.0.0.1")
  silent.resume()
  await once(silent, "close")
  assert.equal(failures, [{ code: "ERR_TLS_HANDSHAKE_TIMEOUT", address: "127.0.0.1" }])
  await new Promise((resolve) => listener.close(resolve))
})

test.run()
