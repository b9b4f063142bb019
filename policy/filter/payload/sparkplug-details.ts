import { findMalformed } from "./utf8.ts"
import { WIRE, type WireReader } from "./wire.ts"

/** Property sets in one another, in a metric: deeper never fits. */
export const MAX_PROPERTY_DEPTH = 8

type Plain = "uint32" | "uint64" | "bool" | "float" | "double" | "string"
type Message = "MetaData" | "PropertySet" | "PropertyValue" | "PropertySetList"

interface Field {
  readonly is: Plain | Message
  readonly repeated: boolean
  /** Part of the message's one `oneof`. */
  readonly choice: boolean
}

const one = (is: Field["is"]): Field => ({ is, repeated: false, choice: false })
const many = (is: Field["is"]): Field => ({ is, repeated: true, choice: false })
const choice = (is: Field["is"]): Field => ({ is, repeated: false, choice: true })

/** Fields by number, from 1. Extensions are not among them. @see Sparkplug 3.0 section 6.4.1 */
const FIELDS: Readonly<Record<Message, readonly Field[]>> = {
  MetaData: ["bool", "string", "uint64", "uint64", "string", "string", "string", "string"].map((is) =>
    one(is as Plain),
  ),
  PropertySet: [many("string"), many("PropertyValue")],
  PropertyValue: [
    one("uint32"),
    one("bool"),
    ...(["uint32", "uint64", "float", "double", "bool", "string", "PropertySet", "PropertySetList"] as const).map(
      choice,
    ),
  ],
  PropertySetList: [many("PropertySet")],
}

const WIRE_TYPE: Readonly<Record<Plain, number>> = {
  uint32: WIRE.varint,
  uint64: WIRE.varint,
  bool: WIRE.varint,
  float: WIRE.fixed32,
  double: WIRE.fixed64,
  string: WIRE.bytes,
}

/**
 * True if the reader stands at a metric's `metadata` or `properties`, and these end at `end`: well-formed to the last byte,
 * with known fields only, none twice that may stand once. What they say is not judged: no rule speaks of it.
 */
export function isDetail(reader: WireReader, end: number, message: Message, depth = 0): boolean {
  if (depth > MAX_PROPERTY_DEPTH) return false
  const fields = FIELDS[message]
  let seen = 0
  let chosen = false
  let keys = 0
  let values = 0
  while (reader.at < end) {
    const tag = reader.tag(end)
    const number = tag >> 3
    const field = fields[number - 1]
    if (field === undefined) return false
    if (!field.repeated && (seen & (1 << number)) !== 0) return false
    if (field.choice && chosen) return false
    seen |= 1 << number
    chosen ||= field.choice
    if (message === "PropertySet" && number === 1) keys++
    if (message === "PropertySet" && number === 2) values++
    if (!isValue(reader, end, field.is, tag & 7, depth)) return false
  }
  return keys === values
}

function isValue(reader: WireReader, end: number, is: Field["is"], wireType: number, depth: number): boolean {
  switch (is) {
    case "uint32":
      return wireType === WIRE_TYPE[is] && reader.varint32(end)
    case "uint64":
      return wireType === WIRE_TYPE[is] && reader.varint(end)
    case "bool":
      return wireType === WIRE_TYPE[is] && reader.flag(end)
    case "float":
      return wireType === WIRE_TYPE[is] && reader.fixed32(end)
    case "double":
      return wireType === WIRE_TYPE[is] && reader.fixed64(end)
    case "string":
      return wireType === WIRE_TYPE[is] && readText(reader, end) >= 0
    case "MetaData":
    case "PropertySet":
    case "PropertyValue":
    case "PropertySetList": {
      const stop = wireType === WIRE.bytes ? reader.span(end) : -1
      return stop >= 0 && isDetail(reader, stop, is, is === "PropertySet" ? depth + 1 : depth)
    }
  }
}

/** Read a string: where it begins, or -1 if it is not one; `reader.at` is then behind it. */
export function readText(reader: WireReader, end: number): number {
  const stop = reader.span(end)
  if (stop < 0) return -1
  const start = reader.at
  if (findMalformed(reader.bytes, start, stop) >= 0) return -1
  reader.at = stop
  return start
}
