import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { HardwareError, InputError, IntegrityError, InvariantError, StateError } from "../../../policy/base/errors.ts"
import { ALL_PERMISSIONS as ALL, OWN } from "../../../policy/command/permission.ts"
import type { CommandAnswer, CommandPort, Principal } from "../../../policy/command/port.ts"
import { COMMANDS, type CommandRow } from "../../../policy/command/table.ts"
import { IDS, MemoryLog, recordingHandlers, REQUESTS } from "../../support/commands.ts"

const test = suite("firmware/management/pipeline")
const owner: Principal = { name: "local:owner", permissions: ALL, via: "local" }

function made(act?: (id: string) => unknown): { port: CommandPort; log: MemoryLog; executed: string[] } {
  const log = new MemoryLog()
  const executed: string[] = []
  return { port: createManagement({ handlers: recordingHandlers(executed, act), audit: log.audit }), log, executed }
}
const short = (log: MemoryLog): unknown[] => log.events.map(({ id, outcome, reason }) => [id, outcome, reason])

test("[CR 2.1] every command is executed under exactly its own permission: all commands by all sets of permissions", async () => {
  for (const id of IDS) {
    for (let set = 0; set < 2 ** ALL.length; set++) {
      const { port, executed, log } = made()
      const permissions = ALL.filter((_, bit) => (set >> bit) & 1)
      const answer = await port.execute({ ...owner, permissions }, REQUESTS[id])
      const { permission } = COMMANDS[id]
      // The owner of the machine is no person: a command about one's own is not theirs.
      const may = permission === null || (permission !== OWN && permissions.includes(permission))
      assert.equal(executed, may ? [id] : [])
      if (may) assert.equal(answer, { ok: true, result: id })
      else assert.equal(answer, { ok: false, code: "ERR_NOT_PERMITTED", entry: 0 })
      const row: CommandRow = COMMANDS[id]
      if (may && row.quiet === true) assert.equal(log.events, [])
      else assert.is(log.events[0]!.subject, "local:owner")
    }
  }
})

test("[CR 2.1] nobody may give any command, and no claim in the request changes that", async () => {
  for (const id of IDS) {
    const { port, executed, log } = made()
    const claims = { ...REQUESTS[id], principal: owner, permissions: ALL } as (typeof REQUESTS)[typeof id]
    assert.equal(await port.execute(null, claims), { ok: false, code: "ERR_NOT_AUTHENTICATED", entry: 0 })
    assert.equal(executed, [])
    assert.equal([log.events[0]!.id, log.events[0]!.subject, log.events[0]!.object], ["command.refused", null, id])
  }
})

test("[CR 2.8] a change is in the log before it is executed, and with old and new value before it is answered", async () => {
  const seen: number[] = []
  const { port, log } = made(() => seen.push(log.events.length))
  await port.execute(owner, REQUESTS["policy.confirm"])
  assert.equal(seen, [1])
  assert.equal(short(log), [["command.accepted", "success", undefined], ["command.executed", "success", undefined]]) // prettier-ignore
  assert.equal(log.events[1]!.detail, { via: "local", before: 1, after: 2 })
  assert.equal([log.events[1]!.subject, log.events[1]!.object], ["local:owner", "policy.confirm"])
})

test("[CR 2.8] a command that reads leaves one entry; what a live view asks every second leaves none", async () => {
  const { port, log } = made()
  await port.execute(owner, REQUESTS.status)
  await port.execute(owner, REQUESTS.assess)
  assert.equal(short(log), [["command.read", "success", undefined]])
})

test("[CR 3.5] requests that do not fit the table are refused with their code, logged, and not executed", async () => {
  const cases: readonly (readonly [unknown, string, string])[] = [
    [null, "ERR_COMMAND_MALFORMED", "?"],
    [{ command: 7, arguments: {} }, "ERR_COMMAND_MALFORMED", "?"],
    [{ command: "reboot", arguments: {} }, "ERR_COMMAND_UNKNOWN", "reboot"],
    [{ command: "a\n\u001b[31m" + "x".repeat(100), arguments: {} }, "ERR_COMMAND_UNKNOWN", "a??[31m" + "x".repeat(57)],
    [{ command: "status", arguments: { x: 1 } }, "ERR_COMMAND_ARGUMENT", "status"],
  ]
  for (const [request, code, object] of cases) {
    const { port, log, executed } = made()
    assert.equal(await port.execute(owner, request as never), { ok: false, code, entry: 0 })
    assert.equal(executed, [])
    assert.equal([log.events[0]!.reason, log.events[0]!.object], [code, object])
  }
})

const secret = "-----BEGIN PRIVATE KEY-----"
const FAILURES: readonly (readonly [what: string, error: unknown, code: string, reason: string])[] = [
  ["a refused policy", new InputError("ERR_POLICY_REFUSED", secret, { detail: { reason: "ERR_BUNDLE_VERSION" } }), "ERR_POLICY_REFUSED", "ERR_BUNDLE_VERSION"],
  ["a wrong value", new InputError("ERR_SOMETHING", secret), "ERR_COMMAND_ARGUMENT", "ERR_SOMETHING"],
  ["a wrong moment", new StateError("ERR_NO_TRIAL", secret), "ERR_COMMAND_STATE", "ERR_NO_TRIAL"],
  ["damage", new IntegrityError("ERR_KEY_DAMAGED", secret), "ERR_COMMAND_FAILED", "ERR_KEY_DAMAGED"],
  ["a dead disk", new HardwareError("ERR_IO", secret), "ERR_COMMAND_FAILED", "ERR_IO"],
  ["a fault of ours", new TypeError(secret), "ERR_COMMAND_FAILED", "ERR_UNEXPECTED"],
  ["no error at all", secret, "ERR_COMMAND_FAILED", "ERR_UNEXPECTED"],
] // prettier-ignore
for (const [what, error, code, reason] of FAILURES) {
  test(`[CR 3.7] ${what} is answered with ${code} alone, and logged with ${reason}`, async () => {
    const { port, log } = made(() => {
      throw error
    })
    assert.equal(await port.execute(owner, REQUESTS["policy.rollback"]), { ok: false, code, entry: 1 })
    assert.equal(short(log)[1], ["command.executed", "failure", reason])
    assert.equal(await port.execute(owner, REQUESTS.status), { ok: false, code, entry: 2 })
  })
}

test("[CR 3.7] of an error that is not ours the log holds its name and place, not its text", async () => {
  const { port, log } = made(() => {
    throw new TypeError(secret)
  })
  await port.execute(owner, REQUESTS.status)
  const { detail } = log.events[0]!
  assert.is(detail!["error"], "TypeError")
  assert.match(String(detail!["at"]), /^pipeline\.test\.ts:\d+:\d+$/)
  assert.not(JSON.stringify(log.events).includes(secret))
})

test("an invariant goes through, to end the process", async () => {
  const broken = new InvariantError("ERR_BROKEN", "ours")
  const { port } = made(() => {
    throw broken
  })
  assert.is(await port.execute(owner, REQUESTS.status).catch((e: unknown) => e), broken)
})

test("[CR 2.10] while the log is down no change is executed, but for island on and the end of an override; reading is answered", async () => {
  for (const id of IDS) {
    const { port, log, executed } = made()
    log.failsFrom = 0
    const person = { account: "1", factors: ["key"], keys: [] } as const
    const answer = await port.execute({ ...owner, person }, REQUESTS[id])
    const works = !COMMANDS[id].changes || ["island", "override.end", "access.end", "access.end-all"].includes(id)
    assert.equal(executed, works ? [id] : [], id)
    assert.equal(answer, works ? { ok: true, result: id } : { ok: false, code: "ERR_COMMAND_FAILED", entry: null })
  }
  const { port, log, executed } = made()
  log.failsFrom = 0
  const off = { command: "island", arguments: { state: "off" } }
  assert.equal(await port.execute(owner, off), { ok: false, code: "ERR_COMMAND_FAILED", entry: null })
  assert.equal(executed, [])
})

test("[NDR 5.2 RE(2)] island on is executed before anything is written", async () => {
  const seen: number[] = []
  const { port, log } = made(() => seen.push(log.events.length))
  await port.execute(owner, REQUESTS.island)
  assert.equal(seen, [0])
  assert.equal(short(log), [["command.executed", "success", undefined]])
})

test("[CR 2.10] a change whose outcome cannot be logged is not answered as done, and names the entry that it has", async () => {
  const { port, log } = made()
  log.failsFrom = 1
  const answer = await port.execute(owner, REQUESTS["policy.confirm"])
  assert.equal(answer, { ok: false, code: "ERR_COMMAND_FAILED", entry: 0 })
})

test("[CR 3.5] whatever is asked, the answer is a result or a bare code, and nothing is thrown", async () => {
  const { port } = made()
  const names = fc.oneof(fc.constantFrom(...IDS), fc.string())
  await fc.assert(
    fc.asyncProperty(names, fc.jsonValue(), fc.boolean(), async (command, args, known) => {
      const answer: CommandAnswer = await port.execute(known ? owner : null, { command, arguments: args })
      if (!answer.ok) assert.equal(Object.keys(answer).sort(), ["code", "entry", "ok"])
    }),
    { numRuns: 200 },
  )
})

test.run()
