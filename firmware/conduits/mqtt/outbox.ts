import { mqttError } from "./protocol-error.ts"

const FIRST_BYTES = 64
/** What may wait for a boundary: more than any honest peer causes, little enough to hold for every connection. */
export const MAX_WAITING_BYTES: number = 64 * 1024

/**
 * Whole packets of our own that wait for a packet boundary of their direction, so that none lands inside a packet that
 * is being passed on in pieces.
 */
export class Outbox {
  length = 0
  #bytes: Uint8Array<ArrayBuffer> | null = null

  /** Bytes of memory held. */
  get capacity(): number {
    return this.#bytes?.length ?? 0
  }

  /** Add a whole packet. @throws ERR_MQTT_QUOTA if more than MAX_WAITING_BYTES would wait. */
  add(packet: Uint8Array): void {
    const total = this.length + packet.length
    if (total > MAX_WAITING_BYTES) throw mqttError("ERR_MQTT_QUOTA", "too many answers wait for a packet to end")
    if (this.#bytes === null || total > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(FIRST_BYTES, total, this.length * 2))
      if (this.#bytes !== null) larger.set(this.#bytes.subarray(0, this.length))
      this.#bytes = larger
    }
    this.#bytes.set(packet, this.length)
    this.length = total
  }

  /** Everything that waits, in order; it belongs to the caller and nothing waits any more. */
  take(): Uint8Array {
    const bytes = this.#bytes?.subarray(0, this.length) ?? new Uint8Array(0)
    this.#bytes = null
    this.length = 0
    return bytes
  }
}
