import { InvariantError } from "../base/errors.ts"
import type { Action } from "../language/policy.ts"
import {
  CLASS_DENIED,
  CLASS_DEPTH,
  CLASS_LEAVES,
  CLASS_PUBLISH,
  CLASS_RECEIVE,
  CLASS_SHARED,
  CLASS_STACK,
  CLASS_SUBSCRIBE,
  CLASS_WORDS,
  HEADER_WORDS,
} from "./layout.ts"
import type { Buckets, CompiledPolicy, FilterStateInput, FilterTable } from "./table.ts"

/** Who is judged, resolved against one table, with the scratch space of a decision. Not shared between threads. */
export interface FilterState {
  /** False for a peer without a class: everything is `no-rule`. */
  readonly known: boolean
  readonly receiving: boolean
  readonly version5: boolean
  readonly essentialOnly: boolean
  /** Roots of the class, 0 for an empty one; `root` is that of the state's own action. */
  readonly root: number
  readonly subscribeRoot: number
  readonly receiveRoot: number
  readonly sharedRoot: number
  readonly denied: number
  readonly depth: number
  readonly name: Uint8Array
  readonly clientId: Uint8Array
  readonly buckets: Buckets
  /** Scratch: where levels end, which references wait, which leaves matched. */
  readonly bounds: Int32Array
  readonly stack: Int32Array
  readonly leaves: Int32Array
}

const ROOT_OF: Readonly<Record<Action, number>> = {
  publish: CLASS_PUBLISH,
  subscribe: CLASS_SUBSCRIBE,
  receive: CLASS_RECEIVE,
}

/** No topic and no filter that passed its check holds this byte, so nothing equals it. */
const NEVER = Uint8Array.of(0xff)

/** A copy of `id`, or what equals no level if `id` could be taken for a wildcard. */
function levelOf(id: Uint8Array): Uint8Array {
  return id.includes(0x2b) || id.includes(0x23) ? NEVER : Uint8Array.from(id)
}

/**
 * The state for judging one peer and action by `table`; made once a connection and policy, about 1 KiB.
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
  const known = Number.isInteger(classIndex) && classIndex >= 0 && classIndex < (table.words[0] ?? 0)
  const at = HEADER_WORDS + classIndex * CLASS_WORDS
  const word = (offset: number): number => (known ? (table.words[at + offset] ?? 0) : 0)
  return {
    known,
    receiving: action === "receive",
    version5: input.protocolVersion === 5,
    essentialOnly: input.essentialOnly,
    root: word(ROOT_OF[action]),
    subscribeRoot: word(CLASS_SUBSCRIBE),
    receiveRoot: word(CLASS_RECEIVE),
    sharedRoot: word(CLASS_SHARED),
    denied: word(CLASS_DENIED),
    depth: word(CLASS_DEPTH),
    name: levelOf(input.name),
    clientId: levelOf(input.clientId),
    buckets,
    bounds: new Int32Array(word(CLASS_DEPTH) + 2),
    stack: new Int32Array(word(CLASS_STACK) + 1),
    leaves: new Int32Array(word(CLASS_LEAVES) + 1),
  }
}

/** Full buckets for one subject: one per rule that has a rate. All connections of the subject share them. */
export function createBuckets(table: FilterTable): Buckets {
  const buckets = new Float64Array(table.rateCount * 2)
  for (let k = 0; k < table.rateCount; k++) buckets[k * 2] = table.numbers[k * 2 + 1] ?? 0
  return buckets
}

/** The class of a peer with these roles (in any order) on this conduit, or -1: then it has no rights. */
export function classOf(compiled: CompiledPolicy, conduit: string, roles: readonly string[]): number {
  const wanted = [...new Set(roles)].sort()
  return compiled.classes.findIndex(
    (key) =>
      key.conduit === conduit &&
      key.roles.length === wanted.length &&
      key.roles.every((role, index) => role === wanted[index]),
  )
}
