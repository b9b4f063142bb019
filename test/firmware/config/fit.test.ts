import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { checkAgainstPolicy, describeFit } from "../../../firmware/config/fit.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { boardText, EXAMPLE_BOARD, readBoard, UPSTREAM } from "../../support/board-files.ts"
import { good } from "../../support/faults.ts"
import { ROOT } from "../../support/source-tree.ts"

const test = suite("firmware/config/fit")

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
  const told = checkAgainstPolicy(good(readBoard(boardText({ conduits }))), policy).endsOfAnotherKind
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
  const config = good(readBoard(EXAMPLE_BOARD))
  const policy = good(parsePolicy(readFileSync(`${ROOT}policy/examples/pumping-station.yaml`, "utf8"), "p"))
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
    unknownPresence: [],
  })
  assert.is(describeFit(fit).length, 4)
})

test("[EDR 2.13] what is to show a person at the device, and never can on this board, is told", () => {
  const config = { ...good(readBoard(EXAMPLE_BOARD)), conduits: {} }
  const policy = good(
    parsePolicy(
      `{"lockgate-policy":1,"name":"x","zones":{"a":{"level":1}},"roles":{},"subjects":[],"conduits":{},"rules":[],
        "people":{"presence":{"for":["policy"],"when":["no-such-input is service"]}}}`,
      "p",
    ),
  )
  const fit = checkAgainstPolicy(config, policy)
  assert.equal(fit.unknownPresence, ["no-such-input is service"])
  assert.equal(describeFit(fit).length, 1)
})

test.run()
