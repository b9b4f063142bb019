import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { ConduitCounters } from "../../../firmware/conduits/messages.ts"
import { emptyModel, liveEntry, withCounters, withEntry, type LiveModel } from "../../../firmware/console/live-model.ts"
import { printable, renderLive, renderPlain } from "../../../firmware/console/live-view.ts"

const test = suite("firmware/console/live-view")

function counters(n: number): ConduitCounters {
  const denials = [
    { rule: null, reason: "no-rule", count: n },
    { rule: "not-another", reason: "deny-rule", count: 3 * n },
  ]
  return {
    conduit: "telemetry",
    connections: 5,
    accepted: 6,
    refusedPeers: 2,
    allowedUp: 100 * n,
    allowedDown: 2 * n,
    deniedUp: 4 * n,
    deniedDown: 0,
    bytesUp: 0,
    bytesDown: 0,
    denials,
  }
}

const ENTRY =
  `{"seq":7,"time":"2026-02-03T04:05:06.000Z","type":"warning","event":"conduit.denied","outcome":"denied",` +
  `"subject":"rogue","object":"plant/tank-level/telemetry","rule":"not-another","reason":"deny-rule","count":3}`

function model(): LiveModel {
  let it = withCounters(emptyModel("gw-demo"), [counters(1)], 1000)
  it = withCounters(it, [counters(3)], 3000)
  it = withEntry({ ...it, policy: "demo plant, version 1, confirmed", posture: "open", upMs: 3_725_000 }, ENTRY)
  return {
    ...it,
    hints: [
      "mosquitto_pub -h 127.0.0.1 --cafile .demo/field-ca.pem --cert .demo/by-hand.pem -t plant/by-hand/telemetry -m 1",
    ],
    plant: {
      kind: "report",
      broker: { clients: 7, arrived: 12345, byClient: { flow: 5000 }, leaked: 0, management: 12 },
      sensors: { connected: 4, of: 4, sent: 5001 },
      operator: { commands: 3, received: 3 },
      rogue: { tried: { command: 2 } },
    },
  }
}

const size = { columns: 100, rows: 30, colour: false }

test("shows per conduit what passes and what is denied, by which rule and reason", () => {
  const screen = renderLive(model(), size)
  assert.match(screen, /telemetry +5 +100\.0 +2\.0 +4\.0 +306 +12 +2\n/)
  assert.match(screen, /deny-rule +not-another +telemetry +3\.0\/s +9\n/)
  assert.match(screen, /no-rule +- +telemetry +1\.0\/s +3\n/)
  assert.ok(screen.indexOf("deny-rule") < screen.indexOf("no-rule"), "the busiest first")
})

test("shows policy, posture, time, the last entries and what arrived", () => {
  const screen = renderLive(model(), size)
  for (const text of ["Lockgate gw-demo", "demo plant, version 1, confirmed", "open", "up 1:02:05"])
    assert.ok(screen.includes(text), text)
  assert.match(screen, "04:05:06  #7  conduit.denied  rogue  plant/tank-level/telemetry  deny-rule by not-another x3")
  assert.match(screen, "12,345 messages, 0 that the policy forbids, 3 of 3 set points")
})

test("shows why the last one was denied and what is being played; in plain lines an explanation comes once", () => {
  const told = {
    ...model(),
    explained: ["verdict   DENIED: no-rule", "change    \x1b[2Jnothing"],
    story: ["policy 3 is on trial"],
  }
  const screen = renderLive(told, { ...size, rows: 40 })
  for (const text of [
    "WHY THE LAST ONE WAS DENIED",
    "verdict   DENIED: no-rule",
    "WHAT HAPPENS",
    "policy 3 is on trial",
  ])
    assert.ok(screen.includes(text), text)
  assert.not.ok(screen.includes("\x1b"))
  assert.not.ok(renderLive(model(), size).includes("WHY THE LAST"))
  assert.ok(renderPlain(told, null).includes("  verdict   DENIED: no-rule"))
  assert.not.ok(renderPlain(told, told).join("\n").includes("verdict"))
})

test("a hint that is too long is broken so that it can still be copied", () => {
  const screen = renderLive(model(), { ...size, columns: 72 })
  const start = screen.indexOf("mosquitto_pub")
  const copied = screen.slice(start).split("\n").map((line) => line.trim()).join(" ") // prettier-ignore
  assert.is(copied.replaceAll(" \\ ", " "), model().hints[0])
})

test("never more rows or columns than there are, at any size", () => {
  let it = model()
  for (let i = 0; i < 200; i++) it = withEntry(it, ENTRY.replace('"seq":7', `"seq":${i}`))
  for (let rows = 0; rows < 60; rows++)
    for (const columns of [0, 1, 20, 79, 80, 200]) {
      const lines = renderLive(it, { columns, rows, colour: false }).split("\n")
      assert.ok(lines.length <= Math.max(rows, 1), `${lines.length} lines in ${rows} rows`)
      assert.ok(
        lines.every((line) => line.length <= columns),
        `too wide at ${columns}`,
      )
    }
})

test("an ordinary terminal of 80 x 24 shows every section", () => {
  let it = model()
  for (let i = 0; i < 20; i++) it = withEntry(it, ENTRY.replace('"seq":7', `"seq":${i}`))
  const screen = renderLive(it, { columns: 80, rows: 24, colour: false })
  for (const title of ["CONDUIT", "ARRIVED", "DENIED", "LAST AUDIT", "TRY IT"]) assert.ok(screen.includes(title), title)
  assert.ok(screen.includes("#19"), "the newest entry is there")
})

test("colour is a matter of escapes only", () => {
  const coloured = renderLive(model(), { ...size, colour: true })
  assert.match(coloured, "\x1b[1m")
  assert.is(coloured.replace(/\x1b\[\d+m/g, ""), renderLive(model(), size)) // eslint-disable-line no-control-regex
})

test("[CR 3.5] what peers send cannot steer the terminal", () => {
  const nasty = `{"seq":8,"event":"conduit.denied","object":"a\\u001b]0;x\\u0007\\u009b31m\\u202e\\u200b\\n\\ttopic"}`
  const it = withEntry(withEntry(model(), nasty), "\x1b[2Jno json\x9b")
  for (const text of [renderLive(it, size), renderPlain(it, null).join("\n")]) {
    assert.not.match(text, /[^\n\x20-\x7e\u00a1-\u0587]/)
    assert.match(text, "?[2Jno json?")
  }
  for (let c = 0; c < 0x3000; c++) {
    const shown = printable(String.fromCodePoint(c))
    assert.not.match(shown, /\p{Cc}|\p{Cf}|\p{Mn}|\p{Zl}/u, `U+${c.toString(16)}`)
  }
})

test("what an input, an output, a listener or the posture came to be stands in its line", () => {
  const closed = `{"seq":1,"event":"conduit.closed","conduit":"drive"}`
  assert.match(liveEntry(closed).text, "conduit.closed  drive")
  const posture = `{"seq":1,"event":"gateway.posture","reason":"island","detail":{"normal":"closed"}}`
  assert.match(liveEntry(posture).text, "gateway.posture  island  flows closed")
  const line = (event: string, detail: string): string => `{"seq":1,"event":"${event}","object":"x","detail":${detail}}`
  assert.match(liveEntry(line("input.changed", `{"state":"island"}`)).text, "input.changed  x  island")
  assert.match(liveEntry(line("output.changed", `{"on":true,"shows":"island"}`)).text, "output.changed  x  on")
  assert.match(liveEntry(line("output.changed", `{"on":false}`)).text, "output.changed  x  off")
  assert.is(liveEntry(line("input.changed", `{"state":{}}`)).text, "#1  input.changed  x")
})

test("plain lines tell an entry once, and the rates each time", () => {
  const first = model()
  assert.equal(renderPlain(first, null), [
    "04:05:06  #7  conduit.denied  rogue  plant/tank-level/telemetry  deny-rule by not-another x3",
    "telemetry: up 100.0 down 2.0 denied 4.0 messages/s (deny-rule by not-another 3.0, no-rule 1.0) | " +
      "broker: 12,345 messages, 0 that the policy forbids, 3 of 3 set points taken; sensors 4 of 4, audit 12",
  ])
  assert.is(renderPlain(first, first).length, 1)
  assert.equal(renderPlain(emptyModel("gw"), null), [])
})

test("rates hold between snapshots that come too fast, and start anew with a new engine", () => {
  let it = withCounters(emptyModel("gw"), [counters(1)], 0)
  it = withCounters(it, [counters(2)], 1000)
  assert.is(it.conduits[0]!.perSecond.up, 100)
  it = withCounters(it, [counters(3)], 1100)
  assert.is(it.conduits[0]!.perSecond.up, 100, "held")
  assert.is(it.conduits[0]!.totals.allowedUp, 300, "but the totals are new")
  it = withCounters(it, [counters(4)], 2000)
  assert.is(it.conduits[0]!.perSecond.up, 200)
  it = withCounters(it, [{ ...counters(0), accepted: 0 }], 3000)
  assert.is(it.conduits[0]!.perSecond.up, 0)
  assert.equal(withCounters(it, [], 4000).conduits, [])
})

test("an entry of a newer release, or damaged, is shown and not lost", () => {
  assert.equal(liveEntry(`{"seq":1,"type":"dire","event":"new.thing"}`), {
    seq: 1,
    tone: "warning",
    text: "#1  new.thing",
  })
  assert.equal(liveEntry("{"), { seq: -1, tone: "warning", text: "{" })
  for (const odd of ["null", "3", `"x"`, "[]"]) assert.is(liveEntry(odd).seq, -1, odd)
})

test.run()
