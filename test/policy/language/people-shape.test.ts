import { suite } from "uvu"
import * as assert from "uvu/assert"
import { ALL_PERMISSIONS, PERMISSIONS } from "../../../policy/command/permission.ts"
import { COMMANDS, type CommandRow } from "../../../policy/command/table.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { formatPolicy } from "../../../policy/language/policy-format.ts"
import {
  BUILT_IN_ROLES,
  DEFAULT_PEOPLE,
  peopleRulesOf,
  permissionsOf,
  type PeopleRules,
} from "../../../policy/people/rules.ts"

const test = suite("policy/language/people-shape")

/** A coordinate, and a modulus of 2,048 bits. */
const X = "x".repeat(43)
const N = "n".repeat(342)
const provider = (keys: string, issuer = "https://id.example"): string =>
  `{ identity-provider: { issuer: '${issuer}', audience: gw, keys: ${keys} } }`
const text = (people: string): string => `lockgate-policy: 1
name: p
zones: { a: { level: 1, authorities: [ca] }, b: { level: 1, authorities: [ca] } }
roles: {}
subjects: []
conduits: {}
rules: []
${people}
`

function good(people: string): PeopleRules {
  const parsed = parsePolicy(text(people), "p")
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults))
  return peopleRulesOf(parsed.value)
}

test("[CR 2.1 RE(2)] without the key, or with nothing in it, people may what the roles that come with the gateway say", () => {
  assert.equal(good(""), DEFAULT_PEOPLE)
  assert.equal(good("people: {}"), DEFAULT_PEOPLE)
  assert.equal(peopleRulesOf(null), DEFAULT_PEOPLE)
})

test("[CR 2.1 RE(2)] a policy gives a role other permissions, and adds roles; the others stay", () => {
  const rules = good("people: { roles: { shift-leader: [read, island], viewer: [] } }")
  assert.equal(rules.roles, { ...BUILT_IN_ROLES, "shift-leader": ["read", "island"], viewer: [] })
  assert.equal(permissionsOf(["viewer"], rules), [])
  assert.equal(permissionsOf(["shift-leader", "viewer"], rules), ["read", "island"])
  assert.equal(permissionsOf(["operator", "shift-leader"], rules).toSorted(), ["alarm", "island", "read"])
  for (const none of ["manager", "constructor", "", "Viewer"]) assert.equal(permissionsOf([none], rules), [], none)
})

test("every section is read, and is a value", () => {
  const rules = good(`people:
  two-persons: [policy, people]
  approval-time: 5min
  two-factors: [people]
  presence: { for: [trust], when: [key-switch is service, door is not open] }
  sessions: { idle: 2min, longest: 1h, per-person: 1 }
  passwords: { min-length: 15, longest-days: 90, shortest-hours: 24, remembered: 8 }
  attempts: { free: 2, longest: 1h }
  identity-provider:
    issuer: https://id.plant.example/realms/plant
    audience: lockgate
    keys: [{ kid: a, kty: EC, crv: P-256, x: ${X}, y: ${X} }, { kty: OKP, crv: Ed25519, x: ${X} }, { kty: RSA, n: ${N}, e: AQAB }]
  notice: only for those who are meant
  diagnostics: [usb]
`)
  assert.equal(rules, {
    roles: BUILT_IN_ROLES,
    twoPersons: ["policy", "people"],
    approvalMs: 300_000,
    presence: ["trust"],
    presentWhen: [
      { input: "key-switch", is: true, state: "service" },
      { input: "door", is: false, state: "open" },
    ],
    twoFactors: ["people"],
    sessions: { idleMs: 120_000, longestMs: 3_600_000, perPerson: 1 },
    passwords: { minLength: 15, longestDays: 90, shortestHours: 24, remembered: 8 },
    attempts: { free: 2, longestMs: 3_600_000 },
    identityProvider: {
      issuer: "https://id.plant.example/realms/plant",
      audience: "lockgate",
      claim: "sub",
      keys: [
        { kid: "a", jwk: { kty: "EC", crv: "P-256", x: X, y: X } },
        { kid: null, jwk: { kty: "OKP", crv: "Ed25519", x: X } },
        { kid: null, jwk: { kty: "RSA", n: N, e: "AQAB" } },
      ],
    },
    notice: "only for those who are meant",
    diagnostics: ["usb"],
  })
})

test("[CR 3.5] what cannot be meant is a fault that says what would be", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["{ roles: { boss: [everything] } }", /expected .*people/],
    ["{ roles: { boss: [read, read] } }", /twice/],
    ["{ roles: { security-admin: [read] } }", /no role may manage people/],
    ["{ presence: { for: [trust] } }", /no input shows one/],
    ["{ presence: { for: [trust], when: key-switch } }", /condition/],
    ["{ sessions: { idle: 2h, longest: 1h } }", /longer than longest/],
    ["{ sessions: { per-person: 0 } }", /1\.\.16/],
    ["{ passwords: { min-length: 6 } }", /8\.\.64/],
    ["{ attempts: { free: 0 } }", /1\.\.20/],
    ["{ diagnostics: [jtag] }", /serial-console/],
    [provider("[]"), /at least/],
    [provider("[{ kty: oct }]"), /expected .*EC/],
    [provider(`[{ kty: RSA, n: ${"n".repeat(171)}, e: AQAB }]`), /2,048 bits/],
    [provider(`[{ kty: EC, crv: P-256, x: ${X} }]`), /EC has crv, x, y/],
    [provider(`[{ kty: OKP, crv: P-256, x: ${X} }]`), /lies on Ed25519/],
    [provider(`[{ kty: OKP, crv: Ed25519, x: ${X}, n: ${N} }]`), /no other members/],
    [provider(`[{ kty: OKP, crv: Ed25519, x: ${X} }]`, "http://id.example"), /https/],
    ["{ two-person: [policy] }", /no key/],
    ["{ notice: '' }", /expected/],
  ]
  for (const [people, says] of cases) {
    const parsed = parsePolicy(text(`people: ${people}`), "p")
    assert.not.ok(parsed.ok, people)
    if (!parsed.ok) assert.match(parsed.faults.map(({ message }) => message).join("; "), says, people)
  }
})

test("the section is laid out in its order, and means the same", () => {
  const laid = formatPolicy(
    text("people: { diagnostics: [usb], roles: { x: [people] }, sessions: { longest: 1h, idle: 1min } }"),
    "p",
  )
  if (!laid.ok) throw new Error(JSON.stringify(laid.faults))
  assert.ok(laid.value.indexOf("roles: { x") < laid.value.indexOf("diagnostics"), laid.value)
  assert.ok(laid.value.indexOf("idle") < laid.value.indexOf("longest"))
})

test("[CR 2.1] each permission is some command's, each role's is one, and all of them together are somebody's", () => {
  const asked = new Set(Object.values<CommandRow>(COMMANDS).map(({ permission }) => permission))
  assert.equal(
    ALL_PERMISSIONS.filter((one) => !asked.has(one)),
    [],
  )
  for (const [role, may] of Object.entries(BUILT_IN_ROLES)) {
    for (const one of may) assert.ok(Object.hasOwn(PERMISSIONS, one), `${role} ${one}`)
  }
  assert.equal(permissionsOf(Object.keys(BUILT_IN_ROLES), DEFAULT_PEOPLE).toSorted(), ALL_PERMISSIONS.toSorted())
})

test.run()
