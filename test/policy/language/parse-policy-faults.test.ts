import { suite } from "uvu"
import type { Expected } from "../../support/faults.ts"
import type { Parsed } from "../../../policy/language/fault.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { faulty } from "../../support/faults.ts"
import { policy, rule, subject, topic } from "../../support/policy-text.ts"

const test = suite("policy/language/parse-policy-faults")

const read = (text: string): Parsed<Policy> => parsePolicy(text, "policy.yaml")

/** Each row: what is refused, a document with a mark where the fault is, and per mark the path, words of the message and of the hint. */
// prettier-ignore
const FAULTS: readonly (readonly [name: string, marked: string, ...expected: Expected[]])[] = [
  ["a list for a document", "¦[1]", ["", "a policy: a map"]],
  ["an empty document", "¦", ["", "found nothing"]],
  ["another version", policy({ head: "lockgate-policy: ¦2\nname: x" }), ["lockgate-policy", "the number 2"]],
  ["a missing version", policy({ head: "¦name: x" }), ["lockgate-policy", 'needs the key "lockgate-policy"']],
  ["an unknown key", policy({ head: "lockgate-policy: 1\nname: x\n¦rulez: []" }), ["rulez", "has no key", '"rules"']],
  ["a merge key", policy({ head: "lockgate-policy: 1\nname: x\n¦<<: {}" }), ['["<<"]', "merge keys"]],
  ["a title that is a number", policy({ head: "lockgate-policy: 1\nname: ¦17" }), ["name", "a title", 'quotes: "17"']],
  ["a list of zones", policy({ zones: "zones: ¦[a]", conduits: "conduits: {}" }), ["zones", "a map"]],
  ["a zone name with a space", policy({ zones: "zones: { field: {level: 1}, control: {level: 1}, ¦a b: {level: 1} }" }), ['zones["a b"]', "a name"]],
  ["a zone name that every object inherits", policy({ zones: "zones: { field: {level: 1}, control: {level: 1}, ¦constructor: {level: 1} }" }), ["zones.constructor", "reserved"]],
  ["a zone name that is a prototype", policy({ zones: "zones: { field: {level: 1}, control: {level: 1}, ¦__proto__: {level: 1} }" }), ["zones.__proto__", "a name"]],
  ["a level out of range", policy({ zones: "zones: { field: { level: ¦5 }, control: {level: 1} }" }), ["zones.field.level", "0..4"]],
  ["a level in quotes", policy({ zones: "zones: { field: { level: ¦'2' }, control: {level: 1} }" }), ["zones.field.level", "0..4", "without quotes"]],
  ["a level that is no number", policy({ zones: "zones: { field: { level: ¦.nan }, control: {level: 1} }" }), ["zones.field.level", "0..4"]],
  ["a huge level", policy({ zones: `zones: { field: { level: ¦${"9".repeat(400)} }, control: {level: 1} }` }), ["zones.field.level", "999..."]],
  ["a TLS version without quotes", policy({ zones: "zones: { field: { level: 1, tls-min: ¦1.2 }, control: {level: 1} }" }), ["zones.field.tls-min", '"1.2" or "1.3"', 'quotes: "1.2"']],
  ["TLS 1.1", policy({ zones: 'zones: { field: { level: 1, tls-min: ¦"1.1" }, control: {level: 1} }' }), ["zones.field.tls-min", '"1.2" or "1.3"']],
  ["a misspelt key of a zone", policy({ zones: "zones: { field: { level: 1, ¦authorites: [] }, control: {level: 1} }" }), ["zones.field.authorites", "has no key", '"authorities"']],
  ["an authority named twice", policy({ zones: "zones: { field: { level: 1, authorities: [a, ¦a] }, control: {level: 1} }" }), ["zones.field.authorities[1]", "twice"]],
  ["a role without words", policy({ roles: "roles: { sensor: ¦, pump: obeys }" }), ["roles.sensor", "found nothing"]],
  ["a control character by an escape", policy({ roles: 'roles: { sensor: ¦"a\\u001bb" }' }), ["roles.sensor", "U+001B"]],
  ["a conduit to nowhere", policy({ conduits: "conduits: { t: { from: field, to: ¦contrl, protocol: mqtt } }" }), ["conduits.t.to", 'no zone "contrl"', '"control"']],
  ["a conduit from and to one zone", policy({ conduits: "conduits: { t: { from: field, to: ¦field, protocol: mqtt } }" }), ["conduits.t.to", "joins two zones"]],
  ["an unknown protocol", policy({ conduits: "conduits: { t: { from: field, to: control, protocol: ¦mqqt } }" }), ["conduits.t.protocol", '"mqtt"', 'mean "mqtt"']],
  ["a subject without roles", subject("{ zone: field, match: { cn: '{name}' }, roles: ¦[] }"), ["subjects[0].roles", "at least 1"]],
  ["a subject of an unknown role", subject("{ zone: field, match: { cn: '{name}' }, roles: [¦sensors] }"), ["subjects[0].roles[0]", "no role", '"sensor"']],
  ["a subject of an unknown zone", subject("{ zone: ¦feild, match: { cn: '{name}' }, roles: [sensor] }"), ["subjects[0].zone", "no zone", '"field"']],
  ["a match for nothing", subject("{ zone: field, match: ¦{}, roles: [sensor] }"), ["subjects[0].match", '"san-uri" or "san-dns" or "cn"']],
  ["a match in two places", subject("{ zone: field, match: { cn: '{name}', ¦san-dns: '{name}' }, roles: [sensor] }"), ["subjects[0].match.san-dns", "found both"]],
  ["a misspelt match", subject("{ zone: field, match: { ¦san-url: '{name}' }, roles: [sensor] }"), ["subjects[0].match.san-url", "needs the key", '"san-uri"']],
  ["a match with two names", subject("{ zone: field, match: { cn: ¦'{name}{name}' }, roles: [sensor] }"), ["subjects[0].match.cn", "{name} once"]],
  ["a match with other braces", subject("{ zone: field, match: { cn: ¦'{id}' }, roles: [sensor] }"), ["subjects[0].match.cn", "no braces"]],
  ["a match without a name", subject("{ zone: field, match: { cn: ¦desk }, roles: [sensor] }"), ["subjects[0].match.cn", "nothing says", '"name"']],
  ["a name both fixed and taken", subject("{ zone: field, match: { cn: '{name}' }, name: ¦desk, roles: [sensor] }"), ["subjects[0].name", "fixed here"]],
  ["a fixed name of the gateway's own", subject("{ zone: field, match: { cn: x }, name: ¦lockgate-1, roles: [sensor] }"), ["subjects[0].name", "lockgate-"]],
  ["a client id without the name", subject("{ zone: field, match: { cn: '{name}' }, client-id: ¦'s-*', roles: [sensor] }"), ["subjects[0].client-id", "client id of another", "%u"]],
  ["a star inside a client id", subject("{ zone: field, match: { cn: '{name}' }, client-id: ¦'*-%u', roles: [sensor] }"), ["subjects[0].client-id", "at the end"]],
  ["%c in a client id", subject("{ zone: field, match: { cn: '{name}' }, client-id: ¦'%u-%c', roles: [sensor] }"), ["subjects[0].client-id", "%u"]],
  ["a slash in a client id", subject("{ zone: field, match: { cn: '{name}' }, client-id: ¦'%u/x', roles: [sensor] }"), ["subjects[0].client-id", "client id pattern"]],
  ["a client id of the gateway's own", subject("{ zone: field, match: { cn: '{name}' }, client-id: ¦'lockgate-%u', roles: [sensor] }"), ["subjects[0].client-id", "lockgate-"]],
  ["two subjects by the same match", subject( "{ zone: field, match: { cn: '{name}' }, roles: [sensor] }\n  - { zone: field, match: { cn: ¦'{name}' }, roles: [pump] }", ), ["subjects[1].match.cn", "subjects[0] matches the same", "line 10"]],
  ["a subject id twice", subject( "{ id: s, zone: field, match: { cn: 'a{name}' }, roles: [sensor] }\n  - { id: ¦s, zone: field, match: { cn: '{name}' }, roles: [pump] }", ), ["subjects[1].id", "is taken"]],
  ["a subject id that another has by default", subject( "{ id: subject-2, zone: field, match: { cn: 'a{name}' }, roles: [sensor] }\n  - ¦{ zone: field, match: { cn: '{name}' }, roles: [pump] }", ), ["subjects[1].id", "is taken"]],
  ["a rule without roles", rule("¦{ id: r, allow: publish, topics: [a] }"), ["rules[0].roles", 'needs the key "roles"']],
  ["a rule with no role", rule("{ id: r, allow: publish, roles: ¦[], topics: [a] }"), ["rules[0].roles", "at least 1"]],
  ["a rule of an unknown role", rule("{ id: r, allow: publish, roles: [sensor, ¦pmup], topics: [a] }"), ["rules[0].roles[1]", 'no role "pmup"', '"pump"']],
  ["a rule on an unknown conduit", rule("{ id: r, allow: publish, conduits: [¦tele], roles: [sensor], topics: [a] }"), ["rules[0].conduits[0]", 'no conduit "tele"']],
  ["a rule that neither allows nor denies", rule("¦{ id: r, roles: [sensor], topics: [a] }"), ["rules[0]", '"allow" or "deny"']],
  ["a rule that allows and denies", rule("{ id: r, allow: publish, ¦deny: publish, roles: [sensor], topics: [a] }"), ["rules[0].deny", "found both"]],
  ["an unknown action", rule("{ id: r, allow: ¦publsh, roles: [sensor], topics: [a] }"), ["rules[0].allow", '"publish"', 'mean "publish"']],
  ["an unknown action in a list", rule("{ id: r, allow: [publish, ¦recieve], roles: [sensor], topics: [a] }"), ["rules[0].allow[1]", '"receive"', 'mean "receive"']],
  ["an action twice", rule("{ id: r, allow: [publish, ¦publish], roles: [sensor], topics: [a] }"), ["rules[0].allow[1]", "twice"]],
  ["a rule without topics", rule("{ id: r, allow: publish, roles: [sensor], topics: ¦[] }"), ["rules[0].topics", "at least 1"]],
  ["topics without brackets", rule("{ id: r, allow: publish, roles: [sensor], topics: ¦a }"), ["rules[0].topics", "a list", "brackets"]],
  ["a topic twice", rule("{ id: r, allow: publish, roles: [sensor], topics: [a, ¦a] }"), ["rules[0].topics[1]", "twice"]],
  ["qos 3", rule("{ id: r, allow: publish, roles: [sensor], topics: [a], qos: ¦3 }"), ["rules[0].qos", "0..2"]],
  ["retain: yes", rule("{ id: r, allow: publish, roles: [sensor], topics: [a], retain: ¦yes }"), ["rules[0].retain", "true or false", "write true"]],
  ["a size with a wrong unit", rule("{ id: r, allow: publish, roles: [sensor], topics: [a], payload: ¦4kb }"), ["rules[0].payload", "a size", "write 4KiB"]],
  ["a size that is negative", rule("{ id: r, allow: publish, roles: [sensor], topics: [a], payload: ¦-1 }"), ["rules[0].payload", "a size"]],
  ["a size beyond MQTT", rule("{ id: r, allow: publish, roles: [sensor], topics: [a], payload: ¦257MiB }"), ["rules[0].payload", "..256MiB"]],
  ["a rate without a time", rule("{ id: r, allow: publish, roles: [sensor], topics: [a], rate: ¦100 }"), ["rules[0].rate", "100/s"]],
  ["a rate of none", rule("{ id: r, allow: publish, roles: [sensor], topics: [a], rate: ¦0/s }"), ["rules[0].rate", "100/s"]],
  ["a rate with a long unit", rule("{ id: r, allow: publish, roles: [sensor], topics: [a], rate: ¦10/second }"), ["rules[0].rate", "100/s", "write 10/s"]],
  ["retain where nobody publishes", rule("{ id: r, allow: receive, roles: [sensor], topics: [a], retain: ¦true }"), ["rules[0].retain", "bears on publish"]],
  ["payload where nothing is carried", rule("{ id: r, allow: subscribe, roles: [sensor], topics: [a], payload: ¦1KiB }"), ["rules[0].payload", "bears on publish and receive"]],
  ["a deny with qos", rule("{ id: r, deny: publish, roles: [sensor], topics: [a], ¦qos: 1 }"), ["rules[0].qos", "a deny speaks of topics alone"]],
  ["a deny that is essential", rule("{ id: r, deny: publish, roles: [sensor], topics: [a], ¦essential: true }"), ["rules[0].essential", "every posture"]],
  ["a rule id twice", rule( "{ id: r, allow: publish, roles: [sensor], topics: [a] }\n  - { id: ¦r, deny: publish, roles: [sensor], topics: [b] }", ), ["rules[1].id", "is taken", "line 13"]],
  ["a rule id with a slash", rule("{ id: ¦a/b, allow: publish, roles: [sensor], topics: [a] }"), ["rules[0].id", "id of the rule"]],
  ["a rule id of 65 letters", rule(`{ id: ¦${"x".repeat(65)}, allow: publish, roles: [sensor], topics: [a] }`), ["rules[0].id", "at most 64"]],
  ["a rule on all of no conduits", policy({ conduits: "conduits: {}", rules: "rules:\n  - ¦{ id: r, allow: publish, roles: [sensor], topics: [a] }" }), ["rules[0]", "none is declared"]],
  ["an empty topic", topic('""'), ["rules[0].topics[0]", "a topic filter"]],
  ["# in the middle", topic('"a/#/b"'), ["rules[0].topics[0]", "the last level"]],
  ["# in a level", topic('"a/b#"'), ["rules[0].topics[0]", "a whole level"]],
  ["+ in a level", topic("a/b+/c"), ["rules[0].topics[0]", "a whole level"]],
  ["%u in a level", topic("a/x-%u/b"), ["rules[0].topics[0]", '"%u" must be a whole level', "/%u/"]],
  ["%U", topic('"%U/b"'), ["rules[0].topics[0]", '"%u" must be a whole level']],
  ["another %", topic("a/50%"), ["rules[0].topics[0]", "%c (client id) and %u"]],
  ["NUL in a topic", topic('"a\\0b"'), ["rules[0].topics[0]", "U+0000"]],
  ["a control character in a topic", topic('"a\\u0085b"'), ["rules[0].topics[0]", "U+0085"]],
  ["half a surrogate pair in a topic", topic('"a\\ud800"'), ["rules[0].topics[0]", "U+D800"]],
  ["a noncharacter in a topic", topic('"a\\uffff"'), ["rules[0].topics[0]", "U+FFFF"]],
  ["a topic longer than MQTT allows", topic(`"${"é".repeat(32_768)}"`), ["rules[0].topics[0]", "65535 bytes"]],
  ["too many levels", topic(`"${"/".repeat(128)}"`), ["rules[0].topics[0]", "128 levels"]],
  ["[NDR 5.2] lockgate/", topic("lockgate/x/log"), ["rules[0].topics[0]", "the gateway's own"]],
  ["[NDR 5.2] lockgate alone", topic("lockgate"), ["rules[0].topics[0]", "the gateway's own"]],
  ["[NDR 5.2] $lockgate/", topic("$lockgate/#"), ["rules[0].topics[0]", "the gateway's own"]],
  ["[NDR 5.2] lockgate/ in a shared subscription", rule("{ id: r, allow: subscribe, roles: [sensor], topics: [¦$share/g/lockgate/#] }"), ["rules[0].topics[0]", "the gateway's own"]],
  ["$share on publish", topic("$share/g/a"), ["rules[0].topics[0]", "allow subscribe and nothing else"]],
  ["$share on receive too", rule("{ id: r, allow: [subscribe, receive], roles: [sensor], topics: [a, ¦$share/g/a] }"), ["rules[0].topics[1]", "allow subscribe", "a rule of its own"]],
  ["$share in a deny", rule("{ id: r, deny: subscribe, roles: [sensor], topics: [¦$share/g/a] }"), ["rules[0].topics[0]", "allow subscribe", "denied already"]],
  ["$share without a group", rule("{ id: r, allow: subscribe, roles: [sensor], topics: [¦$share//a] }"), ["rules[0].topics[0]", "a group and a filter"]],
  ["$share without a filter", rule("{ id: r, allow: subscribe, roles: [sensor], topics: [¦$share/g] }"), ["rules[0].topics[0]", "a group and a filter"]],
  ["$share of an empty filter", rule("{ id: r, allow: subscribe, roles: [sensor], topics: [¦$share/g/] }"), ["rules[0].topics[0]", "a group and a filter"]],
  ["$share of a wild group", rule("{ id: r, allow: subscribe, roles: [sensor], topics: [¦$share/+/a] }"), ["rules[0].topics[0]", "none of + # %"]],
  ["$share with # in the middle", rule('{ id: r, allow: subscribe, roles: [sensor], topics: [¦"$share/g/#/a"] }'), ["rules[0].topics[0]", "the last level"]],
]

for (const [name, marked, ...expected] of FAULTS) {
  const tagged = name.startsWith("[") ? name.replace("] ", "] refuses ") : `[CR 3.5] refuses ${name}`
  test(tagged, () => faulty(read, marked, expected))
}

test.run()
