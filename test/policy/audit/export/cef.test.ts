import * as fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Entry } from "../../../../policy/audit/entry.ts"
import { EVENTS } from "../../../../policy/audit/event.ts"
import { cefLine } from "../../../../policy/audit/export/cef.ts"
import { MAX_SYSLOG_BYTES, syslogCefMessage } from "../../../../policy/audit/export/syslog.ts"
import { hostileEntry } from "./hostile-entry.ts"

const test = suite("policy/audit/export/cef")

const ENTRY: Entry = {
  ...{ seq: 17, time: "2030-01-31T12:00:00.123Z", earliest: 1_896_091_200_000, latest: 1_896_091_201_000 },
  ...{ boot: "b0", mono: 5, gateway: "gw-7", source: "conduit/field", category: "access-control", type: "warning" },
  ...{ event: "conduit.denied", outcome: "denied", subject: "pump-1", conduit: "field", object: "plant/a" },
  ...{ rule: "r1", reason: "deny-rule", count: 12, requirement: "NDR 5.2", detail: { peer: "a=b|c\\d", "x-y": 3 } },
}

interface Cef {
  readonly header: readonly string[]
  readonly extension: ReadonlyMap<string, string>
}

/** A reader of CEF 0 that goes character by character, unlike what writes it. */
function read(line: string): Cef {
  const header: string[] = []
  let at = 0
  for (let part = ""; header.length < 7; at++) {
    const character = line[at]
    if (character === undefined) throw new Error("the header ends early")
    if (character === "|") {
      header.push(part)
      part = ""
    } else if (character === "\\") {
      const escaped = line[++at]
      assert.ok(escaped === "|" || escaped === "\\", "only these are escaped in a header")
      part += escaped
    } else part += character
  }
  const extension = new Map<string, string>()
  // A key begins at the start or behind a space, and ends at the first "=" that no backslash precedes.
  let rest = line.slice(at)
  while (rest !== "") {
    const [whole, key] = /^([A-Za-z0-9_]+)=/.exec(rest) ?? ["", ""]
    assert.ok(whole !== "", `no key at ${rest.slice(0, 20)}`)
    assert.not.ok(extension.has(key), `${key} stands twice`)
    let value = ""
    let n = whole.length
    for (; n < rest.length; n++) {
      const character = rest[n]!
      if (character === "\\") {
        const escaped = rest[++n]
        assert.ok(escaped !== undefined && "=\\nr".includes(escaped), "only these are escaped in a value")
        value += escaped === "n" ? "\n" : escaped === "r" ? "\r" : escaped
      } else if (character === " " && /^ [A-Za-z0-9_]+=/.test(rest.slice(n))) break
      else {
        assert.is.not(character, "=", "a bare = in a value")
        value += character
      }
    }
    extension.set(key, value)
    rest = rest.slice(n + 1)
  }
  return { header, extension }
}

/** What a character that drives terminals is written as, told again by other means; line ends stay. */
function told(text: string): string {
  return Array.from(text.toWellFormed())
    .map((character) => {
      const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/u // prettier-ignore
      if (character === "\n" || character === "\r" || !unsafe.test(character)) return character
      return Array.from({ length: character.length }, (_, k) => `\\u${character.charCodeAt(k).toString(16).padStart(4, "0")}`).join("") // prettier-ignore
    })
    .join("")
}

test("[CR 6.1] an entry becomes a line of CEF with everything that it says", () => {
  assert.is(
    cefLine(ENTRY, { version: "1.2|3" }),
    "CEF:0|Lockgate|Lockgate|1.2\\|3|conduit.denied|messages were denied by policy|6|rt=1896091200123 dvchost=gw-7 externalId=17 " +
      "cat=access-control outcome=denied suser=pump-1 reason=deny-rule cnt=12 deviceProcessName=conduit/field cs1=field " +
      "cs1Label=conduit cs2=plant/a cs2Label=object cs3=r1 cs3Label=rule cs4=NDR 5.2 cs4Label=requirement cs5=b0 cs5Label=boot " +
      "flexString1=warning flexString1Label=type cn1=5 cn1Label=mono deviceCustomDate1=1896091200000 " +
      "deviceCustomDate1Label=earliest deviceCustomDate2=1896091201000 deviceCustomDate2Label=latest " +
      "LGATEpeer=a\\=b|c\\\\d LGATEx_2d_y=3",
  )
})

test("the signature is the event's id and the severity what the event and its outcome say", () => {
  for (const [event, { severity, text }] of Object.entries(EVENTS)) {
    const { header } = read(cefLine({ ...ENTRY, event, type: severity, outcome: "success" }))
    assert.equal(header.slice(3), ["-", event, text, { info: "1", notice: "3", warning: "5", alarm: "9" }[severity]])
  }
  const graver = (type: string, outcome: string): string => read(cefLine({ ...ENTRY, type, outcome })).header[6]!
  assert.equal([graver("alarm", "failure"), graver("info", "denied"), graver("dire", "success"), graver("__proto__", "x")], ["10", "2", "5", "6"]) // prettier-ignore
})

test("[CR 3.5] whatever an entry says, it is one line, and another reader gets every value back", () => {
  fc.assert(
    fc.property(hostileEntry, (entry) => {
      const line = cefLine(entry)
      assert.not.match(line, /[\p{Cc}\u2028\u2029]/u)
      const { header, extension } = read(line)
      assert.is(header[0], "CEF:0")
      assert.is(header[4], told(entry.event).replaceAll("\n", "\\u000a").replaceAll("\r", "\\u000d"))
      const expected: [string, string | number | undefined][] = [
        ["rt", Date.parse(entry.time)],
        ["dvchost", entry.gateway],
        ["externalId", entry.seq],
        ["cat", entry.category],
        ["outcome", entry.outcome],
        ["suser", entry.subject ?? undefined],
        ["reason", entry.reason],
        ["cnt", entry.count],
        ["deviceProcessName", entry.source],
        ["cs1", entry.conduit],
        ["cs2", entry.object],
        ["cs3", entry.rule],
        ["cs4", entry.requirement],
        ["cs5", entry.boot],
        ["cs6", entry.request],
        ["flexString1", entry.type],
        ["cn1", entry.mono],
        ["deviceCustomDate1", entry.earliest],
        ["deviceCustomDate2", entry.latest ?? undefined],
      ]
      for (const [key, value] of expected)
        assert.is(extension.get(key), value === undefined ? undefined : told(String(value)), key)
      const facts = [...extension].filter(([key]) => key.startsWith("LGATE"))
      const names = facts.map(([key]) => key.slice(5).replace(/_([0-9a-f]+)_/g, (_, hex: string) => String.fromCodePoint(Number(`0x${hex}`)))) // prettier-ignore
      const distinct = new Map(Object.entries(entry.detail ?? {}).map(([name, value]) => [name.toWellFormed(), value]))
      if (distinct.size === Object.keys(entry.detail ?? {}).length) {
        assert.equal(names, [...distinct.keys()])
        assert.equal(facts.map(([, value]) => value), [...distinct.values()].map((value) => told(String(value)))) // prettier-ignore
      }
    }),
    { numRuns: 300 },
  )
})

test("[CR 3.5] in a syslog message it keeps within what every receiver takes, and says how many facts it left out", () => {
  fc.assert(
    fc.property(hostileEntry, (entry) => {
      const fits = { ...entry, boot: entry.boot.slice(0, 36), event: entry.event.slice(0, 32), gateway: entry.gateway.slice(0, 64) } // prettier-ignore
      const message = syslogCefMessage(fits)
      assert.ok(new TextEncoder().encode(message).length <= MAX_SYSLOG_BYTES)
      read(message.slice(message.indexOf("] CEF:0|") + 2))
    }),
    { numRuns: 200 },
  )
  const detail = Object.fromEntries(Array.from({ length: 16 }, (_, k) => [`fact${k}`, "x".repeat(200)]))
  const message = syslogCefMessage({ ...ENTRY, detail })
  assert.match(
    message,
    /^<108>1 2030-01-31T12:00:00\.123Z gw-7 lockgate b0 conduit\.denied \[timeQuality [^\]]*\] CEF:0\|/,
  )
  const kept = read(message.slice(message.indexOf("] CEF:0|") + 2)).extension
  assert.is(Number(kept.get("LGATEcut")) + [...kept.keys()].filter((key) => key.startsWith("LGATEfact")).length, 16)
})

test.run()
