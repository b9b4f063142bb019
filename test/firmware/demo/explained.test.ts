import { generateKeyPairSync } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createExplainer } from "../../../firmware/demo/explained.ts"
import { signBundle } from "../../../firmware/bundles/sign.ts"
import { readSigningKey } from "../../../firmware/bundles/signer-key.ts"
import { encodeState } from "../../../firmware/bundles/state-file.ts"
import { encodeEntry } from "../../../policy/audit/entry.ts"
import { writeWhole } from "../../../firmware/demo/files.ts"
import { DEMO_POLICY } from "../../../firmware/demo/policy-text.ts"

const test = suite("firmware/demo/explained")
const state = mkdtempSync(join(tmpdir(), "lockgate-explained-"))
test.after(() => rmSync(state, { recursive: true }))

test.before(async () => {
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  const times = { issuedAt: 0, notBeforeAt: null, notAfterAt: null }
  const statement = { version: 1, ...times, gateways: ["*"], predecessor: null, policy: DEMO_POLICY, cases: null }
  writeWhole(join(state, "policy/bundles/1.jws"), await signBundle(statement, await readSigningKey("test", pem)))
  writeWhole(
    join(state, "policy/state.json"),
    Buffer.from(encodeState({ active: 1, trial: null, highest: 1 })).toString(),
  )
})

const denial = (subject: string, topic: string): string =>
  Buffer.from(
    encodeEntry({
      seq: 7,
      wallAt: 0,
      time: { earliestAt: 0, latestAt: 1 },
      boot: "00000000-0000-4000-8000-000000000000",
      monotonicMs: 1,
      gateway: "gw",
      event: {
        id: "conduit.denied",
        outcome: "denied",
        source: "conduit/telemetry",
        conduit: "telemetry",
        subject,
        object: topic,
        reason: "no-rule",
        detail: { action: "publish" },
      },
    }),
  ).toString()

test("explains the last denial of the one who is meant, and lets it stand for some seconds", async () => {
  const explainer = createExplainer(state, "rogue")
  assert.equal(await explainer.lines(0), [])
  explainer.note("{")
  explainer.note(denial("flow", "plant/a/telemetry"))
  assert.equal(await explainer.lines(0), [])
  explainer.note(denial("rogue", "plant/tank/telemetry"))
  const first = await explainer.lines(10)
  assert.match(first.join("\n"), /publish plant\/tank\/telemetry\n.*rogue \[sensor\].*\n.*DENIED: no-rule/)
  explainer.note(denial("rogue", "plant/other/telemetry"))
  assert.is(await explainer.lines(2_000), first)
  assert.match((await explainer.lines(5_000)).join("\n"), "plant/other/telemetry")
})

test.run()
