import * as assert from "uvu/assert"
import { LockgateError } from "../../policy/base/errors.ts"

/** Asserts that `action` throws or rejects with a LockgateError bearing `code`; returns it. */
export async function rejects(action: () => unknown, code: string): Promise<LockgateError> {
  let value: unknown
  try {
    value = await action()
  } catch (error) {
    if (!(error instanceof LockgateError)) throw error
    assert.is(error.code, code)
    return error
  }
  assert.unreachable(`expected ${code}, got a value: ${JSON.stringify(value)}`)
  throw new Error("unreachable")
}
