import { suite } from "uvu"
import * as assert from "uvu/assert"
import fc from "fast-check"
import { resolveByAddress, resolveSubject } from "../../../policy/identity/subject.ts"
import type { SubjectRule } from "../../../policy/language/policy.ts"
import { fakeLeaf } from "../../support/fake-certificates.ts"

const test = suite("policy/identity/subject")

function rule(id: string, changes: Partial<SubjectRule> = {}): SubjectRule {
  return {
    id,
    zone: "field",
    source: "san-uri",
    prefix: "urn:plant:sensor:",
    suffix: "",
    fixedName: null,
    roles: ["sensor"],
    clientId: "%u",
    ...changes,
  }
}

const leaf = fakeLeaf("temp-1", "ca", { sanUri: ["urn:plant:sensor:temp-1"], sanDns: ["temp-1.plant.example"] })

test("[CR 1.2] the name is what stands between prefix and suffix, from each source", () => {
  const rules: [SubjectRule, string][] = [
    [rule("uri"), "temp-1"],
    [rule("dns", { source: "san-dns", prefix: "", suffix: ".plant.example" }), "temp-1"],
    [rule("cn", { source: "cn", prefix: "temp-" }), "1"],
    [rule("fixed", { source: "cn", prefix: "temp-1", fixedName: "boiler" }), "boiler"],
  ]
  for (const [one, name] of rules) {
    const subject = resolveSubject([one], "field", leaf)
    assert.equal(subject, { ok: true, name, roles: ["sensor"], ruleId: one.id, clientIdPattern: "%u" })
  }
})

test("[CR 1.2] rules of another zone, and values that do not fit, give no subject", () => {
  const rules = [
    rule("zone", { zone: "control" }),
    rule("prefix", { prefix: "urn:plant:sensors:" }),
    rule("case", { source: "san-dns", prefix: "", suffix: ".PLANT.example" }),
    rule("overlap", { prefix: "urn:plant:sensor:temp", suffix: "r:temp-1" }),
    rule("fixed", { source: "cn", prefix: "temp", fixedName: "boiler" }),
  ]
  for (const one of [...rules.map((r) => [r]), rules, []]) {
    const subject = resolveSubject(one, "field", leaf)
    assert.is(subject.ok || subject.reason, "no-subject")
  }
})

test("[CR 1.2] a certificate that could be two subjects is none", () => {
  const two = fakeLeaf("x", "ca", { sanUri: ["urn:plant:sensor:a", "urn:plant:sensor:b"] })
  const cases: [readonly SubjectRule[], typeof leaf][] = [
    [[rule("one")], two],
    [[rule("one"), rule("roles", { roles: ["actuator"] })], leaf],
    [[rule("one"), rule("client", { clientId: "%u-*" })], leaf],
    [[rule("one"), rule("cn", { source: "cn", prefix: "temp-" })], leaf],
    [[rule("one"), rule("fixed", { source: "cn", prefix: "temp-1", fixedName: "other" })], leaf],
  ]
  for (const [rules, certificate] of cases) {
    for (const order of [rules, [...rules].reverse()]) {
      const subject = resolveSubject(order, "field", certificate)
      assert.is(subject.ok || subject.reason, "ambiguous-subject")
    }
  }
})

test("two rules that say the same are one, and the first is named", () => {
  const again = rule("again", { source: "cn", prefix: "", roles: ["b", "a", "b"] })
  const subject = resolveSubject([rule("first", { roles: ["a", "b"] }), again], "field", leaf)
  assert.equal(subject, { ok: true, name: "temp-1", roles: ["a", "b"], ruleId: "first", clientIdPattern: "%u" })
  const repeated = fakeLeaf("x", "ca", { sanUri: ["urn:plant:sensor:a", "urn:plant:sensor:a"] })
  assert.ok(resolveSubject([rule("one")], "field", repeated).ok)
})

test("[CR 3.5] what stands in the name's place must be a name", () => {
  for (const bad of ["", "a/b", "a+b", "#", "a b", "ä", "x".repeat(65), "a\u0000", "a\n"]) {
    const certificate = fakeLeaf("x", "ca", { sanUri: [`urn:plant:sensor:${bad}`] })
    const subject = resolveSubject([rule("one")], "field", certificate)
    assert.is(subject.ok || subject.reason, "bad-name", JSON.stringify(bad))
  }
  const mixed = fakeLeaf("x", "ca", { sanUri: ["urn:plant:sensor:a/b", "urn:plant:sensor:c"] })
  const subject = resolveSubject([rule("one")], "field", mixed)
  assert.is(subject.ok && subject.name, "c")
})

test("a certificate without common name matches no rule on it", () => {
  const certificate = fakeLeaf("x", "ca", { commonName: null })
  const subject = resolveSubject([rule("cn", { source: "cn", prefix: "" })], "field", certificate)
  assert.is(subject.ok || subject.reason, "no-subject")
})

test("[CR 2.1] an entry with a Modbus role fits only a certificate that bears it", () => {
  const rules = [
    rule("reader", { modbusRole: "Viewer", roles: ["view"] }),
    rule("operator", { modbusRole: "Operator", roles: ["operate"] }),
  ]
  const rolesOf = (modbusRole?: string | null) => {
    const subject = resolveSubject(rules, "field", { ...leaf, ...(modbusRole === undefined ? {} : { modbusRole }) })
    return subject.ok ? subject.roles : subject.reason
  }
  assert.equal(rolesOf("Viewer"), ["view"])
  assert.equal(rolesOf("Operator"), ["operate"])
  assert.is(rolesOf("operator"), "no-subject")
  assert.is(rolesOf(null), "no-subject")
  assert.is(rolesOf(), "no-subject")
})

test("[CR 1.2] without a certificate the narrowest range that holds the address says who it is", () => {
  const at = (id: string, prefix: string) => rule(id, { source: "address", prefix, suffix: "", fixedName: id })
  const rules = [at("net", "192.0.2.0/24"), at("one", "192.0.2.7"), at("all", "0.0.0.0/0"), at("six", "2001:db8::/32")]
  const who = (address: string, zone = "field") => {
    for (const order of [rules, [...rules].reverse()]) {
      const subject = resolveByAddress(order, zone, address)
      const name = subject.ok ? subject.name : subject.reason
      if (order === rules) continue
      const first = resolveByAddress(rules, zone, address)
      assert.is(first.ok ? first.name : first.reason, name)
      return name
    }
    return ""
  }
  assert.is(who("192.0.2.7"), "one")
  assert.is(who("::ffff:192.0.2.7"), "one")
  assert.is(who("192.0.2.8"), "net")
  assert.is(who("198.51.100.1"), "all")
  assert.is(who("2001:db8:1::1"), "six")
  assert.is(who("2001:db9::1"), "no-subject")
  assert.is(who("192.0.2.7", "control"), "no-subject")
  for (const none of ["", "x", "192.0.2", "192.0.2.07", "1.2.3.4.5", ":::"]) assert.is(who(none), "no-subject")
  assert.not(resolveSubject(rules, "field", leaf).ok)
})

test("[CR 2.1] whatever the certificate says, a subject's name is a name and the order of rules is of no matter", () => {
  const value = fc.oneof(fc.string(), fc.constantFrom("urn:plant:sensor:a", "urn:plant:sensor:b", "a", "b"))
  const rules = [
    rule("one"),
    rule("two", { source: "cn", prefix: "" }),
    rule("three", { source: "san-dns", prefix: "" }),
  ]
  fc.assert(
    fc.property(fc.array(value), fc.array(value), fc.option(value), (sanUri, sanDns, commonName) => {
      const certificate = fakeLeaf("x", "ca", { sanUri, sanDns, commonName })
      const subject = resolveSubject(rules, "field", certificate)
      if (subject.ok) assert.match(subject.name, /^[A-Za-z0-9._-]{1,64}$/)
      const other = resolveSubject([...rules].reverse(), "field", certificate)
      assert.is(subject.ok ? subject.name : subject.reason, other.ok ? other.name : other.reason)
    }),
    { numRuns: 300 },
  )
})

test.run()
