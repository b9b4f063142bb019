/** More pings than this are not put together. */
export const MAX_MERGED_PINGS = 4_096

/**
 * The pings of one connection.
 *
 * Keeps the broker from taking a client for dead whose packets are all dropped here.
 *
 * A client need not ping as long as it sends anything else; if all of that is denied, the broker hears nothing and would
 * end the connection after one and a half keep-alive times. So when a packet is dropped and half the time has gone by in
 * silence, the gateway pings in the client's stead, and keeps the answer to itself.
 *
 * And keeps two bytes of a client from costing the broker a packet and an encrypted record each: a PINGREQ directly behind
 * another one that is not answered yet is answered with it.
 *
 * @see MQTT 5.0 section 3.1.2.10, MQTT 3.1.1 section 3.1.2.10
 */
export class KeepAlive {
  #afterMs = Infinity
  #lastMs = 0
  /** Pings of ours, and of the client, that the broker has not answered; and those that wait with the client's last. */
  #ours = 0
  #asked = 0
  #merged = 0

  /** The keep-alive time in force; 0 means none. */
  start(seconds: number, nowMs: number): void {
    this.#afterMs = seconds === 0 ? Infinity : seconds * 500
    this.#lastMs = nowMs
  }

  /** Something of the client reached the broker. */
  heard(nowMs: number): void {
    this.#lastMs = nowMs
  }

  /** A whole packet of the client was dropped; true if a PINGREQ is to be sent for it, which then counts as sent. */
  dropped(nowMs: number): boolean {
    if (nowMs - this.#lastMs < this.#afterMs) return false
    this.#lastMs = nowMs
    this.#ours++
    return true
  }

  /** A PINGREQ of the client; false if it is answered with the one directly before it, and is not passed on. */
  asked(behindAnother: boolean): boolean {
    if (behindAnother && this.#asked > 0 && this.#merged < MAX_MERGED_PINGS) {
      this.#merged++
      return false
    }
    this.#asked++
    return true
  }

  /** A PINGRESP came; how many the client is owed for it, this one included. 0: it answers us. */
  answered(): number {
    if (this.#ours > 0) {
      this.#ours--
      return 0
    }
    if (this.#asked > 0) this.#asked--
    if (this.#asked > 0) return 1
    const owed = 1 + this.#merged
    this.#merged = 0
    return owed
  }
}
