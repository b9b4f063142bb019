import { mkdtempSync } from "node:fs"
import { chmod, mkdir, rm, stat, symlink, writeFile } from "node:fs/promises"
import { connect, createServer } from "node:net"
import type { Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { callLocal } from "../../../firmware/management/local-client.ts"
import { createLocalSocket, MAX_CONNECTIONS, REQUEST_MS } from "../../../firmware/management/local-socket.ts"
import type { LocalSocket } from "../../../firmware/management/local-socket.ts"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { InvariantError } from "../../../policy/base/errors.ts"
import type { CommandId } from "../../../policy/command/port.ts"
import { MemoryLog, recordingHandlers, REQUESTS } from "../../support/commands.ts"
import { chunks, randomBytes, seeded } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const top = mkdtempSync(join(tmpdir(), "lockgate-"))
let number = 0

interface Door {
  readonly path: string
  readonly socket: LocalSocket
  readonly log: MemoryLog
  readonly clock: MemoryClock
  readonly executed: string[]
}

async function open(
  act?: (id: CommandId) => unknown,
  path = join(top, `door-${++number}`, "command.sock"),
): Promise<Door> {
  const log = new MemoryLog()
  const clock = new MemoryClock()
  const executed: string[] = []
  const commands = createManagement({ handlers: recordingHandlers(executed, act), audit: log.audit })
  const socket = createLocalSocket({ path, commands, clock, audit: log.audit })
  await socket.start()
  return { path, socket, log, clock, executed }
}

/** Everything the gateway says on one connection until it ends it. */
async function talk(path: string, send: (socket: Socket) => unknown): Promise<string> {
  const socket = connect(path)
  const parts: Buffer[] = []
  socket.on("data", (part) => parts.push(part))
  socket.on("error", () => undefined)
  await new Promise((resolve) => socket.once("connect", resolve))
  const closed = new Promise((resolve) => socket.once("close", resolve))
  await send(socket)
  await closed
  return Buffer.concat(parts).toString("utf8")
}
const line = (value: unknown): string => JSON.stringify(value) + "\n"
const MALFORMED = { ok: false, code: "ERR_COMMAND_MALFORMED" }

const test = suite("firmware/management/local-socket")
const doors: LocalSocket[] = []
const opened = async (...given: Parameters<typeof open>): Promise<Door> => {
  const door = await open(...given)
  doors.push(door.socket)
  return door
}
test.after(async () => {
  for (const door of doors) await door.stop()
  await rm(top, { recursive: true })
})

test("[CR 1.1] the folder and the socket are the owner's alone", async () => {
  const { path } = await opened()
  assert.is((await stat(path)).mode & 0o777, 0o600)
  assert.is((await stat(join(path, ".."))).mode & 0o777, 0o700)
})

test("answers commands one after the other, as the local owner", async () => {
  const { path, log, executed } = await opened()
  assert.equal(await callLocal(path, REQUESTS.status, 5000), { ok: true, result: "status" })
  const said = await talk(path, (socket) => socket.end(line(REQUESTS["policy.confirm"]) + line(REQUESTS.assess)))
  assert.is(said, line({ ok: true, result: "policy.confirm" }) + line({ ok: true, result: "assess" }))
  assert.equal(executed, ["status", "policy.confirm", "assess"])
  assert.ok(log.events.every((event) => event.subject === "local:owner"))
})

test("[CR 3.5] decides the same however the bytes arrive", async () => {
  const { path } = await opened()
  const bytes = new TextEncoder().encode(line(REQUESTS.status) + line({ command: "none" }) + line(REQUESTS.island))
  const whole = await talk(path, (socket) => socket.end(bytes))
  const codes = whole.trim().split("\n").map((text) => JSON.parse(text).code ?? "ok") // prettier-ignore
  assert.equal(codes, ["ok", "ERR_COMMAND_UNKNOWN", "ok"])
  for (let seed = 0; seed < 5; seed++) {
    const said = await talk(path, async (socket) => {
      for (const chunk of chunks(bytes, 20, seeded(seed))) await new Promise((sent) => socket.write(chunk, sent))
      socket.end()
    })
    assert.is(said.replace(/"entry":\d+/, ""), whole.replace(/"entry":\d+/, ""))
  }
})

test("[CR 3.5] [CR 3.7] a line that is no request is answered with its code, and the connection goes on", async () => {
  const { path, executed } = await opened()
  const lines = ["", "{", "null", "\u0000", `{"command":"status","as":"root"}`, JSON.stringify(REQUESTS.status)]
  const said = await talk(path, (socket) => socket.end(lines.join("\n") + "\n"))
  const answers = said.trim().split("\n").map((text) => JSON.parse(text)) // prettier-ignore
  assert.equal(answers.slice(0, 5).map(({ ok, code }) => ({ ok, code })), Array(5).fill(MALFORMED)) // prettier-ignore
  assert.equal(answers[5], { ok: true, result: "status" })
  assert.equal(executed, ["status"])
})

test("[CR 3.5] random bytes harm nothing and execute nothing", async () => {
  const { path, executed, log } = await opened()
  for (let seed = 0; seed < 20; seed++) {
    await talk(path, (socket) => socket.end(randomBytes(5000, seeded(seed))))
  }
  assert.equal(executed, [])
  assert.ok(log.events.length <= 2, "a flood is counted, not written line by line")
  assert.is((await callLocal(path, REQUESTS.status, 5000)).ok, true)
})

test("[CR 7.1] a line over 6 MiB ends the connection as soon as it is too long", async () => {
  const { path } = await opened()
  const part = Buffer.alloc(1024 * 1024, 0x61)
  let sent = 0
  const said = await talk(path, async (socket) => {
    for (; sent < 64 && !socket.destroyed; sent++) await new Promise((done) => socket.write(part, done))
  })
  assert.ok(sent < 16, `${sent} MiB were taken`)
  if (said !== "") assert.is(JSON.parse(said).code, "ERR_COMMAND_MALFORMED")
  assert.is((await callLocal(path, REQUESTS.status, 5000)).ok, true)
})

test("the largest bundle fits through", async () => {
  const { path } = await opened()
  const bundle = '"'.repeat(1024 * 1024) + "x".repeat(3 * 1024 * 1024)
  const answer = await callLocal(path, { command: "policy.activate", arguments: { bundle } }, 5000)
  assert.equal(answer, { ok: true, result: "policy.activate" })
})

test("[CR 7.1] a client that sends half a request is cut off after thirty seconds, and harms no other", async () => {
  const { path, clock, executed } = await opened()
  const half = talk(path, (socket) => socket.write(`{"command":"status"`))
  assert.is((await callLocal(path, REQUESTS.status, 5000)).ok, true)
  clock.advance(REQUEST_MS - 1)
  assert.is((await callLocal(path, REQUESTS.status, 5000)).ok, true)
  clock.advance(1)
  assert.is(await half, "")
  assert.is(executed.length, 2)
})

test("[CR 7.1] trickling bytes do not win more time", async () => {
  const { path, clock } = await opened()
  const slow = talk(path, async (socket) => {
    // Answered: so the connection before it was accepted, too, and its time runs.
    await callLocal(path, REQUESTS.status, 5000)
    for (let n = 0; n < 4; n++) {
      await new Promise((sent) => socket.write("x", sent))
      clock.advance(REQUEST_MS / 4)
    }
  })
  assert.is(await slow, "")
})

test("a command that takes long is not cut off", async () => {
  const door = await opened(() => {
    door.clock.advance(10 * REQUEST_MS)
    return new Promise((resolve) => setImmediate(resolve))
  })
  assert.is((await callLocal(door.path, REQUESTS["policy.activate"], 5000)).ok, true)
})

test("[CR 7.1] a client that does not read its answers is cut off, and gets no further command executed meanwhile", async () => {
  const big = "x".repeat(8 * 1024 * 1024)
  const log = new MemoryLog()
  const clock = new MemoryClock()
  const path = join(top, `door-${++number}`, "command.sock")
  let executed = 0
  const commands = { execute: async () => ({ ok: true as const, result: ++executed && big }) }
  const socket = createLocalSocket({ path, commands, clock, audit: log.audit })
  await socket.start()
  doors.push(socket)
  const client = connect(path)
  client.on("error", () => undefined)
  client.pause()
  client.write(line(REQUESTS.status).repeat(50))
  while (executed === 0) await new Promise((resolve) => setImmediate(resolve))
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.is(executed, 1)
  clock.advance(REQUEST_MS)
  const closed = new Promise((resolve) => client.once("close", resolve))
  client.resume()
  await closed
  assert.is(executed, 1)
})

test("[CR 7.1] more than eight connections are dropped, and a place that becomes free is used again", async () => {
  const { path } = await opened()
  const held = Array.from({ length: MAX_CONNECTIONS }, () => connect(path))
  await Promise.all(held.map((socket) => new Promise((resolve) => socket.once("connect", resolve))))
  await rejects(() => callLocal(path, REQUESTS.status, 5000), "ERR_GATEWAY_NO_ANSWER")
  for (const socket of held) socket.destroy()
  for (let tries = 0; ; tries++) {
    const answer = await callLocal(path, REQUESTS.status, 5000).catch(() => null)
    if (answer?.ok === true) break
    assert.ok(tries < 1000, "no place became free")
    await new Promise((resolve) => setImmediate(resolve))
  }
})

test("clients in parallel each get their own answer", async () => {
  const { path, executed } = await opened(() => new Promise((resolve) => setImmediate(resolve)))
  const ids = ["status", "policy.confirm", "island", "assess", "policy.rollback", "policy.activate"] as const
  const answers = await Promise.all(ids.map((id) => callLocal(path, REQUESTS[id], 5000)))
  assert.equal(answers, ids.map((result) => ({ ok: true, result }))) // prettier-ignore
  assert.is(executed.length, 6)
})

test("a client that hangs up while its command runs harms nothing; the command is carried out", async () => {
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  let reached: () => void = () => undefined
  const running = new Promise<void>((resolve) => (reached = resolve))
  const { path, log } = await opened((id) => {
    if (id !== "policy.confirm") return
    reached()
    return held
  })
  const client = connect(path)
  client.write(line(REQUESTS["policy.confirm"]))
  await running
  client.destroy()
  release()
  assert.is((await callLocal(path, REQUESTS.status, 5000)).ok, true)
  assert.ok(log.events.some((event) => event.id === "command.executed"))
})

test("stopping lets the command under way be answered, drops the idle, and removes the socket", async () => {
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  let reached: () => void = () => undefined
  const running = new Promise<void>((resolve) => (reached = resolve))
  const { path, socket } = await open(() => (reached(), held))
  const idle = talk(path, () => undefined)
  const asked = callLocal(path, REQUESTS["policy.confirm"], 5000)
  await running
  const stopped = socket.stop()
  assert.is(await idle, "")
  release()
  assert.is((await asked).ok, true)
  await stopped
  await rejects(() => callLocal(path, REQUESTS.status, 5000), "ERR_GATEWAY_NOT_RUNNING")
  assert.is(await stat(path).catch(() => null), null)
})

test("the socket of a gateway that died is replaced; that of one that lives is not", async () => {
  const { path } = await opened()
  await rejects(() => open(undefined, path), "ERR_GATEWAY_RUNNING")
  assert.is((await callLocal(path, REQUESTS.status, 5000)).ok, true)
  const dead = join(top, "dead", "command.sock")
  await mkdir(join(top, "dead"), { mode: 0o700 })
  await leaveDeadSocket(dead)
  await opened(undefined, dead)
  assert.is((await callLocal(dead, REQUESTS.status, 5000)).ok, true)
})

/** A socket file behind which nobody listens, as `kill -9` leaves it. */
async function leaveDeadSocket(path: string): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path + ".tmp", () => resolve()))
  const { rename } = await import("node:fs/promises")
  await rename(path + ".tmp", path)
  await new Promise((resolve) => server.close(resolve))
}

test("[CR 1.1] a folder that others may enter, another kind of file, and a path too long are refused", async () => {
  const wide = join(top, "wide")
  await mkdir(wide, { mode: 0o700 })
  await chmod(wide, 0o755)
  await rejects(() => open(undefined, join(wide, "command.sock")), "ERR_SOCKET_FOLDER")
  const linked = join(top, "linked")
  await symlink(join(top, "dead"), linked)
  await rejects(() => open(undefined, join(linked, "command.sock")), "ERR_SOCKET_FOLDER")
  const file = join(top, "dead", "file")
  await writeFile(file, "precious")
  await rejects(() => open(undefined, file), "ERR_SOCKET_PATH")
  await rejects(() => open(undefined, join(top, "x".repeat(120), "command.sock")), "ERR_SOCKET_PATH")
})

test("an invariant broken in a handler ends the process", async () => {
  const broken = new InvariantError("ERR_BROKEN", "ours")
  const { path } = await opened(() => {
    throw broken
  })
  const died = new Promise((resolve) => process.once("uncaughtException", resolve))
  await rejects(() => callLocal(path, REQUESTS.status, 5000), "ERR_GATEWAY_NO_ANSWER")
  assert.is(await died, broken)
})

test("the client tells a silent gateway, an interruption and a stranger's answer apart", async () => {
  const never = await opened(() => new Promise<void>((resolve) => void setTimeout(resolve, 200)))
  await rejects(() => callLocal(never.path, REQUESTS.status, 20), "ERR_GATEWAY_TIMEOUT")
  const abort = new AbortController()
  const call = callLocal(never.path, REQUESTS.status, 5000, abort.signal)
  abort.abort()
  await rejects(() => call, "ERR_INTERRUPTED")
  await rejects(() => callLocal(never.path, REQUESTS.status, 5000, abort.signal), "ERR_INTERRUPTED")
  await rejects(() => callLocal(join(top, "none.sock"), REQUESTS.status, 5000), "ERR_GATEWAY_NOT_RUNNING")
  for (const text of ["hello\n", `{"ok":false}\n`]) {
    const path = join(top, `strange-${++number}.sock`)
    const server = createServer((socket) => socket.end(text))
    await new Promise<void>((resolve) => server.listen(path, () => resolve()))
    await rejects(() => callLocal(path, REQUESTS.status, 5000), "ERR_ANSWER_MALFORMED")
    server.close()
  }
})

test.run()
