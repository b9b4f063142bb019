/** Values out of JSON that nobody vouches for: each function returns the value, typed, or throws. */
import { InputError } from "../base/errors.ts"

/** @throws InputError `ERR_RECORDING_MALFORMED` */
export function refuse(what: string): never {
  throw new InputError("ERR_RECORDING_MALFORMED", what)
}

/** An object that is no list. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse("not an object")
  return value as Readonly<Record<string, unknown>>
}

/** The same object, if it has exactly these members. */
export function closed<T extends Readonly<Record<string, unknown>>>(value: T, members: readonly string[]): T {
  if (Object.keys(value).length !== members.length || !members.every((name) => Object.hasOwn(value, name))) {
    refuse(`not an object of ${members.join(", ")}`)
  }
  return value
}

/** `value`, if it is an integer of `min`..`max`. @throws InputError `ERR_RECORDING_MALFORMED` */
export function integer(value: unknown, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    return refuse(`not an integer in ${min}..${max}`)
  }
  return value
}

/** Text of at most so many characters, without control characters. */
export function text(value: unknown, maxLength: number): string {
  if (typeof value !== "string" || value.length > maxLength) return refuse(`not a text of at most ${maxLength}`)
  return isPlainText(value) ? value : refuse("a text with control characters")
}

/** Well-formed, and without control characters. */
export function isPlainText(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- control characters are what it looks for
  return !/[\u0000-\u001f\u007f-\u009f]/.test(text) && text.isWellFormed()
}

/** `value`, if it is a boolean. @throws as `integer` */
export function bool(value: unknown): boolean {
  return typeof value === "boolean" ? value : refuse("not true or false")
}

/** `value`, if it is one of `of`. @throws as `integer` */
export function word<const T extends string>(value: unknown, of: readonly T[]): T {
  const found = of.find((known) => known === value)
  return found ?? refuse("not one of the words known here")
}

/** `value`, if it is an array of at most `max`. @throws as `integer` */
export function array(value: unknown, max: number): readonly unknown[] {
  return Array.isArray(value) && value.length <= max ? value : refuse(`not a list of at most ${max}`)
}

/** At most `max` texts of at most `maxLength` characters. @throws as `integer` */
export function names(value: unknown, max: number, maxLength: number): readonly string[] {
  return array(value, max).map((name) => text(name, maxLength))
}
