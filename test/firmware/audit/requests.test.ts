import { createHash } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openKeptRequests, readKeptRequest, type KeptRequests } from "../../../firmware/audit/requests.ts"
import { parseOrder } from "../../../firmware/audit/request-order.ts"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import type { FaultPlan, Landed, Unsynced } from "../../../hal/memory/fault-plan.ts"
import { parseRequest } from "../../../policy/command/check.ts"
import type { CommandAnswer, Principal } from "../../../policy/command/port.ts"
import { COMMANDS, holdsSecret, type ArgumentKind, type CommandRow } from "../../../policy/command/table.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { tellStorm } from "../../storm/figures.ts"
import { allEntries, openTestLog } from "../../support/audit.ts"
import { MemoryLog, recordingHandlers } from "../../support/commands.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/audit/requests")
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const sha256 = (given: Uint8Array): string => createHash("sha256").update(given).digest("hex")
const OWNER: Principal = { name: "anna", permissions: ["read", "policy", "island", "access", "assess"], via: "local" }
const BOUNDS = { change: { count: 8, bytes: 400 }, reading: { count: 4, bytes: 400 } }

interface Opened {
  readonly requests: KeptRequests
  readonly storage: MemoryStorage
  readonly events: AuditEvent[]
  readonly log: { size: number }
}

async function opened(storage = new MemoryStorage(), log = { size: 0 }): Promise<Opened> {
  const events: AuditEvent[] = []
  const audit = async (event: AuditEvent): Promise<number> => events.push(event)
  const requests = await openKeptRequests({ storage, audit, logSize: () => log.size, bounds: BOUNDS })
  return { requests, storage, events, log }
}

const kept = async (storage: MemoryStorage): Promise<readonly string[]> =>
  (await storage.list("audit/requests")).filter((name) => name !== "order")

test("[CR 2.12] a request is kept to the byte under its SHA-256, and comes back so", async () => {
  const { requests, storage } = await opened()
  const odd = bytes('  {"command" :\t"island","arguments":{"state":"on"}}\r')
  await requests.keep(odd, "change")
  assert.equal(await kept(storage), [sha256(odd)])
  assert.equal(await readKeptRequest(storage, sha256(odd)), odd)
  assert.is(await readKeptRequest(storage, sha256(bytes("another"))), null)
  await storage.write(`audit/requests/${sha256(odd)}`, bytes("forged"))
  await rejects(() => readKeptRequest(storage, sha256(odd)), "ERR_REQUEST_DAMAGED")
})

test("[CR 2.12] at the bound the oldest go, an eighth at a time, with an entry that says so; of their kind alone", async () => {
  const { requests, storage, events } = await opened()
  for (let k = 0; k < 4; k++) (await requests.keep(bytes(`look ${k}`), "reading"))()
  for (let k = 0; k < 9; k++) (await requests.keep(bytes(`do ${k}`), "change"))()
  const names = await kept(storage)
  assert.not(names.includes(sha256(bytes("do 0"))))
  for (let k = 1; k < 9; k++) assert.ok(names.includes(sha256(bytes(`do ${k}`))), `do ${k}`)
  for (let k = 0; k < 4; k++) assert.ok(names.includes(sha256(bytes(`look ${k}`))), `look ${k}`)
  const [told] = events
  assert.is(events.length, 1)
  assert.equal([told?.id, told?.reason, told?.count], ["audit.requests-dropped", "full", 1])
  assert.equal(told?.detail, { bytes: 4, first: sha256(bytes("do 0")), kind: "change" })
  assert.equal(requests.held, { count: 12, bytes: 4 * 6 + 8 * 4 })
})

test("[CR 2.12] bytes are bounded too; what a command under way needs stays, and one that finds no room is refused", async () => {
  const { requests, storage } = await opened()
  const big = (name: string): Uint8Array => bytes(name.padEnd(180, "."))
  const release = await requests.keep(big("first"), "change")
  ;(await requests.keep(big("second"), "change"))()
  ;(await requests.keep(big("third"), "change"))()
  assert.ok(await readKeptRequest(storage, sha256(big("first"))), "it is under way")
  assert.is(await readKeptRequest(storage, sha256(big("second"))), null)
  await requests.keep(big("fourth"), "change")
  await rejects(() => requests.keep(big("fifth"), "change"), "ERR_REQUESTS_FULL")
  release()
  release()
  await requests.keep(big("sixth"), "change")
  assert.is(await readKeptRequest(storage, sha256(big("first"))), null)
})

test("[CR 2.12] the same bytes again are one request, and the newest", async () => {
  const { requests, storage } = await opened()
  for (const name of ["a", "b", "a"]) (await requests.keep(bytes(name), "change"))()
  assert.is((await kept(storage)).length, 2)
  const order = parseOrder((await storage.read("audit/requests/order")) ?? new Uint8Array())
  assert.equal(order.kept.map(({ hash }) => hash), [sha256(bytes("b")), sha256(bytes("a"))]) // prettier-ignore
})

test("[CR 2.12] requests go with the entries that name them, and with no other, restarts included", async () => {
  const first = await opened(new MemoryStorage(), { size: 10 })
  const early = await first.requests.keep(bytes("early"), "change")
  first.log.size = 12
  early()
  await first.requests.keep(bytes("under way"), "change")
  await first.requests.dropBelow(11)
  assert.is((await kept(first.storage)).length, 2)
  await first.requests.dropBelow(12)
  assert.equal(await kept(first.storage), [sha256(bytes("under way"))])
  assert.equal([first.events[0]?.id, first.events[0]?.reason], ["audit.requests-dropped", "log"])
  // Killed: whatever was under way named no entry from 20 on.
  const second = await opened(first.storage.processKill(), { size: 20 })
  await second.requests.dropBelow(19)
  assert.is((await kept(second.storage)).length, 1)
  await second.requests.close()
  const third = await opened(second.storage.processKill(), { size: 500 })
  await third.requests.dropBelow(20)
  assert.is((await kept(third.storage)).length, 0)
})

test("[CR 2.12] a kept request that a hand removed is an alarm at the next start; one without a line is taken in", async () => {
  const { requests, storage } = await opened()
  await requests.keep(bytes("gone"), "change")
  await storage.remove(`audit/requests/${sha256(bytes("gone"))}`)
  await storage.write(`audit/requests/${sha256(bytes("found"))}`, bytes("found"))
  await requests.close()
  const next = await opened(storage.processKill())
  assert.equal(next.events.map(({ id, count }) => [id, count]), [["audit.requests-damaged", 1]]) // prettier-ignore
  assert.equal(next.requests.held, { count: 1, bytes: 5 })
  assert.equal((await opened(storage.processKill())).events, [])
})

test("[CR 2.10] a disk that fails refuses, and the next request finds everything in order", async () => {
  const { requests, storage } = await opened()
  await requests.keep(bytes("one"), "change")
  for (const step of ["write", "sync", "rename"] as const) {
    storage.fail({ step, errno: "ENOSPC", path: "audit/requests", times: 9 })
    await rejects(() => requests.keep(bytes(`during ${step}`), "change"), "ERR_IO")
    storage.heal()
    await requests.keep(bytes(`after ${step}`), "change")
  }
  const next = await opened(storage.powerCut())
  assert.equal(next.events, [])
  for (const name of ["one", "after write", "after sync", "after rename"]) {
    assert.equal(await readKeptRequest(next.storage, sha256(bytes(name))), bytes(name), name)
  }
})

test("an order file of whatever bytes opens", async () => {
  const storage = new MemoryStorage()
  await storage.write(
    "audit/requests/order",
    bytes(`${"0".repeat(64)} 5 change\n\u0000 gone\n${"1".repeat(64)} 5 chan`),
  )
  assert.equal((await opened(storage)).events, [])
})

const REQUEST = bytes('{ "command":"access.grant", "arguments":{"conduit":"remote","minutes":5,"reason":"pump 3"}}')

async function give(
  received: Uint8Array,
  more: { fail?: boolean; principal?: Principal; act?: () => unknown } = {},
): Promise<{ answer: CommandAnswer; log: MemoryLog; executed: string[]; storage: MemoryStorage }> {
  const { requests, storage } = await opened()
  const [log, executed] = [new MemoryLog(), [] as string[]]
  const port = createManagement({ handlers: recordingHandlers(executed, more.act), audit: log.audit, requests })
  if (more.fail === true) storage.fail({ step: "write", errno: "EIO", path: "audit/requests", times: 99 })
  const answer = await port.execute(more.principal ?? OWNER, parseRequest(received), received)
  storage.heal()
  return { answer, log, executed, storage }
}

test("[CR 2.12] every entry of a person's command bears the hash of the request as it was received, which is kept", async () => {
  const { answer, log, storage } = await give(REQUEST)
  assert.is(answer.ok, true)
  assert.equal(log.events.map(({ id, subject, request }) => [id, subject, request]), [
    ["command.accepted", "anna", sha256(REQUEST)],
    ["command.executed", "anna", sha256(REQUEST)],
  ]) // prettier-ignore
  assert.equal(await readKeptRequest(storage, sha256(REQUEST)), REQUEST)
})

test("[CR 2.12] a change whose request cannot be kept is not executed, and the log says why", async () => {
  const { answer, log, executed } = await give(REQUEST, { fail: true })
  assert.equal(answer, { ok: false, code: "ERR_COMMAND_FAILED", entry: 0 })
  assert.equal(executed, [])
  assert.equal(log.events.map(({ id, reason, request }) => [id, reason, request]), [
    ["command.refused", "ERR_REQUEST_NOT_KEPT", sha256(REQUEST)],
  ]) // prettier-ignore
})

test("[NDR 5.2 RE(2)] what is fail-safe, and reading, does not wait for the disk; the entry says that nothing was kept", async () => {
  for (const text of ['{"command":"island","arguments":{"state":"on"}}', '{"command":"trust.status"}']) {
    const { answer, log, executed } = await give(bytes(text), { fail: true })
    assert.is(answer.ok, true)
    assert.is(executed.length, 1)
    assert.equal([log.events[0]?.detail?.["kept"], log.events[0]?.request], [false, sha256(bytes(text))])
    const healthy = await give(bytes(text))
    assert.equal([healthy.log.events[0]?.detail?.["kept"], (await kept(healthy.storage)).length], [undefined, 1])
  }
})

test("[CR 2.12] what is refused leaves its hash and no bytes, so that nobody can push out what was done", async () => {
  const { log, storage } = await give(REQUEST, { principal: { ...OWNER, permissions: ["read"] } })
  assert.equal([log.events[0]?.id, log.events[0]?.request], ["command.refused", sha256(REQUEST)])
  assert.equal(await kept(storage), [])
})

test("[CR 2.12, CR 4.1] an argument named like a secret must say whether it is one, and a secret leaves neither bytes nor hash", () => {
  const like = /pass|secret|token|credential|private|\bpin\b|^pin|key|seed|otp/i
  const silent = (rows: Readonly<Record<string, CommandRow>>): string[] =>
    Object.entries(rows).flatMap(([id, row]) =>
      Object.entries(row.arguments)
        .filter(([name, kind]: [string, ArgumentKind]) => like.test(name) && kind.secret === undefined)
        .map(([name]) => `${id} ${name}`),
    )
  assert.equal(silent(COMMANDS), [])
  const row = (secret?: boolean): CommandRow => ({
    summary: "",
    permission: "policy",
    changes: true,
    arguments: { password: { kind: "string", maxLength: 9, ...(secret === undefined ? {} : { secret }) } },
  })
  assert.equal(silent({ "user.add": row() }), ["user.add password"])
  assert.equal(silent({ "user.add": row(false) }), [])
  assert.is(holdsSecret(row(true), { password: "x" }), true)
  assert.is(holdsSecret(row(true), {}), false)
  assert.is(holdsSecret(row(false), { password: "x" }), false)
})

const LANDED: readonly Landed[] = ["none", "all", "zeros", { prefix: 40 }]
const UNSYNCED: readonly Unsynced[] = ["kept", "lost", { subset: 3 }]

/** Three commands, each of which writes what it did; ends when power goes. */
async function threeCommands(storage: MemoryStorage): Promise<void> {
  try {
    const log = await openTestLog(storage)
    const audit = (event: AuditEvent): Promise<number> => log.append(event)
    const requests = await openKeptRequests({ storage, audit, logSize: () => log.size, bounds: { ...BOUNDS, change: { count: 2, bytes: 400 } } }) // prettier-ignore
    let done = 0
    const act = (): Promise<void> => storage.write("done", bytes(String(++done)))
    const port = createManagement({ handlers: recordingHandlers([], act), audit, requests }) // prettier-ignore
    for (let k = 1; k <= 3; k++) await port.execute(OWNER, parseRequest(nth(k)), nth(k))
    await requests.close()
    await log.close()
  } catch {
    // Power is gone.
  }
}

const nth = (k: number): Uint8Array => bytes(`{"command":"policy.confirm","arguments":{"version":${k}}}`)

test("[CR 2.12] power cut (model) at every step: what was done is in the log, and its request is there to the byte", async () => {
  const whole = new MemoryStorage()
  await threeCommands(whole)
  let [cuts, executed] = [0, 0]
  for (let cutAt = 1; cutAt <= whole.steps; cutAt++) {
    for (const landed of LANDED) {
      for (const unsynced of UNSYNCED) {
        const plan: FaultPlan = { cutAt, landed, unsynced }
        const told = JSON.stringify(plan)
        const storage = new MemoryStorage()
        storage.plan = plan
        await threeCommands(storage)
        const found = storage.powerCut()
        const done = Number(new TextDecoder().decode((await found.read("done")) ?? new Uint8Array()))
        const log = await openTestLog(found)
        const entries = await allEntries(log)
        const next = await opened(found, log)
        assert.not(
          next.events.some(({ id }) => id === "audit.requests-damaged"),
          `a false alarm ${told}`,
        )
        const accepted = entries.filter(({ event }) => event === "command.accepted").map(({ request }) => request)
        for (let k = 1; k <= done; k++) assert.is(accepted[k - 1], sha256(nth(k)), `${k} of ${done} ${told}`)
        const dropped = [...entries.map(({ event }) => event), ...next.events.map(({ id }) => id)].filter((id) => id === "audit.requests-dropped").length // prettier-ignore
        for (let k = 1 + Math.max(dropped, accepted.length - 2); k <= accepted.length; k++) {
          assert.equal(await readKeptRequest(found, sha256(nth(k))), nth(k), `request ${k} ${told}`)
        }
        cuts++
        executed += done
      }
    }
  }
  tellStorm("power cut (model)", "requests of people: kept, executed, logged", { cuts, executed })
  assert.ok(cuts > 300 && executed > 200, `${cuts} cuts, ${executed} executed`)
})

test.run()
