import { suite } from "uvu"
import * as assert from "uvu/assert"
import { diffPeople } from "../../../policy/analysis/diff-people.ts"
import { BUILT_IN_ROLES, DEFAULT_PEOPLE, type PeopleRules } from "../../../policy/people/rules.ts"

const test = suite("policy/analysis/diff-people")
const texts = (before: Partial<PeopleRules>, after: Partial<PeopleRules>): readonly string[] =>
  diffPeople({ people: { ...DEFAULT_PEOPLE, ...before } }, { people: { ...DEFAULT_PEOPLE, ...after } }).map(
    ({ text }) => text,
  )

test("a policy that says nothing of people is one that says the defaults", () => {
  assert.equal(diffPeople({}, { people: DEFAULT_PEOPLE }), [])
  assert.equal(texts({ twoPersons: ["policy", "people"] }, { twoPersons: ["people", "policy"] }), [])
})

test("[CR 2.1 RE(2)] who gains and who loses which permission is told, also by a role that is new or gone", () => {
  const viewer = { ...BUILT_IN_ROLES, viewer: ["policy"] as const }
  assert.equal(texts({}, { roles: viewer }), ["people: viewer gains policy", "people: viewer loses read"])
  const guest = { ...BUILT_IN_ROLES, guest: ["read"] as const }
  assert.equal(texts({}, { roles: guest }), ["people: guest gains read"])
  assert.equal(texts({ roles: guest }, {}), ["people: guest loses read"])
})

test("[CR 2.1 RE(4)] what no longer needs a second person, a factor or a hand is told, and what now does", () => {
  assert.equal(texts({ twoPersons: ["policy", "people"] }, { twoPersons: ["people", "trust"] }), [
    "people: policy no longer asks for a second person",
    "people: trust asks for a second person",
  ])
  assert.equal(texts({ twoFactors: ["policy"] }, {}), ["people: policy no longer asks for a second factor"])
  assert.equal(texts({ presence: ["policy"] }, {}), ["people: policy no longer asks for a person at the device"])
})

test("every other member of the section is compared", () => {
  const changes: readonly Partial<PeopleRules>[] = [
    { approvalMs: 60_000 },
    { presentWhen: [{ input: "key", is: true, state: "service" }] },
    { sessions: { ...DEFAULT_PEOPLE.sessions, idleMs: 60_000 } },
    { passwords: { ...DEFAULT_PEOPLE.passwords, longestDays: 90 } },
    { attempts: { ...DEFAULT_PEOPLE.attempts, free: 9 } },
    { notice: "authorised people only" },
    { diagnostics: ["usb"] },
    { identityProvider: { issuer: "https://id.example", audience: "gw", claim: "sub", keys: [] } },
  ]
  for (const change of changes) assert.is(texts({}, change).length, 1, JSON.stringify(change))
})

test.run()
