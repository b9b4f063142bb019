import type { Direction } from "./judge.ts"
import { AUTH, CONNACK } from "./packet-type.ts"
import { PROPERTY, walkProperties } from "./properties.ts"
import { mqttError } from "./protocol-error.ts"
import { checkReasonCode, CODE } from "./reason-code.ts"
import { copyOf, Reader } from "./reader.ts"

/** The textual or binary property `id` of a checked list, without its length; null if it is not there. */
export function propertyText(place: number, list: Uint8Array, id: number): Uint8Array | null {
  let found: Uint8Array | null = null
  walkProperties(place, list, 0, list.length, {
    property(which, _value, start, end) {
      if (which === id) found = list.subarray(start + 3, end)
    },
  })
  return found
}

/**
 * Whose AUTH may come next. The broker's turn begins with the CONNECT, or with the client's wish to authenticate again.
 *
 * | turn   | client 0x18 | client 0x19        | broker 0x18 | broker 0x00     | CONNACK |
 * |--------|-------------|--------------------|-------------|-----------------|---------|
 * | nobody | -           | broker (when open) | -           | -               | -       |
 * | client | broker      | -                  | -           | -               | nobody  |
 * | broker | -           | -                  | client      | nobody (if open) | nobody  |
 */
type Turn = "nobody" | "client" | "broker"

/**
 * An enhanced authentication between client and broker, which passes through here unread but for its order and its method:
 * the method is the CONNECT's in every packet. Nothing of it decides what the client may do; its certificate does.
 *
 * @see MQTT 5.0 sections 3.15 and 4.12
 */
export class Authentication {
  readonly #method: Uint8Array
  #turn: Turn = "broker"
  #open = false

  constructor(method: Uint8Array) {
    this.#method = copyOf(method)
  }

  /** Bytes of memory held. */
  get heldBytes(): number {
    return this.#method.length
  }

  /**
   * Check an AUTH whose body lies in [start, end).
   *
   * @throws ERR_MQTT_AUTH out of turn or with another method; ERR_MQTT_REASON_CODE and the codes of fields.
   */
  packet(direction: Direction, bytes: Uint8Array, start: number, end: number): void {
    const fromClient = direction === "up"
    const reader = new Reader(bytes, start, end)
    const code = start === end ? CODE.success : reader.u8()
    checkReasonCode(AUTH, code, 5, fromClient ? "client" : "broker")
    const span = reader.at < end ? reader.propertyList() : { start: end, end }
    reader.done()
    const list = bytes.subarray(span.start, span.end)
    // A success without any property may be left out to the last byte (section 3.15.1); all else names the method.
    if (code !== CODE.success || list.length > 0)
      this.#sameMethod(propertyText(AUTH, list, PROPERTY.authenticationMethod))
    const next = this.#next(fromClient, code)
    if (next === null) throw mqttError("ERR_MQTT_AUTH", "an AUTH comes out of turn", { reason: code })
    this.#turn = next
  }

  /** Check a CONNACK with success: the exchange is over. @throws ERR_MQTT_AUTH for another method, or none. */
  accepted(properties: Uint8Array): void {
    this.#sameMethod(propertyText(CONNACK, properties, PROPERTY.authenticationMethod))
    this.#turn = "nobody"
    this.#open = true
  }

  #next(fromClient: boolean, code: number): Turn | null {
    switch (this.#turn) {
      case "nobody":
        return fromClient && code === CODE.reAuthenticate && this.#open ? "broker" : null
      case "client":
        return fromClient && code === CODE.continueAuthentication ? "broker" : null
      case "broker":
        if (fromClient) return null
        if (code === CODE.continueAuthentication) return "client"
        return this.#open ? "nobody" : null
    }
  }

  #sameMethod(method: Uint8Array | null): void {
    const own = this.#method
    if (method?.length === own.length && own.every((byte, i) => method[i] === byte)) return
    throw mqttError("ERR_MQTT_AUTH", "an authentication changes its method, or does not name it")
  }
}
