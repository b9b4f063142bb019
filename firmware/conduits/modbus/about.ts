import { aboutRequest, functionWord, requestObject, type NamedPoint } from "../../../policy/audit/modbus-object.ts"
import { REASON, reasonOf, type Verdict } from "../../../policy/filter/verdict.ts"

/** What the log says of a request: its function, and what it is about; of one that is none, what is sure of it. */
export function objectOf(
  adu: Uint8Array,
  verdict: Verdict,
  points: readonly NamedPoint[],
): { readonly action: string; readonly object: string } {
  const [unit = 0, code = 0] = adu
  const action = functionWord(code)
  if (reasonOf(verdict) !== REASON["bad-request"]) return { action, object: requestObject(aboutRequest(adu), points) }
  return { action, object: `unit ${unit} ${action}, ${adu.length} bytes` }
}
