import type { Policy, Rule, SubjectRule } from "../../policy/language/policy.ts"

/** A rule that allows everything about its topics; what a test is about is overridden. */
export function makeRule(over: Partial<Rule> & { readonly topics: readonly string[] }): Rule {
  return {
    id: `rule-${over.topics.join(" ")}`,
    effect: "allow",
    actions: ["publish"],
    conduits: ["field"],
    roles: ["sensor"],
    maxQos: 2,
    retain: true,
    maxPayloadBytes: 268_435_455,
    rate: null,
    essential: false,
    ...over,
  }
}

export function makeSubject(zone: string, roles: readonly string[]): SubjectRule {
  return {
    id: `${zone}-${roles.join("-")}`,
    zone,
    source: "cn",
    prefix: "",
    suffix: "",
    fixedName: null,
    roles,
    clientId: "%u",
  }
}

/** Two zones, conduit `field` from the first to the second, subjects with these sets of roles in the first. */
export function makePolicy(
  rules: readonly Rule[],
  roleSets: readonly (readonly string[])[] = [["sensor"]],
  conduits: readonly string[] = ["field"],
): Policy {
  return {
    format: 1,
    name: "test",
    zones: [
      { name: "cell", level: 1, authorities: ["cell-ca"], tlsMin: "1.3" },
      { name: "plant", level: 2, authorities: ["plant-ca"], tlsMin: "1.3" },
    ],
    roles: [...new Set(roleSets.flat())].map((name) => ({ name, description: name })),
    subjects: roleSets.map((roles) => makeSubject("cell", roles)),
    conduits: conduits.map((name) => ({
      name,
      from: "cell",
      to: "plant",
      protocol: "mqtt",
      upstreamIdentity: "strip",
      onDeny: "ack",
    })),
    rules,
  }
}
