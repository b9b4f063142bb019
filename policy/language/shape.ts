import type { DocNode, DocumentLimits } from "./document.ts"
import type { JsonSchema } from "./json-schema.ts"
import type { Parsed } from "./fault.ts"
import type { Report } from "./report.ts"
import { readDocument } from "./document.ts"
import { codePointName, findControl, quote } from "./characters.ts"
import { didYouMean } from "./suggestion.ts"

/** Stands for a value that is not there because it had faults; they are in the report. */
export const FAULTY: unique symbol = Symbol("faulty")
export type Faulty = typeof FAULTY

/** What a node may be, and how it becomes a value. Built from the combinators of this folder; never holds state. */
export interface Shape<T> {
  /** Completes "expected ...": `an integer 0..4`. */
  readonly expected: string
  /**
   * The value of `node`, or `FAULTY` if there is none; then at least one fault was added to `report`. Reads on after a
   * fault, to find all; so a value may come out although `report` is not clean. It is well-typed, and never used.
   */
  read(node: DocNode, path: string, report: Report): T | Faulty
  /** What a JSON Schema says of the node. It may accept more than `read`, never less. */
  schema(): JsonSchema
  /** Takes the place of a faulty or missing value inside an object, so that what depends on the rest is checked too. */
  readonly standIn?: { readonly value: T }
}

/**
 * Read one whole document. `build` makes the result from what the shape read, and adds the faults that no shape can see;
 * it is called for faulty documents too, as long as the shape gave a value: what it then returns is dropped.
 */
export function parseDocument<S, T>(
  shape: Shape<S>,
  report: Report,
  limits: DocumentLimits,
  build: (value: S, root: DocNode, report: Report) => T,
): Parsed<T> {
  const root = readDocument(report, limits)
  if (root === null) return report.failure()
  const value = shape.read(root, "", report)
  if (value === FAULTY) return report.failure()
  const built = build(value, root, report)
  return report.clean ? { ok: true, value: built } : report.failure()
}

/** `shape`, with a value that takes the place of a faulty or missing one: see `Shape.standIn`. */
export function withStandIn<T>(shape: Shape<T>, value: T): Shape<T> {
  return { ...shape, standIn: { value } }
}

/** `shape`, and then `check`, which adds the faults that its parts cannot see. */
export function checked<T>(
  shape: Shape<T>,
  check: (value: T, place: { readonly node: DocNode; readonly path: string }, report: Report) => void,
): Shape<T> {
  return {
    ...shape,
    read(node, path, report) {
      const value = shape.read(node, path, report)
      if (value !== FAULTY) check(value, { node, path }, report)
      return value
    },
  }
}

/** Adds the fault "expected this, found that" and returns `FAULTY`. */
export function mismatch(node: DocNode, path: string, report: Report, expected: string, hint?: string | null): Faulty {
  report.add(node.at, path, `expected ${expected}, found ${describe(node)}`, hint ?? null)
  return FAULTY
}

/** What stands there, for a message. Values are cut and escaped. */
export function describe(node: DocNode): string {
  if (node.kind !== "scalar") return node.kind === "list" ? "a list" : "a map"
  if (node.value === null) return "nothing"
  if (typeof node.value === "string") return quote(node.value)
  const shown = node.source.length > 24 ? `${node.source.slice(0, 24)}...` : node.source
  return typeof node.value === "number" ? `the number ${shown}` : shown
}

interface TextOptions {
  /** Completes "expected ...". */
  readonly expected: string
  /** Whole value. Written so that it means the same in a JSON Schema: anchored, no flags. */
  readonly pattern?: RegExp
  /** UTF-16 units. Default 1. */
  readonly minLength?: number
  readonly maxLength: number
  /** What is wrong with a value that has the form, or null; a second text is the hint. */
  readonly check?: (value: string) => Complaint | null
}

/** What is wrong, after "expected", and how to mend it. */
export interface Complaint {
  readonly message: string
  readonly hint: string | null
}

/** Text without control characters, half surrogate pairs and noncharacters. */
export function text(options: TextOptions): Shape<string> {
  const { expected, pattern, minLength = 1, maxLength, check } = options
  return {
    expected,
    read(node, path, report) {
      if (node.kind !== "scalar" || typeof node.value !== "string") {
        const quotable = node.kind === "scalar" && node.value !== null
        return mismatch(node, path, report, expected, quotable ? `put it in quotes: ${quote(node.source)}` : null)
      }
      const { value } = node
      const bad = findControl(value)
      if (bad !== -1) {
        report.add(node.at, path, `the character ${codePointName(value, bad)} must not stand in a value`)
        return FAULTY
      }
      if (value.length > maxLength) {
        report.add(node.at, path, `expected at most ${maxLength} characters, found ${value.length}`)
        return FAULTY
      }
      if (value.length < minLength || pattern?.test(value) === false) return mismatch(node, path, report, expected)
      const complaint = check?.(value) ?? null
      if (complaint === null) return value
      report.add(node.at, path, complaint.message, complaint.hint)
      return FAULTY
    },
    schema: () => ({
      type: "string",
      ...(minLength > 0 ? { minLength } : {}),
      maxLength,
      ...(pattern === undefined ? {} : { pattern: pattern.source }),
    }),
  }
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** What is wrong with a name, or null: see `name`. */
export function complainAboutName(value: string): Complaint | null {
  if (!NAME.test(value)) {
    return { message: `expected a name: ${NAME_FORM}, found ${quote(value)}`, hint: null }
  }
  // A record that is read with a name from outside must not find what every object inherits.
  if (value in {}) return { message: `the name ${quote(value)} is reserved`, hint: "choose another name" }
  return null
}

const NAME_FORM = "1..64 of A-Z a-z 0-9 . _ -, the first a letter or digit"

/** A name: 1..64 of `A-Za-z0-9._-`, the first a letter or digit, and no member of every object (`constructor`). */
export function name(what: string): Shape<string> {
  return text({ expected: `${what}: ${NAME_FORM}`, pattern: NAME, maxLength: 64, check: complainAboutName })
}

/** A whole number. */
export function integer(min: number, max: number): Shape<number> {
  const expected = `a whole number ${min}..${max}`
  return {
    expected,
    read(node, path, report) {
      const value = node.kind === "scalar" ? node.value : null
      if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value + 0
      const unquoted = typeof value === "string" && /^[0-9]+$/.test(value) ? "write it without quotes" : null
      return mismatch(node, path, report, expected, unquoted)
    },
    schema: () => ({ type: "integer", minimum: min, maximum: max }),
  }
}

/** A number that the document says exactly: none that is infinite, no whole number with digits that would be lost. */
export function number(): Shape<number> {
  const expected = "a number"
  return {
    expected,
    read(node, path, report) {
      const value = node.kind === "scalar" ? node.value : null
      if (node.kind !== "scalar" || typeof value !== "number" || !Number.isFinite(value)) {
        const unquoted = typeof value === "string" && /^-?[0-9.]+$/.test(value) ? "write it without quotes" : null
        return mismatch(node, path, report, expected, unquoted)
      }
      if (/^[-+]?[0-9]+$/.test(node.source) && !Number.isSafeInteger(value)) {
        const message = `the last digits of ${describe(node)} would be lost`
        report.add(node.at, path, message, `whole numbers end at ${Number.MAX_SAFE_INTEGER}`)
        return FAULTY
      }
      return value + 0
    },
    schema: () => ({ type: "number" }),
  }
}

/** `true` or `false`. */
export function flag(): Shape<boolean> {
  const expected = "true or false"
  return {
    expected,
    read(node, path, report) {
      if (node.kind === "scalar" && typeof node.value === "boolean") return node.value
      const word = node.kind === "scalar" ? node.source.toLowerCase() : ""
      const hint = ["yes", "on", "y"].includes(word)
        ? "write true"
        : ["no", "off", "n"].includes(word)
          ? "write false"
          : null
      return mismatch(node, path, report, expected, hint)
    },
    schema: () => ({ type: "boolean" }),
  }
}

interface ChoiceOptions {
  /** Completes "expected ...", where the words would be too many to list. */
  readonly expected?: string
  /** Words that someone may well write here and must not, and why. */
  readonly refused?: Readonly<Record<string, string>>
}

/** One of some words. */
export function choice<const T extends string>(words: readonly T[], options: ChoiceOptions = {}): Shape<T> {
  const { expected = words.map((word) => quote(word)).join(" or "), refused = {} } = options
  return {
    expected,
    read(node, path, report) {
      const value = node.kind === "scalar" ? node.value : null
      const found = words.find((word) => word === value)
      if (found !== undefined) return found
      const source = node.kind === "scalar" ? node.source : ""
      if (Object.hasOwn(refused, source)) {
        report.add(node.at, path, `${quote(source)} does not stand here: ${refused[source] ?? ""}`)
        return FAULTY
      }
      const quotable = typeof value !== "string" && words.some((word) => word === source)
      const hint = quotable ? `put it in quotes: ${quote(source)}` : didYouMean(source, words)
      return mismatch(node, path, report, expected, hint)
    },
    schema: () => ({ enum: [...words] }),
  }
}

/** Exactly this number: the version of a format. */
export function version<const N extends number>(number: N): Shape<N> {
  return {
    expected: `${number}`,
    read(node, path, report) {
      if (node.kind === "scalar" && node.value === number) return number
      return mismatch(node, path, report, `the format number ${number}`)
    },
    schema: () => ({ const: number }),
  }
}
