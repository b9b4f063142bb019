import protobuf from "protobufjs/minimal.js"
import { SPARKPLUG_TYPES, type SparkplugMetric, type SparkplugType } from "../../../policy/language/payload-form.ts"
import { sparkplug } from "./sparkplug-b.generated.js"

/** A metric as tests write it: longs are big integers. */
export type PlainMetric = Omit<sparkplug.Metric.$Properties, "longValue" | "alias" | "timestamp" | "metadata"> & {
  readonly longValue?: bigint
  readonly alias?: bigint
  readonly timestamp?: bigint
  readonly metadata?: Omit<sparkplug.MetaData.$Properties, "size" | "seq">
}

/** A payload as tests write it. */
export interface PlainPayload {
  readonly timestamp?: bigint
  readonly seq?: bigint
  readonly uuid?: string
  readonly body?: Uint8Array
  readonly metrics?: readonly PlainMetric[]
}

// Its types know only that it can be constructed.
const { Long }: any = protobuf.util
const long = (value: bigint) => Long.fromString(value.toString(), true)

/** The payload as protobufjs writes it. */
export function encodePayload(payload: PlainPayload): Uint8Array {
  const { timestamp, seq, metrics = [], ...rest } = payload
  const message: sparkplug.Payload.$Properties = {
    ...rest,
    ...(timestamp === undefined ? {} : { timestamp: long(timestamp) }),
    ...(seq === undefined ? {} : { seq: long(seq) }),
    metrics: metrics.map(({ longValue, alias, timestamp: at, ...plain }) => ({
      ...plain,
      ...(longValue === undefined ? {} : { longValue: long(longValue) }),
      ...(alias === undefined ? {} : { alias: long(alias) }),
      ...(at === undefined ? {} : { timestamp: long(at) }),
    })),
  }
  // A plain array: in Node protobufjs makes a Buffer, of which a slice would share the bytes.
  return new Uint8Array(sparkplug.Payload.encode(message).finish())
}

/** The payload as protobufjs reads it. @throws what protobufjs throws. */
export function decodePayload(bytes: Uint8Array): sparkplug.Payload.$Properties {
  return sparkplug.Payload.decode(bytes)
}

type Random = () => number
const pick = <T>(of: readonly T[], random: Random): T => of[Math.floor(random() * of.length)]!
const TYPES = Object.keys(SPARKPLUG_TYPES) as SparkplugType[]
const NAMES = ["bdSeq", "Motor/Speed", "Motor/Torque", "Motor/", "é", "\u{1f6a2}/x", "", "Node Control/Rebirth"]
const BOUNDS = [null, null, -129, -1, 0, 0.5, 100, 255, 65_536, 2 ** 31, 2 ** 53, -(2 ** 63), 1e300]
const NUMBERS = [
  0,
  1,
  127,
  128,
  255,
  256,
  32_767,
  32_768,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32 - 128,
]
const LONGS = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]
const DOUBLES = [0, -0, 0.1, -1, 100, 1e300, NaN, Infinity, -Infinity]

/** Some entries of a form at random. */
export function randomMetrics(random: Random): SparkplugMetric[] {
  return Array.from({ length: 1 + Math.floor(random() * 5) }, () => ({
    name: pick([...NAMES, "Motor/*", "*", "é*", "M*", "Motor/Speed*"], random),
    types: TYPES.filter(() => random() < 0.5),
    min: pick(BOUNDS, random),
    max: random() < 0.6 ? null : pick(BOUNDS, random),
  }))
}

/** A payload at random that often fits. */
export function randomPayload(random: Random, allowed: readonly SparkplugMetric[]): PlainPayload {
  return {
    ...(random() < 0.5 ? { timestamp: pick(LONGS, random), seq: BigInt(Math.floor(random() * 256)) } : {}),
    ...(random() < 0.1 ? { uuid: "é" } : {}),
    ...(random() < 0.02 ? { body: new Uint8Array(Math.floor(random() * 3)) } : {}),
    metrics: Array.from({ length: Math.floor(random() * 4) }, () => randomMetric(random, pick(allowed, random))),
  }
}

function randomMetric(random: Random, like: SparkplugMetric): PlainMetric {
  const type = random() < 0.9 && like.types.length > 0 ? pick(like.types, random) : pick(TYPES, random)
  const name = random() < 0.9 ? like.name.replace(/\*$/, pick(["", "x", "/é"], random)) : pick(NAMES, random)
  const isNull = random() < 0.1
  return {
    ...(random() < 0.98 ? { name } : {}),
    ...(random() < 0.98 ? { datatype: SPARKPLUG_TYPES[type] } : {}),
    ...(random() < 0.3
      ? { alias: pick(LONGS, random), timestamp: pick(LONGS, random), isHistorical: random() < 0.5 }
      : {}),
    ...(random() < 0.1 ? { metadata: { md5: "é", isMultiPart: false } } : {}),
    ...(random() < 0.1 ? { properties: randomProperties(random, 0) } : {}),
    ...(isNull || random() < 0.02 ? { isNull } : {}),
    ...(isNull && random() < 0.8 ? {} : valueOf(random() < 0.97 ? type : pick(TYPES, random), random)),
  }
}

function valueOf(type: SparkplugType, random: Random): PlainMetric {
  switch (type) {
    case "Int8":
    case "Int16":
    case "Int32":
    case "UInt8":
    case "UInt16":
      return { intValue: random() < 0.6 ? Math.floor(random() * 100) : pick(NUMBERS, random) }
    case "UInt32":
      return random() < 0.5 ? { intValue: pick(NUMBERS, random) } : { longValue: pick(LONGS, random) }
    case "Int64":
    case "UInt64":
    case "DateTime":
      return { longValue: random() < 0.3 ? BigInt(Math.floor(random() * 200)) : pick(LONGS, random) }
    case "Float":
      return { floatValue: pick(DOUBLES, random) }
    case "Double":
      return { doubleValue: pick(DOUBLES, random) }
    case "Boolean":
      return { booleanValue: random() < 0.5 }
    case "String":
    case "Text":
    case "UUID":
      return random() < 0.95 ? { stringValue: pick(["", "x", "é\u0000"], random) } : { bytesValue: new Uint8Array(1) }
  }
}

function randomProperties(random: Random, depth: number): sparkplug.PropertySet.$Properties {
  const count = Math.floor(random() * 3)
  const value = (): sparkplug.PropertyValue.$Properties => {
    if (depth < 3 && random() < 0.2) return { propertysetValue: randomProperties(random, depth + 1) }
    if (depth < 3 && random() < 0.2)
      return { propertysetsValue: { propertyset: [randomProperties(random, depth + 1)] } }
    return pick([{ type: 3, intValue: 192 }, { doubleValue: 0.5 }, { stringValue: "é" }, { isNull: true }, {}], random)
  }
  return {
    keys: Array.from({ length: count }, () => pick(NAMES, random)),
    values: Array.from({ length: count }, value),
  }
}
