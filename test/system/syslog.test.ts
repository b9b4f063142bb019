/** `lockgate audit export --syslog` against the real rsyslog, with certificates on both ends. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { auditExport } from "../../firmware/cli/audit-export.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { openLinuxStorage } from "../../hal/linux/storage.ts"
import { openTestLog, sampleEvent } from "../support/audit.ts"
import { captureIo, runCli, type Ran } from "../support/cli-io.ts"
import { createOpensslPki, leafExtensions } from "../support/openssl-pki.ts"
import { freePort } from "../peers/ports.ts"
import { startRsyslog } from "../peers/rsyslog-gnutls.ts"
import type { Rsyslogd } from "../peers/rsyslog.ts"

const test = suite("system/syslog")

const top = mkdtempSync(join(tmpdir(), "lockgate-syslog-"))
const pki = createOpensslPki()
const ca = pki.authority("plant")
const receiver = pki.leaf("logs", ca, { extensions: leafExtensions("IP:127.0.0.1") })
const sender = pki.leaf("exporter", ca)
const stranger = pki.leaf("stranger", pki.authority("elsewhere"))
const port = await freePort()
const file = join(top, "received")

const storage = await openLinuxStorage(join(top, "state"))
const log = await openTestLog(storage, { clock: createLinuxClock() })
let daemon: Rsyslogd | null = null
const start = async (): Promise<Rsyslogd> =>
  (daemon = await startRsyslog({ port, ca: ca.certificateFile, cert: receiver.certificateFile, key: receiver.keyFile, peer: "exporter", file })) // prettier-ignore

test.after(async () => {
  await daemon?.stop().catch(() => undefined)
  await log.close()
  await storage.close()
  pki.remove()
  rmSync(top, { recursive: true })
})

const append = (count: number, name: string): Promise<number[]> =>
  Promise.all(Array.from({ length: count }, (_, k) => log.append(sampleEvent(`${name} ${k}`))))

/** Waits until the checkpoint on disk covers the log: what is written about once a second. */
async function covered(): Promise<void> {
  await until(() => {
    const path = join(top, "state/audit/checkpoint")
    return existsSync(path) && readFileSync(path, "utf8").split("\n")[1] === String(log.size)
  })
}

async function until(condition: () => boolean, patienceMs = 10_000): Promise<void> {
  const endAt = performance.now() + patienceMs
  while (!condition() && performance.now() < endAt) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(condition(), "waited in vain")
}

interface Received {
  readonly pri: string
  readonly hostname: string
  readonly "app-name": string
  readonly procid: string
  readonly msgid: string
  readonly timestamp: string
  readonly "structured-data": string
  readonly msg: string
}

/** A kill tears the line that is being written, and the next one is glued to it. */
function received(): Received[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1)
  return lines.map((line) => JSON.parse(line.slice(line.lastIndexOf('{"pri":'))) as Received)
}
const seqs = (): number[] =>
  received().flatMap((one) => {
    const seq = / seq="(\d+)"/.exec(one["structured-data"])?.[1]
    return seq === undefined ? [] : [Number(seq)]
  })
const distinct = (): number[] => [...new Set(seqs())].sort((a, b) => a - b)
const to = (count: number): number[] => Array.from({ length: count }, (_, k) => k)

const args = (cursor: string, more: readonly string[] = [], as = sender): string[] => [
  ...["--state", join(top, "state"), "--syslog", `127.0.0.1:${port}`, "--ca", ca.certificateFile],
  ...["--cert", as.certificateFile, "--cert-key", as.keyFile, "--cursor", join(top, cursor), ...more],
]
const send = (cursor: string, more: readonly string[] = [], as = sender): Promise<Ran> =>
  runCli((io) => auditExport(args(cursor, more, as), io))

test("[CR 6.1] the real rsyslog takes every entry apart as it was meant", async () => {
  await start()
  await log.append({ id: "conduit.denied", outcome: "denied", source: "conduit/field", subject: "pump-1", object: 'a"]\\ü\u202e', detail: { why: "x" } }) // prettier-ignore
  await append(299, "first")
  await covered()
  const ran = await send("cursor")
  assert.is(ran.code, 0, ran.err)
  assert.equal(seqs(), to(300))
  const [one] = received()
  assert.equal(
    [one?.pri, one?.hostname, one?.["app-name"], one?.procid, one?.msgid],
    ["108", "gw", "lockgate", "boot", "conduit.denied"],
  )
  assert.ok(one?.["structured-data"].includes('object="a\\"\\]\\\\ü\\\\u202e" '), one?.["structured-data"])
  assert.ok(one?.["structured-data"].endsWith('[fact@32473 why="x"]'))
  assert.match(one?.msg ?? "", /messages were denied by policy {2}by pump-1/)
})

test("an export goes on where it stopped, and sends nothing twice when nothing broke", async () => {
  await append(30, "second")
  await covered()
  assert.match((await send("cursor")).err, /^30 entries sent to .*; the next one is 330\n$/)
  assert.match((await send("cursor")).err, /^0 entries sent/)
  assert.equal(seqs(), to(330))
})

test("filters choose what goes out; the cursor passes over the rest", async () => {
  const before = received().length
  assert.match((await send("chosen", ["--severity", "warning"])).err, /^1 entries sent .* next one is 330/)
  assert.is(received().length, before + 1)
})

test("[CR 6.1] the entries go as CEF where the receiver wants that", async () => {
  const before = received().length
  assert.match((await send("as-cef", ["--format", "cef", "--seq", "0"])).err, /^1 entries sent/)
  const one = received()[before]
  assert.ok(one !== undefined)
  assert.is(one.msgid, "conduit.denied")
  assert.match(one.msg, /^ ?CEF:0\|Lockgate\|Lockgate\|[^|]+\|conduit\.denied\|/)
  assert.ok(one.msg.includes('cs2=a"]\\\\ü\\\\u202e cs2Label=object'), one.msg)
})

test("[CR 1.2] a receiver is not spoken to by whom it does not know, nor by us if we do not know it", async () => {
  const before = received().length
  const strange = await send("strange", [], stranger)
  assert.is(strange.code, 5, strange.err)
  assert.not.ok(existsSync(join(top, "strange")), "the cursor did not move")
  const other = await send("strange", ["--server-name", "other.example"])
  assert.is(other.code, 5)
  assert.match(other.err, /server-name/)
  assert.is(received().length, before)
})

test("[CR 6.2] nothing is lost when the receiver is killed in the middle and comes back, again and again", async () => {
  const io = captureIo()
  const abort = new AbortController()
  const running = auditExport(args("cursor", ["--follow"]), { ...io, signal: abort.signal })
  for (let round = 0; round < 2; round++) {
    const base = received().length
    const appending = append(400, `round ${round}`)
    await until(() => received().length > base + 20)
    await daemon?.kill9()
    await appending
    await append(50, `while away ${round}`)
    await start()
    await until(() => distinct().length === log.size, 20_000)
  }
  assert.equal(distinct(), to(log.size))
  abort.abort()
  assert.is(await running, 0)
  assert.match(io.errors(), /cannot be reached or trusted: .*; again in 1 s\n/)
  assert.match(io.errors(), /the receiver is back/)
  const after = received().length
  assert.match((await send("cursor")).err, /^0 entries sent/, "the end of a run in order moves the cursor")
  assert.is(received().length, after)
})

test("without the receiver a run ends with a code of its own, and the next goes on", async () => {
  await daemon?.stop()
  await append(5, "last")
  await covered()
  const ran = await send("cursor")
  assert.is(ran.code, 5)
  assert.match(ran.err, /ECONNREFUSED.*run it again to go on/)
  await start()
  assert.match((await send("cursor")).err, /^5 entries sent/)
})

test.run()
