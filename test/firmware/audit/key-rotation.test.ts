import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createLogKeyRotation } from "../../../firmware/audit/key-rotation.ts"
import { nodeSha256 } from "../../../firmware/audit/note-functions.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { LockgateError } from "../../../policy/base/errors.ts"
import { encodeNoteKey } from "../../../policy/audit/tlog/note.ts"
import { openTestLog } from "../../support/audit.ts"

const test = suite("firmware/audit/key-rotation")

test("[CR 3.9] a change of the log's key says both keys and the size that both have signed; one at a time", async () => {
  const log = await openTestLog(new MemoryStorage())
  const first = encodeNoteKey(nodeSha256, log.key)
  const rotation = createLogKeyRotation(log)
  const running = rotation.rotate()
  const second = await rotation.rotate().then(
    () => "done",
    (error: unknown) => (error instanceof LockgateError ? error.code : error),
  )
  assert.is(second, "ERR_AUDIT_ROTATING")
  const { before, after, size } = await running
  assert.equal([before, after], [first, encodeNoteKey(nodeSha256, log.key)])
  const [entry] = await log.read(size - 1, 1)
  assert.ok(new TextDecoder().decode(entry!.line).includes("audit.key-changed"))
  assert.is((await rotation.rotate()).before, after)
  await log.close()
})

test("after a failure another one may be asked for", async () => {
  const log = await openTestLog(new MemoryStorage())
  let fails = true
  const rotation = createLogKeyRotation({
    get key() {
      return log.key
    },
    rotateKey: () => (fails ? Promise.reject(new Error("no disk")) : log.rotateKey()),
  })
  const failed = await rotation.rotate().then(
    () => false,
    () => true,
  )
  fails = false
  assert.is(failed, true)
  assert.type((await rotation.rotate()).after, "string")
  await log.close()
})

test.run()
