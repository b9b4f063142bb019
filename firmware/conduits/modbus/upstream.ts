/**
 * The way to Modbus units, whatever carries it: a TCP or TLS connection, or a serial line that several masters share.
 *
 * A request has been judged before it comes here, and its answer is held against it by the caller.
 */

/** One request on its way to a unit. */
export interface ModbusRequest {
  /** 0..255; 0 is broadcast on a serial line and gets no answer there. */
  readonly unit: number
  /** Function code and data, 1..253 bytes. Must not change until the promise settles. */
  readonly pdu: Uint8Array
  /** Who asks: masters that share a line take turns. A number for each connection. */
  readonly master: number
  /** 0: essential, first in line; 1: normal. */
  readonly priority: 0 | 1
}

/**
 * Why there is no answer. `busy`: the queue is full or the master has its share of it; nothing was sent. `recalled`: it was
 * taken back in time; nothing was sent.
 */
export type NoAnswer = "timeout" | "lost" | "garbled" | "busy" | "closed" | "recalled"

/** What came of it. `broadcast`: sent, and nobody answers. */
export type ModbusOutcome =
  | { readonly kind: "answer"; readonly pdu: Uint8Array }
  | { readonly kind: "broadcast" }
  | { readonly kind: "none"; readonly why: NoAnswer }

/** One way to units, open until closed; it reconnects by itself. */
export interface ModbusUpstream {
  /** Send a request when its turn comes. Never rejects. */
  ask(request: ModbusRequest): Promise<ModbusOutcome>
  /** Take back a request that was given to `ask`, the same object: settled `recalled`, unless it has been on the wire already. */
  recall(request: ModbusRequest): void
  /** The master is gone: what it still waits for is dropped unless it is on the wire already. */
  forget(master: number): void
  close(): void
}
