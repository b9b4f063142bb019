import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parseCosignerSecret } from "../../../firmware/audit/collect-key.ts"
import { nodeSha256 } from "../../../firmware/audit/note-functions.ts"
import type { CosignerStatus } from "../../../firmware/audit/witnessed.ts"
import { readGatewayConfig } from "../../../firmware/config/read-gateway-config.ts"
import { witnessHint } from "../../../firmware/demo/hints.ts"
import { prepareDemo } from "../../../firmware/demo/material.ts"
import { startWitness, witnessedWords, witnessStory } from "../../../firmware/demo/witness-scene.ts"
import type { StatusReport } from "../../../firmware/management/status-report.ts"
import { encodeNoteKey } from "../../../policy/audit/tlog/note.ts"

const test = suite("firmware/demo/witness-scene")
const folder = mkdtempSync(join(tmpdir(), "lockgate-witness-scene-"))
test.after(() => rmSync(folder, { recursive: true }))

const by: CosignerStatus = {
  ...{ name: "log-server", kind: "witness", size: null, at: null, behind: 12 },
  ...{ silent: false, putBack: false, refused: null },
}
const status = (...of: readonly CosignerStatus[]): StatusReport =>
  ({ audit: { witnesses: { by: of, of: [] } } }) as unknown as StatusReport

test("[CR 3.9] the board file names the key that the witness has, and nothing starts before the log has one", async () => {
  const paths = await prepareDemo(join(folder, "demo"))
  const board = await readGatewayConfig(paths.gatewayConfig)
  if (!board.ok) throw new Error(JSON.stringify(board))
  const { key } = parseCosignerSecret(readFileSync(paths.witness.cosignerKey, "utf8"))
  const named = board.value.audit.witnesses.map((one) => encodeNoteKey(nodeSha256, one))
  assert.equal(named, [encodeNoteKey(nodeSha256, key)])
  assert.is(await startWitness(paths), null)
  assert.is(
    witnessHint(paths, "the+key", folder),
    "npx --no-install lockgate audit verify demo/log-server/store/logs/demo-gateway --key the+key",
  )
})

test("tells of the witness what the gateway has verified, and nothing before", () => {
  const nothing = { audit: {} } as unknown as StatusReport
  for (const none of [nothing, status(), status(by)])
    assert.equal([witnessedWords(none), witnessStory(none)], [null, null])
  assert.is(witnessedWords(status({ ...by, size: 1234 })), "cosigned by log-server to entry 1,234, 12 behind")
  assert.is(witnessedWords(status({ ...by, size: 5, behind: 0 })), "cosigned by log-server to entry 5")
  assert.match(witnessStory(status({ ...by, size: 1234 })) ?? "", /log-server.* up to entry 1,234/)
  assert.match(witnessedWords(status({ ...by, size: 5, putBack: true })) ?? "", "IT KNOWS ANOTHER LOG")
  assert.match(witnessedWords(status({ ...by, size: 5, refused: "fork" })) ?? "", "IT REFUSES (fork)")
})

test.run()
