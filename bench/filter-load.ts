import { classOf, createBuckets, createFilterState, decide, type FilterState } from "../policy/filter/decide.ts"
import type { CompiledPolicy } from "../policy/filter/table.ts"
import { isAllowed } from "../policy/filter/verdict.ts"
import type { Policy, Rule } from "../policy/language/policy.ts"
import { seeded } from "../test/support/hostile.ts"
import { makePolicy, makeRule } from "../test/support/policies.ts"

/** PUBLISH packets, one behind the other in a buffer, and whose they are. */
export interface Load {
  readonly bytes: Uint8Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly states: readonly FilterState[]
  readonly topicBytes: number
  readonly allowed: number
}

const ROLES = Array.from({ length: 20 }, (_, k) => `role-${k}`)
const CLIENTS = 1000
const POINTS = ["temperature", "vibration", "pressure", "rpm", "torque", "energy", "status", "oil-level"]
const text = new TextEncoder()

/** A plant: `count` rules over 20 roles; with few rules each speaks of all roles, else of one. */
export function plantPolicy(count: number, seed = 7): Policy {
  const random = seeded(seed)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const digits = (n: number, width: number): string => String(Math.floor(random() * n)).padStart(width, "0")
  const seen = new Set<string>()
  const rules: Rule[] = []
  for (let k = 0; rules.length < count; k++) {
    const site = `plant/area${digits(20, 2)}/line${digits(40, 2)}`
    const device = `dev${digits(2000, 4)}`
    const kind = random()
    const topic =
      kind < 0.65
        ? `${site}/${device}/${pick(POINTS)}`
        : kind < 0.75
          ? `${site}/+/${pick(POINTS)}`
          : kind < 0.85
            ? `${site}/${device}/#`
            : kind < 0.95
              ? `${site}/%u/${pick(POINTS)}`
              : `${site}/${device}/secret/#`
    const role = ROLES[k % ROLES.length]!
    if (seen.has(topic + role)) continue
    seen.add(topic + role)
    rules.push(
      makeRule({
        id: `rule-${rules.length}`,
        effect: kind < 0.95 ? "allow" : "deny",
        topics: [topic],
        roles: count < 200 ? ROLES : [role],
        maxPayloadBytes: pick([1024, 65_536]),
        retain: random() < 0.5,
      }),
    )
  }
  return makePolicy(
    rules,
    ROLES.map((role) => [role]),
  )
}

/** One filter state per client; client `k` has role `k % 20`. */
export function clientStates(compiled: CompiledPolicy, clients = CLIENTS): FilterState[] {
  return Array.from({ length: clients }, (_, k) =>
    createFilterState(compiled.table, {
      classIndex: classOf(compiled, "field", [ROLES[k % ROLES.length]!]),
      action: "publish",
      protocolVersion: 4,
      name: text.encode(`dev${k}`),
      clientId: text.encode(`dev${k}`),
      buckets: createBuckets(compiled.table),
      essentialOnly: false,
    }),
  )
}

/**
 * `count` distinct packets of 16 bytes of payload, nine in ten allowed, by clients at random. A client's packets stand one
 * behind the other, as they arrive in its connection's chunks.
 */
export function plantLoad(policy: Policy, compiled: CompiledPolicy, count: number, clients = CLIENTS, seed = 11): Load {
  const random = seeded(seed)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const states = clientStates(compiled, clients)
  const byRole = new Map(
    ROLES.map((role) => [
      role,
      policy.rules.filter((r) => r.protocol === "mqtt").filter((r) => r.roles.includes(role)),
    ]),
  )
  const wantAllowed = Math.round(count * 0.9)
  const seen = new Set<string>()
  const packets: { packet: Uint8Array; state: FilterState; topic: number; client: number }[] = []
  let allowed = 0
  while (packets.length < count) {
    const client = Math.floor(random() * clients)
    const state = states[client]!
    const rule = pick(byRole.get(ROLES[client % ROLES.length]!)!)
    const levels = rule.topics[0]!.replace("%u", `dev${client}`)
      .replace("+", `dev${String(Math.floor(random() * 2000)).padStart(4, "0")}`)
      .replace("#", pick(POINTS))
      .split("/")
    if (packets.length - allowed < count - wantAllowed && random() < 0.1) {
      // Someone else's device, or a point that is not theirs.
      if (random() < 0.5) levels[3] = `dev${String(Math.floor(random() * 9000)).padStart(4, "0")}`
      else levels[levels.length - 1] = "setpoint"
    }
    const topic = levels.join("/")
    if (seen.has(`${client} ${topic}`)) continue
    const packet = publish(topic, 16)
    const passes = isAllowed(decide(compiled.table, state, packet, 0, packet.length, 0))
    if (passes ? allowed >= wantAllowed : packets.length - allowed >= count - wantAllowed) continue
    if (passes) allowed++
    seen.add(`${client} ${topic}`)
    packets.push({ packet, state, topic: topic.length, client })
  }
  packets.sort((a, b) => a.client - b.client)
  return assemble(packets, allowed)
}

function assemble(
  packets: readonly { packet: Uint8Array; state: FilterState; topic: number }[],
  allowed: number,
): Load {
  const bytes = new Uint8Array(packets.reduce((sum, { packet }) => sum + packet.length, 0))
  const starts = new Int32Array(packets.length)
  const ends = new Int32Array(packets.length)
  let at = 0
  packets.forEach(({ packet }, k) => {
    starts[k] = at
    bytes.set(packet, at)
    at += packet.length
    ends[k] = at
  })
  const topicBytes = packets.reduce((sum, { topic }) => sum + topic, 0) / packets.length
  return { bytes, starts, ends, states: packets.map(({ state }) => state), topicBytes, allowed }
}

/** A PUBLISH of QoS 0 in MQTT 3.1.1. */
export function publish(topic: string, payloadBytes: number): Uint8Array {
  const name = text.encode(topic)
  const remaining = 2 + name.length + payloadBytes
  const header = [0x30]
  for (let rest = remaining; ; rest >>= 7) {
    header.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest)
    if (rest <= 0x7f) break
  }
  return Uint8Array.from([...header, name.length >> 8, name.length & 0xff, ...name, ...new Uint8Array(payloadBytes)])
}

/** The filter that is measured against: reads the header, hashes the topic's bytes (FNV-1a), judges nothing. */
export function nullFilter(bytes: Uint8Array, start: number, end: number): number {
  let at = start + 1
  let remaining = 0
  for (let shift = 0; at < end; shift += 7) {
    const byte = bytes[at++]!
    remaining |= (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  if (at + remaining > end || bytes[start]! >> 4 !== 3) return 1
  const length = (bytes[at]! << 8) | bytes[at + 1]!
  at += 2
  const stop = at + length
  if (stop > end) return 1
  let hash = 0x811c9dc5 | 0
  for (; at < stop; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return hash
}

/** The filter that is measured against, four bytes a step: as fast as plain JavaScript touches them. */
export function wordFilter(bytes: Uint8Array, start: number, end: number): number {
  let at = (start + 1) | 0
  let remaining = 0
  for (let shift = 0; at < end; shift += 7) {
    const byte = bytes[at]!
    at = (at + 1) | 0
    remaining |= (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  if (at + remaining > end || bytes[start]! >> 4 !== 3) return 1
  const length = (bytes[at]! << 8) | bytes[(at + 1) | 0]!
  at = (at + 2) | 0
  const stop = (at + length) | 0
  if (stop > end) return 1
  let hash = 0x811c9dc5 | 0
  for (const whole = (stop - 4) | 0; at <= whole; at = (at + 4) | 0) {
    const word = bytes[at]! | (bytes[(at + 1) | 0]! << 8) | (bytes[(at + 2) | 0]! << 16) | (bytes[(at + 3) | 0]! << 24)
    hash = Math.imul(hash ^ word, 0x9e3779b1)
  }
  for (; at < stop; at = (at + 1) | 0) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return hash
}

/** Packets to topics that look like the plant's but were never sent before: nearly all denied. */
export function strangeLoad(compiled: CompiledPolicy, count: number, seed = 13): Load {
  const random = seeded(seed)
  const states = clientStates(compiled)
  const digits = (n: number, width: number): string => String(Math.floor(random() * n)).padStart(width, "0")
  const packets = Array.from({ length: count }, (_, k) => {
    const topic = `plant/area${digits(20, 2)}/line${digits(40, 2)}/x${k.toString(36)}/${POINTS[k % POINTS.length]!}`
    const client = Math.floor(random() * CLIENTS)
    return { packet: publish(topic, 16), state: states[client]!, topic: topic.length, client }
  })
  packets.sort((a, b) => a.client - b.client)
  return assemble(packets, 0)
}

/** The plant with 1,000 rules for all roles' worth, and 64 rules that all match `a/a/a/a/a/a/...`. */
export function hostilePolicy(): Policy {
  const plant = plantPolicy(1000)
  const mixed = Array.from({ length: 64 }, (_, bits) =>
    makeRule({
      id: `mixed-${bits}`,
      topics: [[...Array.from({ length: 6 }, (_, k) => ((bits >> k) & 1 ? "+" : "a")), "#"].join("/")],
      roles: ROLES,
    }),
  )
  return { ...plant, rules: [...plant.rules, ...mixed] }
}

/** Topics of 65,535 bytes that are made to cost: many levels, one level, no ASCII, levels that match everything. */
export function hostileLoad(compiled: CompiledPolicy): readonly (readonly [string, Load])[] {
  const [state] = clientStates(compiled)
  const fill = (piece: string): string => piece.repeat(Math.floor(65_535 / text.encode(piece).length))
  const topics: readonly (readonly [string, string])[] = [
    ["32,767 levels, 64 rules match", fill("a/")],
    ["65,535 empty levels", fill("/")],
    ["one level", fill("x")],
    ["levels of other scripts", fill("\u6e29\u5ea6/")],
    ["like the plant's", fill("plant/area01/line02/dev0003/temperature/")],
  ]
  return topics.map(([name, topic]) => {
    const size = text.encode(topic).length
    const packet = publish(topic, 0)
    return [
      name,
      assemble(
        Array.from({ length: 8 }, () => ({ packet, state: state!, topic: size })),
        0,
      ),
    ] as const
  })
}
