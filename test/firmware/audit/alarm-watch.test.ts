/** Alarms at a real mosquitto, and somebody who changes them there. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { publishAlarms } from "../../../firmware/audit/alarm-publisher.ts"
import { createAlarmWatch } from "../../../firmware/audit/alarm-watch.ts"
import type { AlarmSource } from "../../../firmware/audit/alarms.ts"
import { dialMqtt } from "../../../firmware/audit/mqtt-link.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import type { OpenAlarm } from "../../../policy/audit/alarm.ts"
import { writeAuditAcl } from "../../../policy/export/audit-acl.ts"
import { mosquittoPub, mosquittoSub } from "../../peers/mosquitto-clients.ts"
import { startMosquitto } from "../../peers/mosquitto.ts"
import { clock, retainedScene, until } from "../../support/retained-scene.ts"

const test = suite("firmware/audit/alarm-watch")
const ALARM = {
  id: "door",
  since: "2030",
  last: "2031",
  count: 3,
  seq: 9,
  severity: "alarm",
  text: "open",
} as OpenAlarm
const ROOT = "lockgate/gw/alarm"

/** Alarms as a plain map. */
function sourceOf(open: Map<string, OpenAlarm>): AlarmSource & { change(id: string): void } {
  let change: (id: string) => void = () => undefined
  return {
    get: (id) => open.get(id) ?? null,
    told: () => [...open.keys()],
    cleared: () => undefined,
    onChange: (listener) => {
      change = listener
      return () => undefined
    },
    change: (id) => change(id),
  }
}

test("[CR 6.2] [CR 3.9] an alarm that others overwrite, clear or invent at a real broker is put right and told; our own changes are not", async () => {
  const broker = await startMosquitto({ quiet: true })
  const { openStream } = retainedScene(() => broker.port)
  const before = JSON.stringify({ ...ALARM, count: 2, seq: 5, last: "2030" })
  const at = { port: broker.port, retain: true, qos: 1 } as const
  await mosquittoPub({ ...at, topic: `${ROOT}/door`, message: before })
  const link = await dialMqtt({ gateway: "gw", openStream })
  const open = new Map([["door", ALARM]])
  const alarms = sourceOf(open)
  const [stopping, reports] = [new AbortController(), [] as AuditEvent[]]
  const report = (event: AuditEvent): void => void reports.push(event)
  const over = publishAlarms({ link, alarms, clock, gateway: "gw", signal: stopping.signal, report })
  const sub = await mosquittoSub({ port: broker.port, topics: [`${ROOT}/#`], qos: 1 })
  const shown = (id: string): string | undefined => sub.messages.findLast(({ topic }) => topic === `${ROOT}/${id}`)?.payload.toString() // prettier-ignore
  await until("it stands there", () => shown("door") === JSON.stringify(ALARM))
  assert.equal(reports, [], "what stood there from before is no attack")
  for (const [id, message] of [
    ["door", "nothing is wrong"],
    ["door", ""],
    ["invented", "call 555"],
    ["a/b", "x"],
  ] as const) {
    const seen = sub.messages.length
    await mosquittoPub({ ...at, topic: `${ROOT}/${id}`, message })
    const right = id === "door" ? JSON.stringify(ALARM) : ""
    await until(`it is right again: ${id}`, () => sub.messages.length >= seen + 2 && shown(id) === right)
  }
  open.set("door", { ...ALARM, count: 4 })
  alarms.change("door")
  await until("it counts on", () => shown("door")?.includes('"count":4') === true)
  open.delete("door")
  alarms.change("door")
  await until("it is acknowledged", () => shown("door") === "")
  stopping.abort()
  await over
  await link.close()
  await sub.stop()
  await broker.stop()
  assert.equal(
    reports.map(({ id, reason, object, count }) => [id, reason, object, count ?? 1]),
    [
      ["audit.alarm-altered", "overwritten", "alarm/door", 1],
      ["audit.alarm-altered", "foreign", "alarm/a/b", 3],
    ],
  )
})

test("[CR 3.9] under the printed access list nobody else writes alarms or the log, and a cosigner speaks under its name alone", async () => {
  const acl = writeAuditAcl("gw", "gateway", { operators: ["anna"], collectors: ["siem"], witnesses: ["gw-2"] })
  const broker = await startMosquitto({ acl })
  const writes = async (username: string | undefined, topic: string): Promise<boolean> => {
    const login = username === undefined ? {} : { args: ["-u", username] }
    const message = { topic: `lockgate/gw/${topic}`, message: "x", qos: 1, version: "5" } as const
    return !/[Nn]ot authori[sz]ed/.test((await mosquittoPub({ port: broker.port, ...login, ...message })).output)
  }
  const places = ["alarm/door", "log/edge", "heartbeat", "online", "witness/siem", "witness/gw-2", "witness/gw-2/refused", "witness/x"] // prettier-ignore
  const may: Record<string, readonly string[]> = {}
  for (const user of ["gateway", "anna", "siem", "gw-2", undefined]) {
    const written = await Promise.all(places.map(async (place) => ((await writes(user, place)) ? [place] : [])))
    may[user ?? "nobody"] = written.flat()
  }
  await broker.stop()
  assert.equal(may, {
    gateway: ["alarm/door", "log/edge", "heartbeat", "online"],
    anna: [],
    siem: ["witness/siem"],
    "gw-2": ["witness/gw-2", "witness/gw-2/refused"],
    nobody: [],
  })
})

test("[CR 3.5] whatever stands at an alarm's topic, it is judged and nothing is thrown; topics of others are passed over", () => {
  const found: string[] = []
  const watch = createAlarmWatch({
    gateway: "gw",
    alarms: { get: (id) => (id === "door" ? ALARM : null) },
    found: (reason, object) => void found.push(`${reason} ${object}`),
  })
  const take = (topic: string, text: string, retained = true) => watch.take({ topic, payload: Buffer.from(text), retained }) // prettier-ignore
  for (const text of ["{", "null", "[]", "{}", '"x"', JSON.stringify({ ...ALARM, count: 99 }), JSON.stringify({ ...ALARM, text: "fine" })])
    assert.is(take(`${ROOT}/door`, text), "door", text) // prettier-ignore
  assert.is(take("lockgate/gw/log/edge", "x"), null)
  assert.is(take("lockgate/other/alarm/door", "x"), null)
  assert.is(found.length, 7)
  for (let k = 0; k < 1000; k++) take(`${ROOT}/${k}`, "x")
  assert.is(watch.takeForeign().length, 64)
  assert.is(watch.hasForeign, false)
})

test.run()
