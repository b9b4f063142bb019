/** A probe of those who vouch for the log from elsewhere. */
import type { CosignerStatus } from "../../audit/witnessed.ts"
import type { GatewayProbe, ProbeContext } from "../probe-context.ts"

/** No witness has seen more of the log than there is, none refuses it, and none has gone silent. @see IEC 62443-4-2 CR 3.9 */
export const witnessesAgree: GatewayProbe = {
  id: "audit.witnesses-agree",
  summary: "what the witnesses and collectors of the board file have cosigned is held against the log as it is",
  safety: "passive",
  vantage: "inside",
  run({ audit }: ProbeContext) {
    const all = audit.witnesses()
    if (all.length === 0) {
      const evidence =
        "the board file names no witness: that the whole storage was put back, only this board could tell"
      return Promise.resolve({ outcome: "passed", evidence })
    }
    const wrong = all.flatMap((one) => faultOf(one) ?? [])
    const expected = "every witness to have cosigned this log as it is, lately"
    if (wrong.length > 0) return Promise.resolve({ outcome: "failed", expected, seen: wrong.join("; ") })
    const seen = all.map(({ name, size, behind }) => `${name} to size ${size}, ${behind} behind`)
    return Promise.resolve({ outcome: "passed", evidence: `cosigned by ${seen.join("; ")}` })
  },
}

function faultOf({ name, size, silent, putBack, refused }: CosignerStatus): string | null {
  if (putBack)
    return `${name} has seen more of this log than there is, or another one: the gateway was put back or copied`
  if (refused !== null) return `${name} refuses it (${refused}); its reason stands at the broker and in its own log`
  if (size === null)
    return `${name} has cosigned nothing yet; see whether it runs, knows the time, and has this log under witness-for`
  return silent ? `${name} is silent, its last line is for size ${size}` : null
}
