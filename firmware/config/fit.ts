import type { Policy } from "../../policy/language/policy.ts"
import { transportsOf, type GatewayConfig } from "./gateway-config.ts"
import { unlike } from "./ends-kind.ts"
import { conditionText, type InputCondition } from "../../policy/language/input-condition.ts"

/** How a policy and a board file go together. Names only; all lists empty means: nothing to say. */
export interface Fit {
  /** Conduits of the policy without ends on this board: they stay closed. */
  readonly conduitsWithoutEnds: readonly string[]
  /** Ends on this board that the policy does not speak of: no listener opens. Harmless, the policy may come to it. */
  readonly endsWithoutConduit: readonly string[]
  /** Conduits whose ends here are of another kind than the policy demands: they stay closed. */
  readonly endsOfAnotherKind: readonly { readonly conduit: string; readonly why: string }[]
  /** Zones that name an authority this board does not know: its peers are refused. */
  readonly unknownAuthorities: readonly { readonly zone: string; readonly authority: string }[]
  /** Conditions of the policy that this board can never know, as the policy writes them; `island` is of the order of island mode. */
  readonly unknownConditions: readonly { readonly text: string; readonly island: boolean }[]
  /** Likewise of what shows a person at the device: whatever asks for one can never be done here. */
  readonly unknownPresence: readonly string[]
}

/** Compare a policy with the board it is meant for. Cheap: names only. */
export function checkAgainstPolicy(config: GatewayConfig, policy: Policy): Fit {
  const conduits = new Set(policy.conduits.map(({ name }) => name))
  return {
    conduitsWithoutEnds: [...conduits].filter((name) => !Object.hasOwn(config.conduits, name)),
    endsWithoutConduit: Object.keys(config.conduits).filter((name) => !conduits.has(name)),
    endsOfAnotherKind: policy.conduits.flatMap((conduit) => {
      const ends = Object.hasOwn(config.conduits, conduit.name) ? config.conduits[conduit.name] : undefined
      const why = ends === undefined ? null : unlike(conduit, { protocol: ends.protocol, ...transportsOf(ends) })
      return why === null ? [] : [{ conduit: conduit.name, why }]
    }),
    unknownAuthorities: policy.zones.flatMap(({ name: zone, authorities }) =>
      authorities
        .filter((name) => !Object.hasOwn(config.trust.authorities, name))
        .map((authority) => ({ zone, authority })),
    ),
    ...unknownConditions(config, policy),
  }
}

function unknownConditions(
  { gpio }: GatewayConfig,
  policy: Policy,
): Pick<Fit, "unknownConditions" | "unknownPresence"> {
  const words = new Map(gpio.inputs.map(({ name, states }) => [name, [states.low, states.high]]))
  const unknown = ({ input, state }: InputCondition): boolean => words.get(input)?.includes(state) !== true
  const found = (conditions: readonly InputCondition[], island: boolean) =>
    conditions.filter(unknown).map((condition) => ({ text: conditionText(condition), island }))
  const ofRules = found(
    policy.rules.flatMap(({ when }) => when ?? []),
    false,
  )
  const once = new Map(ofRules.map((one) => [one.text, one]))
  return {
    unknownConditions: [...found(policy.island?.when ?? [], true), ...once.values()],
    unknownPresence: (policy.people?.presentWhen ?? []).filter(unknown).map(conditionText),
  }
}

/** One sentence for a person per thing that does not go together. */
export function describeFit(fit: Fit): readonly string[] {
  return [
    ...fit.conduitsWithoutEnds.map(
      (name) => `conduit "${name}" of the policy has no ends on this board: it stays closed`,
    ),
    ...fit.endsOfAnotherKind.map(({ conduit, why }) => `conduit "${conduit}" stays closed: ${why}`),
    ...fit.unknownAuthorities.map(
      ({ zone, authority }) =>
        `zone "${zone}" trusts authority "${authority}", which this board does not know: its peers are refused`,
    ),
    ...fit.unknownConditions.map(({ text, island }) =>
      island
        ? `island mode waits for "${text}", which this board can never know: normal flows stay closed`
        : `rules wait for "${text}", which this board can never know: they allow nothing, and deny always`,
    ),
    ...fit.unknownPresence.map(
      (text) =>
        `"${text}" is to show a person at the device, and this board can never know it: what asks for one is refused`,
    ),
    ...fit.endsWithoutConduit.map((name) => `conduit "${name}" of this board is not in the policy: it does not listen`),
  ]
}
