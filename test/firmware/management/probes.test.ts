import { existsSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { CONTROLS } from "../../../firmware/management/controls.ts"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { commandAuthorisation, commandErrorCodes } from "../../../firmware/management/probes.ts"
import { checkRequest } from "../../../policy/command/check.ts"
import type { CommandPort } from "../../../policy/command/port.ts"
import { MemoryLog, recordingHandlers } from "../../support/commands.ts"

const test = suite("firmware/management/probes")
const probes = [commandAuthorisation, commandErrorCodes]

function real(executed: string[]): CommandPort {
  return createManagement({ handlers: recordingHandlers(executed), audit: new MemoryLog().audit })
}

test("[CR 2.1] [CR 3.7] the probes pass on the real door and execute nothing", async () => {
  const executed: string[] = []
  for (const probe of probes) assert.is((await probe.run({ commands: real(executed) })).outcome, "passed")
  assert.equal(executed, [])
})

test("[CR 2.1] a door that does not authorise is found", async () => {
  const handlers = recordingHandlers([])
  const broken: CommandPort = {
    async execute(_, request) {
      const checked = checkRequest(request)
      return { ok: true, result: await handlers[checked.command](checked.arguments as never, null as never) }
    },
  }
  const result = await commandAuthorisation.run({ commands: broken })
  assert.equal(result, { outcome: "failed", expected: "ERR_NOT_AUTHENTICATED for status by nobody", seen: "executed" })
})

test("[CR 2.1] a door that authorises everybody who is somebody is found", async () => {
  const door = real([])
  const all = { name: "x", permissions: ["read", "policy", "island", "assess"], via: "local" } as const
  const broken: CommandPort = { execute: (principal, request) => door.execute(principal && all, request) }
  const result = await commandAuthorisation.run({ commands: broken })
  assert.is(result.outcome, "failed")
})

test("[CR 3.7] a door that explains itself is found", async () => {
  const door = real([])
  const chatty: CommandPort = {
    async execute(principal, request) {
      return { ...(await door.execute(principal, request)), message: "no such user at /etc/passwd:3" }
    },
  }
  assert.is((await commandErrorCodes.run({ commands: chatty })).outcome, "failed")
})

test("every control names files that are there and probes that exist", () => {
  const ids = probes.map((probe) => probe.id)
  for (const control of CONTROLS) {
    for (const file of control.enforcedIn) assert.ok(existsSync(new URL(`../../../${file}`, import.meta.url)), file)
    assert.ok(control.probes.length > 0 && control.probes.every((id) => ids.includes(id)))
  }
})

test.run()
