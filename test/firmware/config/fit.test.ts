import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"

import type { GatewayConfig } from "../../../firmware/config/gateway-config.ts"
import type { Parsed } from "../../../policy/language/fault.ts"

import { checkAgainstPolicy, describeFit } from "../../../firmware/config/fit.ts"

import { parseGatewayConfig } from "../../../firmware/config/parse-gateway-config.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { good } from "../../support/faults.ts"

const test = suite("firmware/config/fit")

const file = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8")
const example = file("firmware/config/examples/gateway.yaml")
const read = (text: string): Parsed<GatewayConfig> => parseGatewayConfig(text, "gateway.yaml", "/etc/lockgate")

interface Parts {
  readonly head?: string
  readonly trust?: string
  readonly credentials?: string
  readonly conduits?: string
  readonly management?: string
  readonly tail?: string
}

function gateway(parts: Parts): string {
  return [
    parts.head ?? "lockgate-gateway: 1\ngateway: g\nboard: simulated\nstate: state",
    parts.trust ?? "trust: { authorities: { ca: ca.pem }, policy-signers: { owner: o.pem } }",
    parts.credentials ?? "credentials: { c: { key: k.pem, certificate: c.pem } }",
    parts.conduits ?? "conduits: {}",
    parts.management ?? "management: { socket: s.sock }",
    parts.tail ?? "",
  ].join("\n")
}

const UPSTREAM = "{ url: 'mqtts://b', credential: c, authority: ca }"

test("[NDR 5.2] ends of another kind than the policy demands are told, and stay closed", () => {
  const conduits = `conduits:
  a: { listen: { address: "::1", credential: c, port: 1 }, upstream: ${UPSTREAM} }
  b: { listen: { address: "::1", port: 2 }, upstream: { url: "modbus://h" } }
  c: { listen: { address: "::1", credential: c, port: 3 }, upstream: { url: "modbus://h" } }
  d: { listen: { address: "::1", credential: c, port: 4 }, upstream: { url: "modbus://h" } }`
  const policy = good(
    parsePolicy(
      JSON.stringify({
        "lockgate-policy": 1,
        name: "x",
        zones: { field: { level: 1 }, cell: { level: 1, "clear-text": true } },
        roles: {},
        subjects: [],
        conduits: Object.fromEntries(
          ["a", "b", "c", "d"].map((name) => {
            const to = name === "d" ? "tcp" : "tls"
            return [name, { from: "field", to: "cell", protocol: "modbus", transport: { to } }]
          }),
        ),
        rules: [],
      }),
      "p",
    ),
  )
  const told = checkAgainstPolicy(good(read(gateway({ conduits }))), policy).endsOfAnotherKind
  assert.equal(
    told.map(({ conduit, why }) => [conduit, /mqtt|by tls|tls towards/.exec(why)?.[0]]),
    [
      ["a", "mqtt"],
      ["b", "by tls"],
      ["c", "tls towards"],
    ],
  )
})

test("[NDR 5.2] a policy and a board file that do not go together are told apart", () => {
  const config = good(read(example))
  const policy = good(parsePolicy(file("policy/examples/pumping-station.yaml"), "p"))
  assert.equal(describeFit(checkAgainstPolicy(config, policy)), [], "the worked examples are of one station")
  const { telemetry } = config.conduits
  assert.equal(describeFit(checkAgainstPolicy({ ...config, conduits: { telemetry: telemetry! } }, policy)), [
    'conduit "drives" of the policy has no ends on this board: it stays closed',
  ])
  const other = good(
    parsePolicy(
      `{"lockgate-policy":1,"name":"x","zones":{"a":{"level":1,"authorities":["field-ca","other-ca"]},"b":{"level":1}},"roles":{},"subjects":[],
        "conduits":{"other":{"from":"a","to":"b","protocol":"mqtt"}},"rules":[]}`,
      "p",
    ),
  )
  const fit = checkAgainstPolicy(config, other)
  assert.equal(fit, {
    conduitsWithoutEnds: ["other"],
    endsOfAnotherKind: [],
    endsWithoutConduit: ["telemetry", "drives"],
    unknownAuthorities: [{ zone: "a", authority: "other-ca" }],
    unknownConditions: [],
  })
  assert.is(describeFit(fit).length, 4)
})

test.run()
