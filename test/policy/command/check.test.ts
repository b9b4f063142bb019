import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { checkRequest, isFailSafe, MAX_REQUEST_BYTES, parseRequest } from "../../../policy/command/check.ts"
import { COMMANDS } from "../../../policy/command/table.ts"
import type { CommandRow } from "../../../policy/command/table.ts"
import { InputError } from "../../../policy/base/errors.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/command/check")
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const VALID: Record<keyof typeof COMMANDS, unknown> = {
  status: {},
  "policy.activate": { bundle: "text", trialSeconds: 60 },
  "bundle.offer": { hash: "0".repeat(64), length: 1 },
  "bundle.chunk": { hash: "0".repeat(64), offset: 0, data: "eA==" },
  "policy.confirm": { version: 7 },
  "policy.rollback": {},
  island: { state: "on" },
  "recording.start": { minutes: 60 },
  "recording.stop": {},
  "recording.status": {},
  "recording.read": { offset: 0 },
  "override.start": { emergency: "fire", minutes: 480, reason: "smoke" },
  "override.end": { emergency: "fire" },
  "trust.status": {},
  "trust.reload": {},
  "trust.crl": { list: "text" },
  "tamper.clear": { reason: "looked at" },
  "board.input": { input: "key-switch", state: "run" },
  "access.grant": { conduit: "remote", minutes: 480, reason: "repair" },
  "access.end": { conduit: "remote" },
  "access.end-all": {},
  "conduit.restore": { conduit: "remote" },
  "alarm.list": {},
  "alarm.acknowledge": { alarm: "grave", note: "seen" },
  "audit.rotate-key": {},
  "time.nonce": {},
  "time.set": { statement: "text" },
  "account.list": {},
  "account.create": { name: "anna", roles: "viewer operator", key: "text", onToken: "no", expires: "never" },
  "account.change": { name: "anna", roles: "", enabled: "no", expires: "2027-01-01T00:00:00Z" },
  "account.remove": { name: "anna" },
  "account.key-add": { name: "anna", key: "text", onToken: "yes" },
  "account.key-remove": { name: "anna", thumbprint: "text" },
  "account.password": { password: "new", current: "old" },
  "account.password-set": { name: "anna", password: "new" },
  notice: {},
  "session.challenge": { account: "anna" },
  "session.open": { account: "anna", password: "secret", proof: "text" },
  "session.unlock": { password: "secret", proof: "text" },
  "session.close": {},
  "session.lock": {},
  "session.list": {},
  "session.end": { id: "0011" },
  "approval.list": {},
  "approval.needed": { command: "island" },
  "approval.give": { hash: "0".repeat(64) },
  "approval.withdraw": { hash: "0".repeat(64) },
  assess: {},
}

for (const [command, args] of Object.entries(VALID)) {
  test(`[CR 3.5] takes a valid ${command}`, () => {
    assert.equal(checkRequest({ command, arguments: args }), { command, arguments: args })
  })
  test(`[CR 3.5] refuses ${command} with an argument that its row does not name`, async () => {
    await rejects(() => checkRequest({ command, arguments: { ...(args as object), extra: 1 } }), "ERR_COMMAND_ARGUMENT")
    const proto = JSON.parse(`{"__proto__": 1}`)
    await rejects(() => checkRequest({ command, arguments: Object.assign(proto, args) }), "ERR_COMMAND_ARGUMENT")
  })
  for (const [name, kind] of Object.entries((COMMANDS as Record<string, CommandRow>)[command]!.arguments)) {
    test(`[CR 3.5] refuses ${command} without ${name}, unless that is optional`, async () => {
      const rest = Object.fromEntries(Object.entries(args as object).filter(([key]) => key !== name))
      if (kind.optional === true) assert.equal(checkRequest({ command, arguments: rest }).arguments, rest)
      else await rejects(() => checkRequest({ command, arguments: rest }), "ERR_COMMAND_ARGUMENT")
    })
  }
}

const REFUSED: readonly (readonly [what: string, request: unknown, code: string])[] = [
  ["null", null, "ERR_COMMAND_MALFORMED"],
  ["a list", [], "ERR_COMMAND_MALFORMED"],
  ["no command", { arguments: {} }, "ERR_COMMAND_MALFORMED"],
  ["a number as command", { command: 1, arguments: {} }, "ERR_COMMAND_MALFORMED"],
  ["a command that is not there", { command: "reboot", arguments: {} }, "ERR_COMMAND_UNKNOWN"],
  ["an inherited name", { command: "constructor", arguments: {} }, "ERR_COMMAND_UNKNOWN"],
  ["__proto__", { command: "__proto__", arguments: {} }, "ERR_COMMAND_UNKNOWN"],
  ["a command in other letters", { command: "Status", arguments: {} }, "ERR_COMMAND_UNKNOWN"],
  ["arguments in a list", { command: "status", arguments: [] }, "ERR_COMMAND_ARGUMENT"],
  ["null as arguments", { command: "status", arguments: null }, "ERR_COMMAND_ARGUMENT"],
  ["a version in words", { command: "policy.confirm", arguments: { version: "7" } }, "ERR_COMMAND_ARGUMENT"],
  ["half a version", { command: "policy.confirm", arguments: { version: 1.5 } }, "ERR_COMMAND_ARGUMENT"],
  ["version 0", { command: "policy.confirm", arguments: { version: 0 } }, "ERR_COMMAND_ARGUMENT"],
  ["a version above all", { command: "policy.confirm", arguments: { version: 2 ** 31 + 1 } }, "ERR_COMMAND_ARGUMENT"],
  ["NaN", { command: "policy.confirm", arguments: { version: NaN } }, "ERR_COMMAND_ARGUMENT"],
  ["a short trial", { command: "policy.activate", arguments: { bundle: "", trialSeconds: 4 } }, "ERR_COMMAND_ARGUMENT"],
  ["a word of no choice", { command: "island", arguments: { state: "ON" } }, "ERR_COMMAND_ARGUMENT"],
  ["a long bundle", { command: "policy.activate", arguments: { bundle: "x".repeat(4 * 1024 * 1024 + 1) } }, "ERR_COMMAND_ARGUMENT"],
] // prettier-ignore
for (const [what, request, code] of REFUSED) {
  test(`[CR 3.5] refuses ${what} with ${code}`, async () => {
    const error = await rejects(() => checkRequest(request), code)
    assert.is(error.kind, "input")
  })
}

test("only closing is fail-safe: the conduits, or what an override has opened", () => {
  const safe = Object.entries(VALID).filter(([command, args]) => isFailSafe(checkRequest({ command, arguments: args })))
  assert.equal(
    safe.map(([command]) => command),
    ["island", "override.end", "access.end", "access.end-all"],
  )
  assert.not(isFailSafe(checkRequest({ command: "island", arguments: { state: "off" } })))
})

test("parses a request, and takes absent arguments for none", () => {
  assert.equal(parseRequest(bytes(`{"command":"status"}`)), { command: "status", arguments: {} })
  assert.equal(parseRequest(bytes(`{"command":"x","arguments":null}`)), { command: "x", arguments: null })
})

const MALFORMED = ["", "null", "[]", "7", "{", `{"command":7}`, `{"arguments":{}}`, `{"command":"a","as":"root"}`]
for (const text of [...MALFORMED, `\uFEFF{"command":"status"}`]) {
  test(`[CR 3.5] refuses the line ${JSON.stringify(text)}`, () =>
    rejects(() => parseRequest(bytes(text)), "ERR_COMMAND_MALFORMED").then(() => undefined))
}

test("[CR 3.5] refuses a request over 6 MiB and bytes that are no UTF-8", async () => {
  await rejects(() => parseRequest(new Uint8Array(MAX_REQUEST_BYTES + 1).fill(0x20)), "ERR_COMMAND_MALFORMED")
  await rejects(() => parseRequest(Uint8Array.of(0x22, 0xff, 0x22)), "ERR_COMMAND_MALFORMED")
})

/** Nothing but an `input` error, whatever comes. */
function survives(line: Uint8Array): void {
  try {
    checkRequest(parseRequest(line))
  } catch (error) {
    assert.ok(error instanceof InputError, String(error))
  }
}

test("[CR 3.5] truncations, bit flips and random values raise nothing but an input error", () => {
  const line = bytes(`{"command":"policy.activate","arguments":{"bundle":"{\\"payload\\":1}","trialSeconds":60}}`)
  for (const cut of truncations(line)) survives(cut)
  for (const flipped of bitFlips(line)) survives(flipped)
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(COMMANDS)), (value, command) => {
      survives(bytes(JSON.stringify(value)))
      survives(bytes(JSON.stringify({ command, arguments: value })))
    }),
    { numRuns: 300 },
  )
})

test.run()
