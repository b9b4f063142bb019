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

/** Words of the table before the first class: the number of classes, and an empty unit. */
export const HEADER_CLASSES = 0
export const HEADER_EMPTY = 1
export const HEADER_WORDS = 2

/** Words per class: the offset of its 256 units, its flags, the first allow rule's word. */
export const CLASS_UNITS = 0
export const CLASS_FLAGS = 1
export const CLASS_FIRST = 2
export const CLASS_WORDS = 3

/** Flags of a class. No flag at all: a Modbus conduit of both directions whose units are on TCP or TLS. */
export const CLASS_UNKNOWN = 1
/** Units are on a serial line: there unit 0 is everybody. */
export const CLASS_SERIAL = 2
/** Only what reads, only what writes. */
export const CLASS_INWARD = 4
export const CLASS_OUTWARD = 8

/** A unit: a zero, an offset per function slot (from 1 on), and behind them the first allow rule's word. */

/** A function's node: how many intervals it has, the offset of its denies or 0, the first allow rule's word, the intervals. */
export const NODE_COUNT = 0
export const NODE_DENY = 1
export const NODE_FIRST = 2
export const NODE_STARTS = 3

/** Denies: how many intervals, then these. */
export const DENY_STARTS = 1

/** Words of an entry: a rule's word and the last key of its range; or `ENTRY_LIST` and the offset of several such. */
export const ENTRY_WORDS = 2

/** Low byte of a rule's word; the upper bits are rule index + 1, as in a verdict. */
export const ENTRY_LIST = 1
export const ENTRY_LAST = 2
export const RULE_RATE = 4
export const RULE_GATE = 8
export const RULE_POINTS = 16
export const RULE_NOT_ESSENTIAL = 32

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
 * Bits of a gate's state. Zero is what is safe: an override that is off, hours that are uncertain. Then an allow rule is
 * closed and a deny rule in force.
 */
export const GATE_ON = 1
/** The true time surely lies in the hours, or surely outside. Without hours it lies within. */
export const GATE_WITHIN = 2
export const GATE_OUTSIDE = 4

/** Bits of a record number in the key of a file's record; there are 10,000 records. */
export const RECORD_BITS = 14

/** Most ranges that a request can name: function 20 has room for so many. */
export const MAX_RANGES = 36

/** Scratch space of a table: rules that cover a request, then the ranges that it names, two words each. */
export const SCRATCH_RANGES = MAX_OVERLAP
export const SCRATCH_WORDS = SCRATCH_RANGES + 2 * MAX_RANGES
