import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { formatPolicy } from "../../../policy/language/policy-format.ts"
import type { Policy } from "../../../policy/language/policy.ts"

const test = suite("policy/language/alarm-shape")

const text = (alarms: string): string => `lockgate-policy: 1
name: p
zones: { a: { level: 1, authorities: [ca] }, b: { level: 1, authorities: [ca] } }
roles: {}
subjects: []
conduits: { press: { from: a, to: b, protocol: mqtt } }
rules: []
${alarms}
`

function good(alarms: string): Policy["alarms"] {
  const parsed = parsePolicy(text(alarms), "p")
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults))
  return parsed.value.alarms
}

test("[CR 6.2] alarms are read with their defaults; without the key there is none, which means the usual ones", () => {
  const defaults = { conduits: [], subjects: [], count: 1, withinMs: 60_000, text: null }
  assert.equal(good("alarms: [{ id: grave, on: alarm }]"), [{ id: "grave", on: ["alarm"], ...defaults }])
  const all =
    "{ id: a, on: [conduit.denied, audit.lost], conduits: [press], subjects: [x], count: 5, within: 2h, text: go }"
  assert.equal(good(`alarms: [${all}]`), [
    {
      id: "a",
      on: ["conduit.denied", "audit.lost"],
      ...{ conduits: ["press"], subjects: ["x"], count: 5, withinMs: 7_200_000, text: "go" },
    },
  ])
  assert.is(good(""), undefined)
  assert.equal(good("alarms: []"), [])
})

test("[CR 3.5] what is no alarm is a fault that says what would be", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["{ on: alarm }", /needs the key "id"/],
    ["{ id: a }", /needs the key "on"/],
    ["{ id: a, on: conduit.denyed }", /event such as conduit\.denied/],
    ["{ id: a, on: alarm.raised }", /event such as/],
    ["{ id: a, on: [] }", /expected/],
    ["{ id: a, on: alarm, conduits: [pres] }", /no conduit "pres"/],
    ["{ id: a, on: alarm, count: 0 }", /1\.\.1000000/],
    ["{ id: a, on: alarm, within: 10 }", /a time 1s\.\.24h/],
    ["{ id: a, on: alarm }, { id: a, on: warning }", /alarm id "a" is taken/],
    ["{ id: other-alarms, on: alarm }", /gateway's own/],
    ["{ id: a, on: alarm, do: shut }", /no key "do"/],
  ]
  for (const [alarm, says] of cases) {
    const parsed = parsePolicy(text(`alarms: [${alarm}]`), "p")
    assert.not.ok(parsed.ok, alarm)
    if (!parsed.ok)
      assert.match(JSON.stringify(parsed.faults.map(({ message }) => message)).replaceAll('\\"', '"'), says)
  }
})

test("alarms are laid out with their keys in order", () => {
  const laid = formatPolicy(text("alarms: [{ count: 5, on: alarm, id: a }]"), "p")
  assert.match(laid.ok ? laid.value : "", "alarms:\n  - { id: a, on: alarm, count: 5 }\n")
})

test.run()
