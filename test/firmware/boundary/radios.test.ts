import { suite } from "uvu"
import * as assert from "uvu/assert"
import { watchRadios } from "../../../firmware/boundary/radios.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryNetworkInterfaces } from "../../../hal/memory/network-interfaces.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import { makePolicy } from "../../support/policies.ts"

const test = suite("firmware/boundary/radios")

function start() {
  const interfaces = new MemoryNetworkInterfaces()
  const clock = new MemoryClock()
  const events: AuditEvent[] = []
  const now: { policy: Policy | null } = { policy: makePolicy([]) }
  const watch = watchRadios({ interfaces, clock, policy: () => now.policy, note: (event) => events.push(event) })
  return {
    interfaces,
    watch,
    now,
    said: () => events.map(({ id, object }) => `${id} ${object ?? ""}`),
    async look(): Promise<void> {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
      clock.advance(2_000)
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

test("[CR 2.2] [NDR 1.6] a radio that comes up unnamed is an alarm, once; its end is told", async () => {
  const { interfaces, watch, look, said } = start()
  interfaces.set({ name: "wlan0", radio: "wifi", up: false })
  await look()
  assert.equal(said(), [])
  interfaces.set({ name: "wlan0", radio: "wifi", up: true })
  interfaces.set({ name: "hci0", radio: "bluetooth", up: true })
  await look()
  await look()
  assert.equal(said(), ["radio.up wlan0", "radio.up hci0"])
  assert.equal(watch.unnamed, ["wlan0", "hci0"])
  interfaces.set({ name: "wlan0", radio: "wifi", up: false })
  await look()
  assert.equal(said().slice(2), ["radio.down wlan0"])
  watch.stop()
})

test("[CR 2.2] what the policy names may be up; without a policy nothing may", async () => {
  const { interfaces, watch, look, said, now } = start()
  now.policy = { ...makePolicy([]), radios: ["wwan0"] }
  interfaces.set({ name: "wwan0", radio: "cellular", up: true })
  await look()
  assert.equal(said(), [])
  now.policy = null
  await look()
  assert.equal(said(), ["radio.up wwan0"])
  watch.stop()
})

test("[CR 2.2] a board that cannot say is an alarm", async () => {
  const { interfaces, watch, look, said } = start()
  interfaces.blind = true
  await look()
  await look()
  assert.equal(said(), ["radio.unknown "])
  watch.stop()
})

test.run()
