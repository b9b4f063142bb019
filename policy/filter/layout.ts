/**
 * The layout of `FilterTable`: the numbers that the compiler writes and the filter reads. Drawn in
 * `policy/compile/README.md`.
 */

/** Most levels that a compiled filter may have; a filter is judged on recorded level bounds, so this bounds the record. */
export const MAX_LEVELS = 120

/** Most trie nodes and rules that one topic may reach in one class and action: the work of the worst decision. */
export const MAX_WORK = 1024

/** Most rules with a payload form that one topic may reach: each may read the whole payload. */
export const MAX_LOOKS = 16

/** Scratch space of a table: bounds of levels from 0 on, then references that wait, then leaves that matched. */
export const SCRATCH_STACK = 128
export const SCRATCH_LEAVES = SCRATCH_STACK + 1 + MAX_WORK
export const SCRATCH_WORDS = SCRATCH_LEAVES + MAX_WORK

/** Words of `table.words` before the first class: the number of classes, and the bytes of the longest literal level. */
export const HEADER_WORDS = 2
export const HEADER_CLASSES = 0
export const HEADER_LONGEST = 1

/** Words per class: four roots, then two more facts. */
export const CLASS_WORDS = 6
export const CLASS_PUBLISH = 0
export const CLASS_SUBSCRIBE = 1
export const CLASS_RECEIVE = 2
export const CLASS_SHARED = 3
/** Offset of the list of denied receive filters (count, then offsets of their records), or 0. */
export const CLASS_DENIED = 4
/** Most levels of any filter of the class. */
export const CLASS_DEPTH = 5

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

/** Most bytes behind the fixed header of any packet. @see MQTT 5.0 section 2.1.4 */
export const MAX_MQTT_BYTES = 268_435_455

/** Low byte of a rule word; the upper 24 bits are rule index + 1, as in a verdict. */
export const RULE_DENY = 1
export const RULE_QOS_SHIFT = 1
export const RULE_RETAIN = 8
export const RULE_ESSENTIAL = 16
/** More words follow, each an index + 1, or 0 for none: the rule's bucket, gate and payload form. */
export const RULE_MORE = 32
export const RULE_LAST = 64
/** No message of MQTT is too large for the rule. */
export const RULE_ANY_SIZE = 128

/** Where the further words of a rule with `RULE_MORE` stand, behind its payload limit. */
export const MORE_BUCKET = 0
export const MORE_GATE = 1
export const MORE_FORM = 2
export const MORE_WORDS = 3

/**
 * State of a gate. Zero is what is safe: an emergency that is off, hours that are uncertain, inputs that nobody knows. Then
 * an allow rule is closed and a deny rule in force.
 */
export const GATE_ON = 1
/** The true time surely lies in the hours. */
export const GATE_WITHIN = 2
/** The rule is surely not in force: the true time lies outside of its hours, or an input is surely in another state. */
export const GATE_OUTSIDE = 4
/** All conditions on inputs surely hold. */
export const GATE_HOLDS = 8
/** What an open gate has. */
export const GATE_OPEN = GATE_ON | GATE_WITHIN | GATE_HOLDS

/**
 * First word of a leaf, and of a filter record alone: its levels in bits 0..7, these flags, the number of its segments in
 * bits 10..16, and in a leaf the number of words before its rules in bits 17..31.
 */
export const FILTER_HASH = 1 << 8
/** The first level is `+` or `#`: never matches a topic that begins with `$`. */
export const FILTER_WILD_FIRST = 1 << 9
export const FILTER_SEGMENTS_SHIFT = 10
export const FILTER_SEGMENTS_MASK = 0x7f
export const FILTER_RULES_SHIFT = 17

/**
 * First word of a segment: its first level in bits 0..7, its last in bits 8..15, the length of its text in bits 16..31.
 * Instead of a last level, these stand for one level that is the subject's.
 */
export const SEGMENT_LAST_SHIFT = 8
export const SEGMENT_LENGTH_SHIFT = 16
export const SEGMENT_CLIENT = 0xfe
export const SEGMENT_NAME = 0xff
