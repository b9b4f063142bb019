/** The policy change that the demo plays, against a stand-in for the gateway's command socket. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { readStatement } from "../../../firmware/bundles/sign.ts"
import { prepareDemo, type DemoPaths } from "../../../firmware/demo/material.ts"
import { playPolicyChange } from "../../../firmware/demo/policy-change.ts"
import { DEMO_POLICY, withMistake } from "../../../firmware/demo/policy-text.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { freePorts } from "../../peers/ports.ts"

const test = suite("firmware/demo/policy-change")
const folder = mkdtempSync(join(tmpdir(), "lockgate-change-"))
let paths: DemoPaths
test.before(async () => {
  const [gatewayPort, brokerPort] = await freePorts(2)
  paths = await prepareDemo(folder, { gatewayPort: gatewayPort!, brokerPort: brokerPort! })
})
test.after(() => rmSync(folder, { recursive: true }))

interface Asked {
  readonly command: string
  readonly arguments: { readonly bundle?: string; readonly trialSeconds?: number }
}

/** Answers `status` with one of `states` after another (the last for ever) and says yes to all else. */
async function standIn(states: readonly object[]): Promise<{ server: Server; asked: Asked[] }> {
  const asked: Asked[] = []
  let at = 0
  const server = createServer((socket) => {
    let text = ""
    socket.on("data", (chunk) => {
      text += chunk.toString()
      if (!text.endsWith("\n")) return
      const request = JSON.parse(text) as Asked
      const policy = states[Math.min(at, states.length - 1)]
      if (request.command === "status") at++
      else asked.push(request)
      socket.end(`${JSON.stringify({ ok: true, result: request.command === "status" ? { policy } : {} })}\n`)
    })
  })
  await new Promise<void>((resolve) => server.listen(paths.commandSocket, resolve))
  return { server, asked }
}

const none = { trial: null, highest: 4 }
const confirmed = { ...none, inForce: { version: 1 } }
const trying = { inForce: { version: 5 }, trial: { version: 5 }, highest: 5 }

test("the mistake is a policy without a fault that lets no sensor report", () => {
  const changed = parsePolicy(withMistake(DEMO_POLICY)!, "changed")
  assert.ok(changed.ok)
  const topics = changed.value.rules.flatMap((rule) => (rule.protocol === "mqtt" ? rule.topics : []))
  assert.not.ok(topics.includes("plant/%u/telemetry"))
  assert.is(withMistake("lockgate-policy: 1"), null)
})

test("puts the mistake on trial under the next number, and tells when the old policy came back", async () => {
  const { server, asked } = await standIn([confirmed, trying, { ...confirmed, highest: 5 }])
  const told: string[] = []
  await playPolicyChange(
    paths,
    { afterMs: 0, trialSeconds: 7 },
    (line) => told.push(line),
    new AbortController().signal,
  )
  server.close()
  assert.is(asked.length, 1)
  assert.is(asked[0]!.arguments.trialSeconds, 7)
  const statement = readStatement(asked[0]!.arguments.bundle!)
  assert.is(statement.version, 5)
  assert.is(statement.policy, withMistake(DEMO_POLICY))
  assert.is(told.length, 2)
  assert.match(told[1]!, "policy 1 came back by itself")
})

test("leaves a gateway alone that has another policy on trial, and a reader who changed the policy", async () => {
  const signal = new AbortController().signal
  const { server, asked } = await standIn([trying])
  const told: string[] = []
  await playPolicyChange(paths, { afterMs: 0, trialSeconds: 7 }, (line) => told.push(line), signal)
  writeFileSync(paths.policy, "# mine\n")
  await playPolicyChange(paths, { afterMs: 0, trialSeconds: 7 }, (line) => told.push(line), signal)
  writeFileSync(paths.policy, DEMO_POLICY)
  server.close()
  assert.equal([asked.length, told], [0, []])
})

test("an end of the demo while it waits ends it without a word", async () => {
  const ending = new AbortController()
  const told: string[] = []
  const playing = playPolicyChange(
    paths,
    { afterMs: 60_000, trialSeconds: 7 },
    (line) => told.push(line),
    ending.signal,
  )
  ending.abort()
  await playing
  assert.equal(told, [])
})

test.run()
