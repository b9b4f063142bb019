/**
 * The layout of `ModbusTable.words`: the numbers that the compiler writes and the filter reads. Drawn in
 * `policy/compile/README.md`.
 */

/** Most allow rules, and most deny rules, that may name one address of one class, unit and function. */
export const MAX_OVERLAP = 128

/** Most deny entries that one request may have to look at. */
export const MAX_DENY_STEPS = 4096

/** Most addresses that one range of a request may have. @see MODBUS Application Protocol 1.1b3 section 6.1 */
export const MAX_QUANTITY = 2000

/** Words of the table before the first class: the number of classes. */
export const HEADER_CLASSES = 0
export const HEADER_WORDS = 1

/** Words per class: the offset of its unit groups, its flags, the first allow rule's word. */
export const CLASS_UNITS = 0
export const CLASS_FLAGS = 1
export const CLASS_FIRST = 2
export const CLASS_WORDS = 3

/** The groups of units: for each of 256 units the offset of the group that it is in, then `slotCount` + 2 words a group. */
export const UNIT_MAP_WORDS = 256

/** Flags of a class. No flag at all: a Modbus conduit of both directions whose units are on TCP or TLS. */
export const CLASS_UNKNOWN = 1
/** Units are on a serial line: there unit 0 is everybody. */
export const CLASS_SERIAL = 2
/** Only what reads, only what writes. */
export const CLASS_INWARD = 4
export const CLASS_OUTWARD = 8

/**
 * A group of units: zero, for functions that no rule names; by slot (from 1 on) a reference to a function's node, or 0; the
 * first allow rule's word.
 *
 * A node is a row of blocks, a power of two of them, which share the keys 0..65535 evenly: a reference is the offset of the
 * first, less `LINE_SKEW`, with the log2 of their number in its low bits. Keys of files are longer, so they have one block.
 * A block has the intervals that hold any of its keys; if these are too many, one entry with `ENTRY_TREE` and the offset of
 * a tree. So most searches read one line of memory.
 */
export const BLOCK = 5
export const BLOCK_RULE = 5
export const BLOCK_LAST = 10
/** In the first block of a node: the offset of its facts. */
export const BLOCK_FACTS = 15
export const LINE_WORDS = 16
export const LINE_BITS = 4
/** Lines of memory begin here: a large array begins 16 bytes behind one. Nothing but speed depends on it. */
export const LINE_SKEW = 12
export const KEY_BITS = 16
/** The start of an interval that is none: above every key. */
export const NO_START = 0x7fffffff

/** Facts: the offset of the denies or 0, the first allow rule's word. */
export const FACT_DENY = 0
export const FACT_FIRST = 1
export const FACT_WORDS = 2

/** A tree: how many blocks, the first start of each; from the next line on the blocks. */
export const TREE_STARTS = 1

/** Denies: how many intervals, their starts, then an entry for each. */
export const DENY_STARTS = 1

/** Words of an entry: a rule's word and the last key of its range; or `ENTRY_LIST` and the offset of more of them. */
export const ENTRY_WORDS = 2

/** Low byte of a rule's word; the upper bits are rule index + 1, as in a verdict. */
export const ENTRY_LIST = 1
export const ENTRY_LAST = 2
export const RULE_RATE = 4
export const RULE_GATE = 8
export const RULE_POINTS = 16
export const RULE_NOT_ESSENTIAL = 32
/** Of an entry alone: some deny has a key between the interval's start and the entry's last key. */
export const ENTRY_DENIED = 64
/** Of a block's entry: its last key is the offset of a tree. */
export const ENTRY_TREE = 128
/** With any of these in an entry, there is more to look at than its last key. */
export const ENTRY_MORE = ENTRY_LIST | RULE_RATE | RULE_GATE | ENTRY_DENIED | ENTRY_TREE

/** A rule's record, of those that have a rate, a gate or points with a value rule. */
export const RECORD_BUCKET = 0
export const RECORD_GATE = 1
export const RECORD_COUNT = 2
export const RECORD_POINTS = 3

/** A point with a value rule: first and last address, form, and its bounds as keys (see `value.ts`). */
export const POINT_AT = 0
export const POINT_LAST = 1
export const POINT_FORM = 2
export const POINT_MIN_HIGH = 3
export const POINT_MIN_LOW = 4
export const POINT_MAX_HIGH = 5
export const POINT_MAX_LOW = 6
export const POINT_WORDS = 7

/** Form of a point: registers it takes in bits 0..2, and how it is read. */
export const FORM_WIDTH = 7
export const FORM_LOW_FIRST = 8
export const FORM_SIGNED = 16
export const FORM_FLOAT = 32

/**
 * Bits of a gate's state, as those of `filter/layout.ts`. Zero is what is safe: an override that is off, hours that are uncertain,
 * inputs that nobody knows. Then an allow rule is closed and a deny rule in force.
 */
export const GATE_ON = 1
/** The true time surely lies in the hours. Without hours it lies within. */
export const GATE_WITHIN = 2
/** The rule is surely not in force: outside of its hours, or an input is surely in another state. */
export const GATE_OUTSIDE = 4
/** All conditions on inputs surely hold; without conditions they do. */
export const GATE_HOLDS = 8

/** Bits of a record number in the key of a file's record; there are 10,000 records. */
export const RECORD_BITS = 14

/** Most ranges that a request can name: function 20 has room for so many. */
export const MAX_RANGES = 36

/** Scratch space of a table: rules that cover a request, then the ranges that it names, two words each. */
export const SCRATCH_RANGES = MAX_OVERLAP
export const SCRATCH_WORDS = SCRATCH_RANGES + 2 * MAX_RANGES
