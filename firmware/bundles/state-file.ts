import { createHash } from "node:crypto"
import { IntegrityError } from "../../policy/base/errors.ts"
import { isReachable } from "../../policy/bundle/activation.ts"
import type { ActivationState } from "../../policy/bundle/activation.ts"

/**
 * `policy/state.json`, format 1: one JSON object.
 *
 *     {"format":1,"active":6,"trial":7,"highest":7,"sha256":"<over the object without this member>"}
 *
 * The hash finds damage, not intent: whoever can write here can also compute it. What it points to is signed.
 */
export function encodeState(state: ActivationState): Uint8Array {
  const { active, trial, highest } = state
  const body = { format: 1, active, trial, highest }
  return new TextEncoder().encode(JSON.stringify({ ...body, sha256: hash(JSON.stringify(body)) }) + "\n")
}

/**
 * The state in the file.
 *
 * @throws IntegrityError `ERR_POLICY_STATE_DAMAGED` if it is not exactly what `encodeState` wrote, or is a state that
 *   no sequence of events leads to.
 */
export function parseState(bytes: Uint8Array): ActivationState {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    throw damaged("is not JSON")
  }
  if (typeof value !== "object" || value === null) throw damaged("is not an object")
  const { active, trial, highest } = value as Record<string, unknown>
  if (!isVersion(active) || !isVersion(trial) || typeof highest !== "number") throw damaged("holds something else")
  const state: ActivationState = { active, trial, highest }
  // Compared as a whole: this covers the format, the hash, and members that should not be there.
  if (Buffer.compare(encodeState(state), bytes) !== 0) throw damaged("does not match its hash or is of another format")
  if (!isReachable(state)) throw damaged("contradicts itself")
  return state
}

function isVersion(value: unknown): value is number | null {
  return value === null || Number.isInteger(value)
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}

function damaged(what: string): IntegrityError {
  return new IntegrityError("ERR_POLICY_STATE_DAMAGED", `policy/state.json ${what}`)
}
