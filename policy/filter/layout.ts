/**
 * The layout of `FilterTable`: the numbers that the compiler writes and the filter reads. Drawn in
 * `policy/compile/README.md`.
 */

/** Most levels that a compiled filter may have; a filter is judged on recorded level bounds, so this bounds the record. */
export const MAX_LEVELS = 120

/** Most trie nodes and rules that one topic may reach in one class and action: the work of the worst decision. */
export const MAX_WORK = 1024

/** Words of `table.words` before the first class: the number of classes. */
export const HEADER_WORDS = 1

/** Words per class: four roots, then what the scratch space of a state needs. */
export const CLASS_WORDS = 8
export const CLASS_PUBLISH = 0
export const CLASS_SUBSCRIBE = 1
export const CLASS_RECEIVE = 2
export const CLASS_SHARED = 3
/** Offset of the list of denied receive filters (count, then offsets into `bytes`), or 0. */
export const CLASS_DENIED = 4
/** Most levels of any filter of the class. */
export const CLASS_DEPTH = 5
/** Most references that wait at once during a walk. */
export const CLASS_STACK = 6
/** Most leaves that one walk can reach. */
export const CLASS_LEAVES = 7

/** First word of an inner node: the level it looks at in bits 0..7, what it has in the flags, log2 of its slots in bits 24..28. */
export const NODE_END = 1 << 8
export const NODE_HASH = 1 << 9
export const NODE_PLUS = 1 << 10
export const NODE_CLIENT = 1 << 11
export const NODE_NAME = 1 << 12
export const NODE_LITERAL = 1 << 13
/** Children are found by the hash over all bytes of the level, not the quick one. */
export const NODE_FULL_HASH = 1 << 14
/** Several children may share one hash: all of them are followed. */
export const NODE_TWINS = 1 << 15
export const NODE_SLOTS_SHIFT = 24

/** Low byte of a rule word; the upper 24 bits are rule index + 1, as in a verdict. */
export const RULE_DENY = 1
export const RULE_QOS_SHIFT = 1
export const RULE_RETAIN = 8
export const RULE_ESSENTIAL = 16
/** A third word follows: the index of the rule's bucket. */
export const RULE_RATE = 32
export const RULE_LAST = 64

/** Second byte of a filter record. */
export const FILTER_HASH = 1
/** The first level is `+` or `#`: never matches a topic that begins with `$`. */
export const FILTER_WILD_FIRST = 2
/** Bytes of a filter record before its segments, and of a segment before its text. */
export const FILTER_HEADER = 3
export const SEGMENT_HEADER = 4
/** Second byte of a segment that stands for one level of the subject's; other values are the last level of a literal run. */
export const SEGMENT_CLIENT = 0xfe
export const SEGMENT_NAME = 0xff
