import { suite } from "uvu"
import * as assert from "uvu/assert"
import { InputError, LockgateError } from "../../../policy/base/errors.ts"

const test = suite("policy/base/errors")

test("[CR 3.7] an error carries a stable code and its kind", () => {
  const error = new InputError("ERR_SOMETHING", "what and where", { detail: { at: 3 } })
  assert.is(error.kind, "input")
  assert.is(error.code, "ERR_SOMETHING")
  assert.equal(error.detail, { at: 3 })
  assert.ok(error instanceof LockgateError)
})

test.run()
