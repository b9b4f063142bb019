import { suite } from "uvu"
import * as assert from "uvu/assert"
import { makeCosignerKey, parseCosignerSecret } from "../../../firmware/audit/collect-key.ts"
import { nodeSha256, verifyNoteSignature } from "../../../firmware/audit/note-functions.ts"
import { cosignedMessage, encodeNoteKey } from "../../../policy/audit/tlog/note.ts"
import { parseCosignerKey } from "../../../policy/audit/witness/cosignature.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/audit/collect-key")

test("a key that was made is read again, signs, and shows a public half that gateways take", async () => {
  const { key, sign } = parseCosignerSecret(makeCosignerKey("desk.north-1"))
  const line = encodeNoteKey(nodeSha256, key)
  assert.is(encodeNoteKey(nodeSha256, parseCosignerKey(nodeSha256, line)), line)
  const signature = sign("text\n", 1_900_000_000)
  assert.ok(
    await verifyNoteSignature("cosignature", key.publicKey, cosignedMessage("text\n", 1_900_000_000), signature),
  )
  assert.not(await verifyNoteSignature("cosignature", key.publicKey, cosignedMessage("text\n", 1_900_000_001), signature)) // prettier-ignore
})

test("[CR 1.5] a damaged key is refused, and nothing of it is told", async () => {
  for (const name of ["", "a b", "a/b", "a+b", "#", "x".repeat(65)])
    await rejects(() => makeCosignerKey(name), "ERR_COSIGNER_KEY")
  const line = makeCosignerKey("desk")
  const secret = line.split("+").at(-1)!.trim()
  const wrong = ["", "x", line.replace("desk", "disk"), line.replace("PRIVATE", "PUBLIC"), `${line}${line}`]
  for (let end = 1; end < line.trim().length; end++) wrong.push(line.slice(0, end))
  for (const one of wrong)
    try {
      parseCosignerSecret(one)
      assert.unreachable()
    } catch (error) {
      assert.is((error as { code?: string }).code, "ERR_COSIGNER_KEY", one)
      assert.not.ok(String(error).includes(secret.slice(4, 12)))
    }
})

test.run()
