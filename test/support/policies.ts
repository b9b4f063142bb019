import type { MqttRule, Policy, Rule, SubjectRule } from "../../policy/language/policy.ts"

/** A rule that allows everything about its topics; what a test is about is overridden. */
export function makeRule(over: Partial<MqttRule> & { readonly topics: readonly string[] }): MqttRule {
  return {
    id: `rule-${over.topics.join(" ")}`,
    protocol: "mqtt",
    effect: "allow",
    actions: ["publish"],
    conduits: ["field"],
    roles: ["sensor"],
    maxQos: 2,
    retain: true,
    maxPayloadBytes: 268_435_455,
    payload: { kind: "any" },
    rate: null,
    essential: false,
    record: "none",
    hours: null,
    emergency: null,
    when: null,
    ...over,
  }
}

/** The rule that makes a certificate's common name a subject of that zone with those roles. */
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
      { name: "cell", level: 1, kind: "plant", authorities: ["cell-ca"], tlsMin: "1.3", clearText: false },
      { name: "plant", level: 2, kind: "plant", authorities: ["plant-ca"], tlsMin: "1.3", clearText: false },
    ],
    roles: [...new Set(roleSets.flat())].map((name) => ({ name, description: name })),
    subjects: roleSets.map((roles) => makeSubject("cell", roles)),
    conduits: conduits.map((name) => ({
      name,
      from: "cell",
      to: "plant",
      protocol: "mqtt",
      direction: "both",
      access: "always",
      transport: { from: "tls", to: "tls" },
      upstreamIdentity: "strip",
      onDeny: "ack",
      enhancedAuth: "refuse",
      buffer: null,
    })),
    rules,
    radios: [],
  }
}
