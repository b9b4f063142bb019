import type { LoadLimits } from "../../config/load-limits.ts"
import { peerPrefix } from "../../../policy/audit/peer-prefix.ts"
import type { AccountTable } from "./account-table.ts"
import { draw } from "./budget.ts"

/** Why a connection is not even given a handshake. */
export type Turned = "too-many-from-source" | "too-many-handshakes" | "too-many-handshakes-in-all"

/** Where a connection comes from, while it lasts. */
export interface Source {
  /** Of the network, as `peerPrefix` writes it. */
  readonly prefix: string
  readonly account: number
}

/** Its tables; all conduits and all workers share them. */
export interface GateTables {
  /** By network: a bucket of handshakes, and its connections as holds. */
  readonly sources: AccountTable
  /** By single address from which peers were let in: a bucket of handshakes of its own. */
  readonly proven: AccountTable
  /** One account: the handshakes of all. */
  readonly totals: AccountTable
}

/** Of the burst of all handshakes: what strangers leave for addresses that are proven. */
const RESERVE = 0.25

type Budgets = Pick<LoadLimits, "maxSourceConnections" | "sourceHandshakes" | "handshakes">

/**
 * Decides, before a byte is read and before any cryptography, whether a connection gets a handshake.
 *
 * Strangers are counted by network, since one machine has many addresses; an address from which a peer was let in is
 * counted by itself, and a share of all handshakes is kept for those: whoever floods from the same network, or from
 * everywhere, does not keep those away that were in before.
 *
 * @see IEC 62443-4-2 CR 7.1, CR 7.1 RE(1)
 */
export class GateKeeper {
  readonly #tables: GateTables
  readonly #budgets: Budgets
  readonly #nowMs: () => number

  constructor(tables: GateTables, budgets: Budgets, nowMs: () => number) {
    this.#tables = tables
    this.#budgets = budgets
    this.#nowMs = nowMs
  }

  /** Where the connection comes from, if it is let in so far; to be given back to `leave`. */
  arrive(address: string): Source | Turned {
    const { sources, proven, totals } = this.#tables
    const { maxSourceConnections, sourceHandshakes, handshakes } = this.#budgets
    const prefix = peerPrefix(address)
    const nowMs = this.#nowMs()
    const isProven = proven.has(address)
    const own = isProven ? proven : sources
    if (sources.holds(prefix) >= maxSourceConnections) return "too-many-from-source"
    if (own.with(isProven ? address : prefix, (cells, at) => draw(cells, at, sourceHandshakes, nowMs)) === false) {
      return "too-many-handshakes"
    }
    const reserve = isProven ? 0 : Math.floor(handshakes.burst * RESERVE)
    if (totals.with("handshakes", (cells, at) => draw(cells, at, handshakes, nowMs, reserve)) === false) {
      return "too-many-handshakes-in-all"
    }
    return { prefix, account: sources.hold(prefix) }
  }

  /** The connection is over. */
  leave({ account }: Source): void {
    if (account >= 0) this.#tables.sources.release(account)
  }

  /** A peer from this address was let in. */
  proved(address: string): void {
    this.#tables.proven.with(address, () => undefined)
  }
}
