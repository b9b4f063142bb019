/** Probe of the board's radios. */
import { unnamedRadios } from "../../boundary/radios.ts"
import type { GatewayProbe } from "../probe-context.ts"

/** No radio is up that the policy does not name. */
export const onlyNamedRadios: GatewayProbe = {
  id: "radios.only-named",
  summary: "the board's interfaces are listed; no radio is up that the policy in force does not name",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const { boundary } = context
    if (boundary.interfaces.simulated)
      return { outcome: "not-tested", why: "on this board the interfaces are simulated" }
    const found = await boundary.interfaces.list()
    const named = context.policy()?.radios ?? []
    const [stray] = unnamedRadios(found, named)
    if (stray !== undefined) {
      return { outcome: "failed", expected: "no radio up that the policy does not name", seen: `${stray.name} (${stray.radio ?? ""}) is up` } // prettier-ignore
    }
    if (found.length === 0) return { outcome: "failed", expected: "at least one interface in the list", seen: "none" }
    const radios = found.filter(({ radio }) => radio !== null)
    const up = radios.filter((one) => one.up).map(({ name }) => name)
    const evidence = `${found.length} interfaces, ${radios.length} of them radios, up: ${up.length === 0 ? "none" : `${up.join(", ")}, as the policy names`}`
    return { outcome: "passed", evidence }
  },
}
