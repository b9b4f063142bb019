/**
 * Keeps the broker from taking a client for dead whose packets are all dropped here.
 *
 * A client need not ping as long as it sends anything else; if all of that is denied, the broker hears nothing and would
 * end the connection after one and a half keep-alive times. So when a packet is dropped and half the time has gone by in
 * silence, the gateway pings in the client's stead, and keeps the answer to itself.
 *
 * @see MQTT 5.0 section 3.1.2.10, MQTT 3.1.1 section 3.1.2.10
 */
export class KeepAlive {
  #afterMs = Infinity
  #lastMs = 0
  #unanswered = 0

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
    this.#unanswered++
    return true
  }

  /** A PINGRESP came; true if it answers us and is not for the client. */
  answered(): boolean {
    if (this.#unanswered === 0) return false
    this.#unanswered--
    return true
  }
}
