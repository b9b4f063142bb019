/** The island scene that the demo plays, against a stand-in for the gateway's command socket. */
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { makeCosignerKey, parseCosignerSecret } from "../../../firmware/audit/collect-key.ts"
import { nodeSha256 } from "../../../firmware/audit/note-functions.ts"
import { checkAgainstPolicy } from "../../../firmware/config/fit.ts"
import { parseGatewayConfig } from "../../../firmware/config/parse-gateway-config.ts"
import { playIsland } from "../../../firmware/demo/island-scene.ts"
import type { DemoPaths } from "../../../firmware/demo/material.ts"
import { DEMO_POLICY, demoBoardFile } from "../../../firmware/demo/policy-text.ts"
import { encodeNoteKey } from "../../../policy/audit/tlog/note.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"

const test = suite("firmware/demo/island-scene")
const folder = mkdtempSync(join(tmpdir(), "lockgate-island-"))
const paths = { commandSocket: join(folder, "command.sock") } as unknown as DemoPaths
test.after(() => rmSync(folder, { recursive: true }))

interface Asked {
  readonly command: string
  readonly arguments: Readonly<Record<string, string>>
}

/** A gateway as small as the scene needs it: the switch closes, only the command opens. */
async function standIn(ordered = false): Promise<{ server: Server; asked: string[] }> {
  const asked: string[] = []
  let [key, island] = ["run", ordered]
  const answer = ({ command, arguments: given }: Asked): object => {
    if (command === "status") {
      return {
        ok: true,
        result: {
          island,
          posture: { normal: island ? "closed" : "open" },
          conduits: [{ name: "drive", listening: island ? null : "127.0.0.1:802" }],
          lines: { inputs: [{ name: "key-switch", state: key }], outputs: [{ name: "island-relay", on: island }] },
        },
      }
    }
    asked.push([command, ...Object.values(given)].join(" "))
    if (command === "board.input") {
      key = given["state"] ?? ""
      island ||= key === "island"
    } else if (key === "island") return { ok: false, code: "ERR_COMMAND_STATE", entry: 1 }
    else island = false
    return { ok: true, result: {} }
  }
  const server = createServer((socket) => {
    let text = ""
    socket.on("data", (chunk) => {
      text += chunk.toString()
      if (text.endsWith("\n")) socket.end(`${JSON.stringify(answer(JSON.parse(text) as Asked))}\n`)
    })
  })
  await new Promise<void>((resolve) => server.listen(paths.commandSocket, resolve))
  return { server, asked }
}

async function played(gateway: { server: Server; asked: string[] }): Promise<readonly string[]> {
  const told: string[] = []
  await playIsland(paths, { afterMs: 0, heldMs: 0 }, (line) => told.push(line), new AbortController().signal)
  gateway.server.close()
  return told
}

test("[NDR 5.2 RE(2)] the demo's policy and board file agree on the key switch", () => {
  const policy = parsePolicy(DEMO_POLICY, "policy.yaml")
  const ports = { gatewayPort: 8883, brokerPort: 18_883, modbusPort: 8802, drivePort: 15_020 }
  const vkey = encodeNoteKey(nodeSha256, parseCosignerSecret(makeCosignerKey("log-server")).key)
  const board = parseGatewayConfig(demoBoardFile("gw", ports, vkey), "gateway.yaml", "/")
  assert.ok(policy.ok && board.ok)
  if (!policy.ok || !board.ok) return
  assert.equal(Object.values(checkAgainstPolicy(board.value, policy.value)).flat(), [])
})

test("turns the key, tries to lift too early, turns it back, lifts; and tells each from what the gateway answers", async () => {
  const gateway = await standIn()
  const told = await played(gateway)
  assert.equal(gateway.asked, [
    "board.input key-switch island",
    "island off",
    "board.input key-switch run",
    "island off",
  ])
  assert.is(told.length, 5)
  assert.match(told[0]!, /normal flows closed \d+ ms later/)
  assert.match(told[1]!, "island: drive shut, island-relay on; management goes on")
  assert.match(told[2]!, "refused, for the key says island")
  assert.match(told[3]!, "still an island")
  assert.match(told[4]!, "1 of 1 conduits open")
})

test("island mode that somebody ordered before is left in peace", async () => {
  const gateway = await standIn(true)
  assert.equal(await played(gateway), [])
  assert.equal(gateway.asked, [])
})

test("an end of the demo ends it without a word", async () => {
  const ending = new AbortController()
  const told: string[] = []
  const playing = playIsland(paths, { afterMs: 60_000, heldMs: 0 }, (line) => told.push(line), ending.signal)
  ending.abort()
  await playing
  assert.equal(told, [])
})

test.run()
