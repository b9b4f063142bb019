import * as fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeEntry, MAX_ENTRY_BYTES, parseEntry, type Entry } from "../../../../policy/audit/entry.ts"
import { frameSyslog, MAX_SYSLOG_BYTES, syslogMessage } from "../../../../policy/audit/export/syslog.ts"

const test = suite("policy/audit/export/syslog")

const ENTRY: Entry = {
  ...{ seq: 17, time: "2030-01-31T12:00:00.123Z", earliest: 1_896_091_200_000, latest: 1_896_091_201_000 },
  ...{ boot: "b0", mono: 5, gateway: "gw-7", source: "conduit/field", category: "access-control", type: "warning" },
  ...{ event: "conduit.denied", outcome: "denied", subject: "pump-1", conduit: "field", object: "plant/a" },
  ...{ rule: "r1", reason: "deny-rule", count: 12, requirement: "NDR 5.2" },
}

/** RFC 5424 section 6, read strictly by other means than those that write it. */
const HEADER =
  /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) (.*)$/s

interface Told {
  readonly header: readonly string[]
  readonly data: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly text: string
}

function read(message: string): Told {
  assert.match(message, HEADER)
  const [, ...found] = HEADER.exec(message) ?? []
  let rest = found.pop()!
  const data = new Map<string, Map<string, string>>()
  while (rest.startsWith("[")) {
    const [begin, id] = /^\[([\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32})/.exec(rest) ?? ["", undefined]
    const values = new Map<string, string>()
    assert.not.ok(data.has(id!), "an SD-ID stands once")
    data.set(id!, values)
    rest = rest.slice(begin.length)
    for (let found; (found = /^ ([\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"/su.exec(rest));) {
      values.set(found[1]!, found[2]!.replace(/\\(["\\\]])/g, "$1"))
      rest = rest.slice(found[0].length)
    }
    assert.is(rest[0], "]", rest)
    rest = rest.slice(1)
  }
  assert.ok(rest === "" || rest.startsWith(" "))
  return { header: found, data, text: rest.slice(1) }
}

test("[CR 6.1] an entry becomes a syslog message with everything that it says", () => {
  assert.is(
    syslogMessage(ENTRY),
    '<108>1 2030-01-31T12:00:00.123Z gw-7 lockgate b0 conduit.denied [timeQuality tzKnown="1" isSynced="1" syncAccuracy="1000000"]' +
      '[lockgate@32473 seq="17" earliest="1896091200000" latest="1896091201000" mono="5" source="conduit/field" category="access-control" ' +
      'type="warning" outcome="denied" subject="pump-1" conduit="field" object="plant/a" rule="r1" reason="deny-rule" count="12" requirement="NDR 5.2"]' +
      " messages were denied by policy  by pump-1  at field  plant/a  (deny-rule)  x12",
  )
})

test("how grave an entry is becomes the severity, within the facility of audit logs", () => {
  const priority = (type: string): string => read(syslogMessage({ ...ENTRY, type })).header[0]!
  assert.equal(["alarm", "warning", "notice", "info"].map(priority), ["105", "108", "109", "110"])
  for (const type of ["dire", "constructor", "__proto__"]) assert.is(priority(type), "108")
})

test("[CR 2.11] a clock that nothing bounds is told to be one", () => {
  const quality = read(syslogMessage({ ...ENTRY, latest: null })).data.get("timeQuality")!
  assert.equal([...quality], [["tzKnown", "1"], ["isSynced", "0"]]) // prettier-ignore
})

test("a plant's own number stands in the names", () => {
  const { data } = read(syslogMessage({ ...ENTRY, detail: { a: true } }, { enterprise: 50316 }))
  assert.equal([...data.keys()], ["timeQuality", "lockgate@50316", "fact@50316"])
})

test("quotes, brackets and backslashes come back as they were; text that is not ASCII stands behind a mark", () => {
  const object = 'a"b]c\\d ü'
  const { data, text } = read(syslogMessage({ ...ENTRY, object, detail: { 'k="]': object } }))
  assert.is(data.get("lockgate@32473")?.get("object"), object)
  assert.equal([...data.get("fact@32473")!], [["k___", object]])
  assert.ok(text.startsWith("\ufeff") && text.includes(object))
})

const character = fc.oneof(
  fc.constantFrom('"', "\\", "]", "[", "=", " ", "\n", "\r", "\u001b", "\u202e", "\u009b", "\ud800", "ü", "\u{1f600}"),
  fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
)
const text = fc.array(character, { maxLength: 400 }).map((characters) => characters.join(""))

test("[CR 3.5] whatever an entry says, the message is one of RFC 5424, short enough and free of control characters", () => {
  fc.assert(
    fc.property(text, text, text, fc.dictionary(text, text, { maxKeys: 20 }), (object, boot, gateway, detail) => {
      const line = JSON.stringify({ ...ENTRY, object, boot, gateway, reason: boot.slice(0, 9), detail })
      // As the log would cut it, and as a forger would, who fills an entry to its end.
      const forged = Buffer.from(line).length <= MAX_ENTRY_BYTES ? [parseEntry(Buffer.from(line.toWellFormed()))] : []
      const ours = encodeEntry({
        ...{ seq: 1, wallAt: 0, time: { earliestAt: 0, latestAt: Infinity }, monotonicMs: 0, boot, gateway },
        event: { id: "conduit.denied", outcome: "denied", source: "s", object, detail },
      })
      for (const entry of [parseEntry(ours), ...forged]) {
        const message = syslogMessage(entry)
        read(message)
        assert.ok(Buffer.from(message).length <= MAX_SYSLOG_BYTES)
        // eslint-disable-next-line no-control-regex
        assert.not.match(message, /[\x00-\x1f\x7f-\x9f\u202e]/)
        assert.ok(message.isWellFormed())
      }
    }),
    { numRuns: 300 },
  )
})

test("an entry full of what must be written out is cut, and says of how many facts", () => {
  const nasty = { ...ENTRY, object: "\u202e".repeat(330), detail: { a: 1, b: 2 } }
  const message = syslogMessage(nasty)
  assert.ok(Buffer.from(message).length <= MAX_SYSLOG_BYTES)
  assert.equal([...read(message).data.get("fact@32473")!], [["cut", "2"]])
  assert.is(read(message).data.get("lockgate@32473")?.get("seq"), "17")
})

test("a frame counts bytes, not characters", () => {
  assert.is(Buffer.from(frameSyslog("ü]")).toString(), "3 ü]")
  const two = Buffer.concat([frameSyslog("ab"), frameSyslog("c".repeat(10))])
  assert.is(two.toString(), `2 ab10 ${"c".repeat(10)}`)
})

test.run()
