/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices of arrays made here */
import { InvariantError } from "../base/errors.ts"
import type { Action } from "../language/policy.ts"
import {
  CLASS_DENIED,
  CLASS_DEPTH,
  CLASS_PUBLISH,
  CLASS_RECEIVE,
  CLASS_SHARED,
  CLASS_SUBSCRIBE,
  CLASS_WORDS,
  HEADER_CLASSES,
  HEADER_LONGEST,
  HEADER_WORDS,
} from "./layout.ts"
import type { AliasMemory } from "./payload/alias-memory.ts"
import { lockOf } from "./buckets.ts"
import type { Buckets, CompiledPolicy, FilterStateInput, FilterTable } from "./table.ts"

/** Who is judged, resolved against one table. What every decision reads comes first. */
export interface FilterState {
  /** The one it was made for: with another, its offsets would mean nothing. */
  readonly table: FilterTable
  /** `STATE_...` */
  readonly flags: number
  /** Root of the state's own action, 0 for an empty one. */
  readonly root: number
  /** Most levels of a filter of the class. */
  readonly depth: number
  /** Bytes of the longest literal level in the table. */
  readonly longest: number
  readonly buckets: Buckets
  /** Of the buckets, if threads share them. */
  readonly lock: Int32Array | null
  /** `%u` and `%c`: the length, then four bytes a word, as texts stand in the table. */
  readonly name: Uint32Array
  readonly clientId: Uint32Array
  /** What subscribing needs beside: the other roots, and the list of denied receive filters. */
  readonly subscribeRoot: number
  readonly receiveRoot: number
  readonly sharedRoot: number
  readonly denied: number
  /** See `FilterStateInput`. */
  readonly aliases: AliasMemory | null
}

/** Set for a peer that has a class; else everything is `no-rule`. */
export const STATE_KNOWN = 1
export const STATE_RECEIVING = 2
export const STATE_VERSION_5 = 4
export const STATE_ESSENTIAL_ONLY = 8

const ROOT_OF: Readonly<Record<Action, number>> = {
  publish: CLASS_PUBLISH,
  subscribe: CLASS_SUBSCRIBE,
  receive: CLASS_RECEIVE,
}

/** No topic and no filter that passed its check holds this byte, so nothing equals it. */
const NEVER = Uint8Array.of(0xff)

/** `id` packed, or what equals no level if `id` could be taken for a wildcard. */
function packed(id: Uint8Array): Uint32Array {
  const bytes = id.includes(0x2b) || id.includes(0x23) ? NEVER : id
  const words = new Uint32Array(1 + ((bytes.length + 3) >> 2))
  words[0] = bytes.length
  bytes.forEach((byte, k) => (words[1 + (k >> 2)]! |= byte << ((k & 3) * 8)))
  return words
}

/**
 * The state for judging one peer and action by `table`; made once a connection and policy. Keeps copies of the names.
 *
 * A `classIndex` that is not in the table makes a state that has no rights at all.
 *
 * @throws InvariantError `ERR_FILTER_BUCKETS` if the buckets were made for another table.
 */
export function createFilterState(table: FilterTable, input: FilterStateInput): FilterState {
  const { classIndex, action, buckets } = input
  if (buckets.length !== table.rateCount * 2) {
    throw new InvariantError("ERR_FILTER_BUCKETS", "the buckets belong to another policy table")
  }
  const known = Number.isInteger(classIndex) && classIndex >= 0 && classIndex < (table.words[HEADER_CLASSES] ?? 0)
  const at = HEADER_WORDS + classIndex * CLASS_WORDS
  const word = (offset: number): number => (known ? (table.words[at + offset] ?? 0) : 0)
  return {
    table,
    flags:
      (known ? STATE_KNOWN : 0) |
      (action === "receive" ? STATE_RECEIVING : 0) |
      (input.protocolVersion === 5 ? STATE_VERSION_5 : 0) |
      (input.essentialOnly ? STATE_ESSENTIAL_ONLY : 0),
    root: word(ROOT_OF[action]),
    depth: word(CLASS_DEPTH),
    longest: table.words[HEADER_LONGEST] ?? 0,
    buckets,
    lock: lockOf(buckets),
    name: packed(input.name),
    clientId: packed(input.clientId),
    subscribeRoot: word(CLASS_SUBSCRIBE),
    receiveRoot: word(CLASS_RECEIVE),
    sharedRoot: word(CLASS_SHARED),
    denied: word(CLASS_DENIED),
    aliases: input.aliases ?? null,
  }
}

/**
 * @throws InvariantError `ERR_FILTER_STATE` always: the state was made for another table, after a policy swap for example.
 */
export function refuseStale(): never {
  throw new InvariantError("ERR_FILTER_STATE", "the filter state belongs to another policy table")
}

/** Full buckets for one subject: one per rule that has a rate. All connections of the subject share them. The same for MQTT and Modbus. */
export function createBuckets(table: Pick<FilterTable, "rateCount" | "numbers">): Buckets {
  const buckets = new Float64Array(table.rateCount * 2)
  for (let k = 0; k < table.rateCount; k++) buckets[k * 2] = table.numbers[k * 2 + 1] ?? 0
  return buckets
}

/** The class of a peer with these roles (in any order) on this conduit, or -1: then it has no rights. */
export function classOf(compiled: Pick<CompiledPolicy, "classes">, conduit: string, roles: readonly string[]): number {
  const wanted = [...new Set(roles)].sort()
  return compiled.classes.findIndex(
    (key) =>
      key.conduit === conduit &&
      key.roles.length === wanted.length &&
      key.roles.every((role, index) => role === wanted[index]),
  )
}
