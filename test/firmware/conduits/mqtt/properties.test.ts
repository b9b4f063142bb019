import { suite } from "uvu"
import * as assert from "uvu/assert"
import {
  numericProperties,
  walkProperties,
  WILL,
  withoutProperties,
} from "../../../../firmware/conduits/mqtt/properties.ts"
import { faultOf } from "../../../../firmware/conduits/mqtt/protocol-error.ts"
import { concat } from "./rig.ts"
import { bitFlips, randomBytes, seeded, truncations } from "../../../support/hostile.ts"
import { rejects } from "../../../support/rejects.ts"

const test = suite("firmware/conduits/mqtt/properties")

const [CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP] = [1, 2, 3, 4, 5, 6, 7] as const
const [SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, DISCONNECT, AUTH] = [8, 9, 10, 11, 14, 15] as const
const PLACES = [
  WILL,
  CONNECT,
  CONNACK,
  PUBLISH,
  PUBACK,
  PUBREC,
  PUBREL,
  PUBCOMP,
  SUBSCRIBE,
  SUBACK,
  UNSUBSCRIBE,
  UNSUBACK,
  DISCONNECT,
  AUTH,
]
const ACKS = [PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK]

const string = [0, 2, 0x61, 0x62]
/** Written down from the standard once more, apart from the code: id, a good value, where it may stand. */
const STANDARD: readonly (readonly [id: number, value: readonly number[], places: readonly number[]])[] = [
  [0x01, [1], [PUBLISH, WILL]],
  [0x02, [0, 0, 0, 9], [PUBLISH, WILL]],
  [0x03, string, [PUBLISH, WILL]],
  [0x08, string, [PUBLISH, WILL]],
  [0x09, [0, 2, 0, 0xff], [PUBLISH, WILL]],
  [0x0b, [0xff, 0x7f], [PUBLISH, SUBSCRIBE]],
  [0x11, [0xff, 0xff, 0xff, 0xff], [CONNECT, CONNACK, DISCONNECT]],
  [0x12, string, [CONNACK]],
  [0x13, [1, 0], [CONNACK]],
  [0x15, string, [CONNECT, CONNACK, AUTH]],
  [0x16, [0, 1, 0xff], [CONNECT, CONNACK, AUTH]],
  [0x17, [0], [CONNECT]],
  [0x18, [0, 0, 0, 0], [WILL]],
  [0x19, [1], [CONNECT]],
  [0x1a, string, [CONNACK]],
  [0x1c, string, [CONNACK, DISCONNECT]],
  [0x1f, string, [CONNACK, ...ACKS, DISCONNECT, AUTH]],
  [0x21, [0, 1], [CONNECT, CONNACK]],
  [0x22, [0, 0], [CONNECT, CONNACK]],
  [0x23, [0, 1], [PUBLISH]],
  [0x24, [1], [CONNACK]],
  [0x25, [0], [CONNACK]],
  [0x26, [...string, ...string], PLACES],
  [0x27, [0, 0, 1, 0], [CONNECT, CONNACK]],
  [0x28, [1], [CONNACK]],
  [0x29, [0], [CONNACK]],
  [0x2a, [1], [CONNACK]],
]

const walk = (place: number, list: readonly number[] | Uint8Array): void =>
  walkProperties(place, Uint8Array.from(list), 0, list.length, null)

test("[CR 3.5] each property stands where the standard lets it, and nowhere else", async () => {
  assert.is(STANDARD.length, 27)
  for (const [id, value, places] of STANDARD) {
    for (const place of PLACES) {
      if (places.includes(place)) walk(place, [id, ...value])
      else await rejects(() => walk(place, [id, ...value]), "ERR_MQTT_PROPERTY")
    }
  }
  const known = new Set(STANDARD.map(([id]) => id))
  for (let id = 0; id < 256; id++) {
    if (!known.has(id))
      for (const place of PLACES) await rejects(() => walk(place, [id, 0, 0, 0, 0]), "ERR_MQTT_PROPERTY")
  }
})

test("each may stand once, but user properties, and subscription identifiers of a PUBLISH", async () => {
  for (const [id, value, places] of STANDARD) {
    for (const place of places) {
      const twice = [id, ...value, id, ...value]
      if (id === 0x26 || (id === 0x0b && place === PUBLISH)) walk(place, twice)
      else await rejects(() => walk(place, twice), "ERR_MQTT_PROPERTY_TWICE")
    }
  }
})

test("each truncation is refused", async () => {
  for (const [id, value, places] of STANDARD) {
    const list = Uint8Array.of(id, ...value)
    for (const cut of truncations(list)) {
      if (cut.length > 0) await rejects(() => walk(places[0]!, cut), "ERR_MQTT_TRUNCATED")
    }
    // The bytes are there, but behind the end of the list.
    await rejects(() => walkProperties(places[0]!, list, 0, list.length - 1, null), "ERR_MQTT_TRUNCATED")
  }
})

test("values outside their range are refused", async () => {
  for (const [place, list, code] of [
    [PUBLISH, [0x01, 2], "ERR_MQTT_PROPERTY_VALUE"],
    [CONNECT, [0x17, 2], "ERR_MQTT_PROPERTY_VALUE"],
    [CONNECT, [0x19, 255], "ERR_MQTT_PROPERTY_VALUE"],
    [CONNACK, [0x24, 2], "ERR_MQTT_PROPERTY_VALUE"],
    [CONNECT, [0x21, 0, 0], "ERR_MQTT_PROPERTY_VALUE"],
    [CONNECT, [0x27, 0, 0, 0, 0], "ERR_MQTT_PROPERTY_VALUE"],
    [SUBSCRIBE, [0x0b, 0], "ERR_MQTT_PROPERTY_VALUE"],
    [SUBSCRIBE, [0x0b, 0x80, 0], "ERR_MQTT_LENGTH"],
    [PUBLISH, [0x08, 0, 1, 0x23], "ERR_MQTT_TOPIC_NAME"],
    [PUBLISH, [0x08, 0, 0], "ERR_MQTT_TOPIC_NAME"],
    [PUBLISH, [0x03, 0, 1, 0xff], "ERR_MQTT_UTF8"],
    [PUBLISH, [0x26, 0, 1, 0x61, 0, 1, 0xc0], "ERR_MQTT_UTF8"],
    [PUBLISH, [0x26, 0, 1, 0, 0, 0], "ERR_MQTT_UTF8"],
  ] as const) {
    await rejects(() => walk(place, list), code)
  }
  walk(PUBLISH, [0x23, 0, 0])
})

test("numbers are told, lists can be edited", () => {
  const list = Uint8Array.of(0x21, 1, 2, 0x26, 0, 1, 0x61, 0, 1, 0x62, 0x27, 0xff, 0xee, 0xdd, 0xcc, 0x11, 0, 0, 0, 7)
  const found = numericProperties(CONNECT, list)
  assert.equal(
    [...found],
    [
      [0x21, 0x102],
      [0x26, 0],
      [0x27, 0xffeeddcc],
      [0x11, 7],
    ],
  )
  const kept = withoutProperties(CONNECT, list, [0x27, 0x21]).body()
  assert.equal(kept, concat([list.subarray(3, 10), list.subarray(15)]))
  assert.is(numericProperties(PUBLISH, Uint8Array.of(0x0b, 0xff, 0x7f)).get(0x0b), 16383)
})

test("flips and random lists raise nothing but input errors", () => {
  const attempt = (place: number, list: Uint8Array): void => {
    try {
      walk(place, list)
    } catch (error) {
      assert.ok(faultOf(error), String(error))
    }
  }
  for (const [id, value, places] of STANDARD) {
    for (const flipped of bitFlips(Uint8Array.of(id, ...value))) attempt(places[0]!, flipped)
  }
  const random = seeded(3)
  for (let i = 0; i < 3000; i++) attempt(PLACES[i % PLACES.length]!, randomBytes(i % 40, random))
})

test.run()
