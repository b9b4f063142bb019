import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openAlarms, type Alarms } from "../../../firmware/audit/alarms.ts"
import { publishAlarms } from "../../../firmware/audit/alarm-publisher.ts"
import type { AuditLog } from "../../../firmware/audit/log.ts"
import { linkError } from "../../../firmware/audit/mqtt-link.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import type { FaultPlan, Landed, Unsynced } from "../../../hal/memory/fault-plan.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { tellStorm } from "../../storm/figures.ts"
import { allEntries, openTestLog, sampleEvent, settled } from "../../support/audit.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/audit/alarms")
const GRAVE: AuditEvent = { id: "tamper.detected", outcome: "failure", source: "gpio", object: "door" }

interface World {
  readonly storage: MemoryStorage
  readonly clock: MemoryClock
  readonly log: AuditLog
  readonly alarms: Alarms
}

async function world(storage = new MemoryStorage()): Promise<World> {
  const clock = new MemoryClock()
  const log = await openTestLog(storage, { clock })
  const alarms = await openAlarms({ log, storage, clock, audit: (event) => log.append(event) })
  alarms.start()
  await settled()
  return { storage, clock, log, alarms }
}

const short = (alarms: Alarms): unknown => alarms.list().map(({ id, count }) => [id, count])
const told = async (log: AuditLog): Promise<unknown[]> =>
  (await allEntries(log)).filter(({ event }) => event.startsWith("alarm.")).map(({ event, object, subject }) => [event, object, subject]) // prettier-ignore

test("[CR 6.2] a grave entry is an alarm, told in the log once, open over a restart and a kill until it is acknowledged", async () => {
  const first = await world()
  await first.log.append(sampleEvent("harmless"))
  await first.log.append(GRAVE)
  await settled()
  await first.log.append(GRAVE)
  await settled()
  assert.equal(short(first.alarms), [["tamper.detected", 2]])
  assert.is(first.alarms.open, 1)
  assert.equal(await told(first.log), [["alarm.raised", "tamper.detected", null]])
  const second = await world(first.storage.processKill())
  assert.equal(short(second.alarms), [["tamper.detected", 2]], "looked at once and not twice")
  const closed = await second.alarms.acknowledge("tamper.detected", "anna", "the door is shut")
  assert.equal([closed.count, second.alarms.open], [2, 0])
  await rejects(() => second.alarms.acknowledge("tamper.detected", "anna", ""), "ERR_ALARM_NOT_OPEN")
  await rejects(() => second.alarms.acknowledge("tamper.detected", "anna", "  "), "ERR_ALARM_NOTE")
  assert.equal((await told(second.log)).at(-1), ["alarm.acknowledged", "tamper.detected", "anna"])
  assert.is((await world(second.storage.powerCut())).alarms.open, 0)
})

test("the rules of the policy take the place of the usual ones; null brings those back", async () => {
  const { log, alarms } = await world()
  const rule = { id: "busy", on: ["conduit.connected"], conduits: [], subjects: [], count: 3, withinMs: 60_000, text: "busy" } as const // prettier-ignore
  alarms.follow([rule])
  await log.append(GRAVE)
  for (let k = 0; k < 3; k++) await log.append(sampleEvent(`${k}`))
  await settled()
  assert.equal(short(alarms), [["busy", 3]])
  alarms.follow(null)
  await log.append(GRAVE)
  await settled()
  assert.equal(short(alarms), [["busy", 3], ["tamper.detected", 1]]) // prettier-ignore
})

test("[CR 2.10] while the log is not written, which no entry can say, there is an alarm all the same", async () => {
  const { storage, log, alarms } = await world()
  storage.fail({ step: "write", errno: "EIO", path: "audit/tail", times: 99 })
  await rejects(() => log.append(GRAVE), "ERR_AUDIT_FAILING")
  assert.equal(short(alarms), [["audit.failing", 1]])
})

test("an acknowledgement that cannot be written down closes nothing", async () => {
  const { storage, log, alarms } = await world()
  await log.append(GRAVE)
  await settled()
  storage.fail({ step: "write", errno: "EIO", path: "audit/alarms", times: 1 })
  await rejects(() => alarms.acknowledge("tamper.detected", "anna", ""), "ERR_IO")
  assert.equal(short(alarms), [["tamper.detected", 1]])
  await alarms.acknowledge("tamper.detected", "anna", "")
})

test("[CR 3.5] a file of alarms that is not as we write it costs nothing but a second look at the log", async () => {
  const { storage, log } = await world()
  await log.append(GRAVE)
  await settled()
  await log.close()
  const good = new TextDecoder().decode((await storage.read("audit/alarms")) ?? new Uint8Array())
  const spoilt = ["", "{", "null", "[]", good.replace('"next":', '"next":9'), good.replace('"count":1', '"count":-1')]
  for (const text of [...spoilt, good.replace("tamper.detected", "../x"), good.slice(0, -9)]) {
    const found = storage.powerCut("kept")
    await found.write("audit/alarms", new TextEncoder().encode(text))
    assert.equal(short((await world(found)).alarms), [["tamper.detected", 1]], text)
  }
})

test("counts that only grow are not written at each entry, to spare the flash, and are exact all the same", async () => {
  const { storage, clock, log, alarms } = await world()
  await log.append(GRAVE)
  await settled()
  const file = async (): Promise<string> => new TextDecoder().decode((await storage.read("audit/alarms")) ?? undefined)
  const before = await file()
  for (let k = 0; k < 50; k++) await log.append(GRAVE)
  await settled()
  assert.equal(short(alarms), [["tamper.detected", 51]])
  assert.is(await file(), before)
  clock.advance(30_000)
  await settled()
  assert.is.not(await file(), before)
})

test("[CR 6.2] power cut (model) at every step: every grave entry of the log is in the alarm exactly once", async () => {
  const LANDED: readonly Landed[] = ["none", "all", "zeros", { prefix: 60 }]
  const UNSYNCED: readonly Unsynced[] = ["kept", "lost", { subset: 5 }]
  const run = async (storage: MemoryStorage): Promise<void> => {
    try {
      const { log, alarms } = await world(storage)
      for (let k = 0; k < 4; k++) {
        await log.append(k % 2 === 0 ? GRAVE : sampleEvent(`${k}`))
        await settled()
      }
      await alarms.stop()
      await log.close()
    } catch {
      // Power is gone.
    }
  }
  const whole = new MemoryStorage()
  await run(whole)
  let [cuts, open] = [0, 0]
  for (let cutAt = 1; cutAt <= whole.steps; cutAt++) {
    for (const landed of LANDED) {
      const plan: FaultPlan = { cutAt, landed, unsynced: UNSYNCED[cuts % UNSYNCED.length] ?? "lost" }
      const storage = new MemoryStorage()
      storage.plan = plan
      await run(storage)
      const { log, alarms } = await world(storage.powerCut())
      const grave = (await allEntries(log)).filter(({ event }) => event === "tamper.detected").length
      assert.equal(short(alarms), grave === 0 ? [] : [["tamper.detected", grave]], JSON.stringify(plan))
      cuts++
      open += alarms.open
    }
  }
  tellStorm("power cut (model)", "alarms: exactly once", { cuts, open })
  assert.ok(cuts > 60 && open > 30, `${cuts} cuts, ${open} with an alarm`)
})

/** A broker that keeps what is retained; the link can be lost. */
class RetainingBroker {
  readonly retained = new Map<string, string>()
  readonly heard: string[] = []
  #lose: (() => void) | null = null
  session({ alarms, clock }: World): { readonly over: Promise<void>; stop(): void } {
    const stopping = new AbortController()
    let lost = false
    const listeners: ((reason: string) => void)[] = []
    this.#lose = () => {
      lost = true
      for (const listener of listeners) listener("ECONNRESET")
    }
    const publish = async (topic: string, payload: Uint8Array, retain: boolean): Promise<void> => {
      await Promise.resolve()
      if (lost) throw linkError("ECONNRESET")
      assert.ok(retain)
      const text = Buffer.from(payload).toString()
      this.heard.push(`${topic} ${text === "" ? "cleared" : "open"}`)
      if (text === "") this.retained.delete(topic)
      else this.retained.set(topic, text)
    }
    const link = {
      publish,
      subscribe: () => Promise.resolve(),
      onMessage: () => undefined,
      onLost: (listener: (reason: string) => void) => void listeners.push(listener),
    }
    const over = publishAlarms({ link, alarms, clock, gateway: "gw", signal: stopping.signal, report: () => undefined })
    return { over, stop: () => stopping.abort() }
  }
  lose(): void {
    this.#lose?.()
  }
}

const TOPIC = "lockgate/gw/alarm/tamper.detected"

test("[CR 6.2] an open alarm stands at the broker as retained JSON; acknowledged, it is cleared", async () => {
  const w = await world()
  const broker = new RetainingBroker()
  const { over, stop } = broker.session(w)
  await settled()
  w.clock.advance(1_000)
  await settled()
  await w.log.append(GRAVE)
  await settled()
  const { id, since, last, count, seq, severity, text } = JSON.parse(broker.retained.get(TOPIC) ?? "{}")
  assert.equal([id, count, severity], ["tamper.detected", 1, "alarm"])
  assert.equal([since, text], [last, "the enclosure was opened, or its switch says so"])
  assert.is(seq, (await allEntries(w.log)).find(({ event }) => event === "tamper.detected")?.seq)
  await w.alarms.acknowledge("tamper.detected", "anna", "")
  w.clock.advance(1_000)
  await settled()
  assert.equal([...broker.retained], [])
  assert.equal(w.alarms.told(), [])
  stop()
  await over
})

test("[CR 6.2] what was acknowledged while the broker was lost is cleared when it is back, restarts included", async () => {
  const first = await world()
  await first.log.append(GRAVE)
  await settled()
  const broker = new RetainingBroker()
  const before = broker.session(first)
  await settled()
  assert.ok(broker.retained.has(TOPIC))
  broker.lose()
  await before.over
  await first.alarms.acknowledge("tamper.detected", "anna", "")
  const second = await world(first.storage.processKill())
  const after = broker.session(second)
  await settled()
  assert.equal([...broker.retained], [])
  after.stop()
  await after.over
})

test("[CR 7.1] under a flood the broker hears of an alarm once a second, as it is then", async () => {
  const w = await world()
  const broker = new RetainingBroker()
  const { over, stop } = broker.session(w)
  for (let k = 0; k < 100; k++) {
    await w.log.append(GRAVE)
    w.clock.advance(100)
    await settled()
  }
  assert.ok(broker.heard.length >= 9 && broker.heard.length <= 12, `${broker.heard.length} messages in ten seconds`)
  w.clock.advance(1_000)
  await settled()
  assert.match(broker.retained.get(TOPIC) ?? "", '"count":100,')
  stop()
  await over
})

test.run()
