import { DISCONNECT, type Version } from "./packet-type.ts"
import { walkProperties } from "./properties.ts"
import { checkReasonCode } from "./reason-code.ts"
import { Reader } from "./reader.ts"
import { PROPERTY } from "./properties.ts"
import { mqttError } from "./protocol-error.ts"

/**
 * Parse the body of a DISCONNECT in [start, end); returns its reason code, 0 where none is said.
 *
 * @throws ERR_MQTT_REASON_CODE, ERR_MQTT_PROPERTY (a client must not refer to another server) and the codes of fields.
 * @see MQTT 5.0 section 3.14, MQTT 3.1.1 section 3.14
 */
export function parseDisconnect(
  bytes: Uint8Array,
  start: number,
  end: number,
  version: Version,
  sender: "client" | "broker",
): number {
  const reader = new Reader(bytes, start, end)
  if (version === 4 || start === end) {
    reader.done()
    return 0
  }
  const code = reader.u8()
  checkReasonCode(DISCONNECT, code, version, sender)
  if (reader.at < end) {
    const properties = reader.propertyList()
    walkProperties(DISCONNECT, bytes, properties.start, properties.end, {
      property(id) {
        // Section 3.14.2.2.2 forbids the server to send a session expiry, 3.14.2.2.5 gives the reference to it alone.
        const foreign = sender === "client" ? PROPERTY.serverReference : PROPERTY.sessionExpiry
        if (id === foreign) throw mqttError("ERR_MQTT_PROPERTY", "a property of the other side's DISCONNECT", { id })
      },
    })
  }
  reader.done()
  return code
}

/** A whole DISCONNECT. 3.1.1 knows only the client's, which says no code. */
export function encodeDisconnect(code: number, version: Version): Uint8Array<ArrayBuffer> {
  return version === 4 || code === 0 ? Uint8Array.of(DISCONNECT << 4, 0) : Uint8Array.of(DISCONNECT << 4, 1, code)
}
