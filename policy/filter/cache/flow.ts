import { STATE_VERSION_5, type FilterState } from "../state.ts"
import type { Verdict } from "../verdict.ts"

/**
 * One filter state as a flow cache knows it. Its number is part of the key of all its entries and is never given to another:
 * when a connection closes or a policy is swapped, nobody asks by the old number again, and its entries age out.
 */
export interface Flows {
  readonly state: FilterState
  /** The number, in two words. */
  readonly low: number
  readonly high: number
  /** The peer speaks MQTT 5. */
  readonly version5: boolean
  /** By rule of the state's table, not `RECORD_NONE` where the messages that it allows are to be told of; null: none are. */
  readonly records: Uint8Array | null
  /** Falls by misses, rises by hits; below zero the cache is passed by for a while. */
  credit: number
  /** Decisions still to be made without the cache. */
  rest: number
}

/**
 * Verdicts remembered by peer, topic bytes, QoS and retain: in front of `decide`, and exact. Whatever it does not know,
 * or could not know for sure, `decide` answers.
 */
export interface FlowCache {
  /** A number for a state, made once a connection and policy, like the state. */
  open(state: FilterState): Flows
  /**
   * The same, but a state that judges alike as one before it gets that one's number: who comes back under the same policy
   * finds what it is known by. `records`: as in `Flows`.
   */
  join(state: FilterState, records?: Uint8Array | null): Flows
  /** What `decide` says, reason and rule, for the table that the state was made for. Allocates nothing. */
  decide(flows: Flows, bytes: Uint8Array, start: number, end: number, nowMs: number): Verdict
}

/** What a cache is made of. */
export interface FlowCacheOptions {
  /** Eight random words, the hash's starts and factors: so that no peer can choose topics that meet in one set. */
  readonly seed: Uint32Array
  /** A power of two; each set holds `WAYS` entries. */
  readonly sets?: number
  /** The first number given to a state; for tests. */
  readonly firstNumber?: number
}

/** 4096 sets of 8 ways are 32,768 entries: 4 MiB of records and 128 KiB of tags. */
export const DEFAULT_SETS = 4096
export const WAYS = 8

/** Longest topic that is remembered: what fits a record of 128 bytes. */
export const MAX_TOPIC = 104

/** Not verdicts: look the packet up by `decide`; the same, and remember it; the same, and it is known to change. */
export const MISS = -1
export const ADMIT = -2
export const UNFIT = -3

/** One entry in so many challenges of a full set gives way. */
export const CHALLENGES = 16

/**
 * A vain look costs about what a hit saves, so a peer that misses more often than not does better without: out of credit,
 * it passes the cache by for `REST` decisions, then has `TRY` misses to show that times have changed. A flood of topics that
 * no one has sent before therefore pays for a vain look once in seventeen times.
 */
export const FULL_CREDIT = 256
export const GAIN = 1
export const TRY = 8
export const REST = 128

/**
 * A factor of the hash made of a random word: odd, so that no bit is lost. Zero stays zero: then all topics have one hash,
 * which a test may want.
 */
export function factorOf(word: number): number {
  return word === 0 ? 0 : word | 0x10000001
}

/** The `number`th state of a cache. */
export function newFlows(state: FilterState, number: number, records: Uint8Array | null = null): Flows {
  const version5 = (state.flags & STATE_VERSION_5) !== 0
  return { state, low: number | 0, high: Math.floor(number / 2 ** 32), version5, records, credit: FULL_CREDIT, rest: 0 }
}

/** Count a miss. */
export function missed(flows: Flows): void {
  if (--flows.credit >= 0) return
  flows.credit = TRY
  flows.rest = REST
}
