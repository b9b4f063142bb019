/**
 * Least privilege from recordings: rules that admit what was recorded, and as little beyond as the rules of
 * `learn-topics.ts` allow. What was denied is not learnt.
 *
 * Each rule is for one conduit, one QoS, one retain flag and one size: nothing is allowed because something beside it
 * needed it. Roles are chosen so that as few others as can be hold them, too.
 */
import { matches } from "../filter/reference.ts"
import type { Action, Policy, Rate } from "../language/policy.ts"
import type { Recording } from "../recording/recording.ts"
import { skeletonOf } from "./learn-base.ts"
import { beyondOf, type Beyond } from "./learn-beyond.ts"
import { gather, unshared, type Entry, type Gathered, type Kind, type Load, type Seen } from "./learn-gather.ts"
import { beyondModbus, modbusRules, type LearntModbusRule } from "./learn-modbus.ts"
import { coverRoles } from "./learn-roles.ts"
import { widen, WordSets, type Widened } from "./learn-topics.ts"

/** What a proposal starts from, and how far it goes. */
export interface LearnOptions {
  /** Whose zones, roles, subjects and conduits stand; null: what the recordings tell of them. */
  readonly base: Policy | null
  /** Learn what was denied, too. */
  readonly includeDenied: boolean
  /** As many different words in one place make it `+`. */
  readonly wild: number
}

export const DEFAULT_WILD = 50

/** A proposed rule, and what it was learnt from. */
export interface LearntRule {
  readonly id: string
  readonly kind: Kind
  readonly allow: readonly Action[]
  readonly conduit: string
  readonly roles: readonly string[]
  /** Written out. */
  readonly topics: readonly string[]
  /** The same with sets. */
  readonly written: readonly string[]
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** Null where the rule lets no message pass by itself. */
  readonly payloadBytes: number | null
  readonly rate: Rate | null
  readonly seen: Seen
}

/** A proposal: the base policy with these rules instead of its own. */
export interface Learnt {
  readonly base: Policy
  readonly sets: WordSets["all"]
  readonly rules: readonly LearntRule[]
  readonly modbus: readonly LearntModbusRule[]
  readonly beyond: readonly Beyond[]
  /** What could not be learnt, and how many messages it was. */
  readonly notLearnt: ReadonlyMap<string, number>
  /** Messages that the recordings had no room for. */
  readonly missed: number
}

const MAX_TOPICS = 1_000
const MAX_PAYLOAD = 256 * 1024 * 1024
const MAX_RATE = 1_000_000

/** Propose rules. The same recordings give the same rules. @throws InputError `ERR_POLICY_TOO_COMPLEX` for the base policy */
export function learn(recordings: readonly Recording[], options: LearnOptions): Learnt {
  const base = options.base ?? skeletonOf(recordings)
  const gathered = gather(recordings, base, options.includeDenied)
  const groups = new Map<string, Entry[]>()
  const rolesOf = new Map<Entry, readonly string[]>()
  for (const entry of gathered.entries) {
    const roles = coverRoles([...entry.users.values()], gathered.roleSets.get(entry.conduit) ?? [])
    if (roles === null) continue
    rolesOf.set(entry, roles)
    const key = JSON.stringify([entry.conduit, entry.kind, roles])
    groups.set(key, [...(groups.get(key) ?? []), entry])
  }

  const drafts = [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, entries]) => draft(entries, options.wild)) // prettier-ignore
  const sets = new WordSets(drafts.flatMap(({ topics }) => topics))
  const ids = new Map<string, number>()
  const rules = drafts.map(({ entries, topics }): LearntRule => {
    const [first] = entries
    const { kind, conduit, qos, retain } = summed(entries)
    const roles = (first === undefined ? undefined : rolesOf.get(first)) ?? []
    const head = (roles[0] ?? "nobody").slice(0, 40)
    const number = (ids.get(`${head}-${kind}`) ?? 0) + 1
    ids.set(`${head}-${kind}`, number)
    const id = `${head}-${kind}-${number}`
    const seen = summed(entries).seen
    const payloadBytes = kind === "shared" ? null : roundedUp(seen.maxBytes)
    const rate = kind === "publish" ? rateFor(gathered.loads, conduit, roles, topics) : null
    const written = sets.factor(topics)
    return { id, kind, allow: ALLOW[kind], conduit, roles, topics, written, qos, retain, payloadBytes, rate, seen }
  })
  const all = rules.flatMap((rule) => (rule.kind === "shared" ? [rule, forMembers(rule, sets)] : [rule]))
  const beyond = rules.flatMap((rule, k) =>
    beyondOf(rule, drafts[k]?.widened ?? new Map(), rolesBeside(rule, gathered)),
  )
  const modbus = modbusRules(gathered.modbus, gathered.roleSets)
  const missed = recordings.reduce((sum, { end }) => sum + end.missed.messages, 0)
  return {
    base,
    sets: sets.all,
    rules: all,
    modbus,
    beyond: [...beyond, ...modbus.flatMap(beyondModbus)],
    notLearnt: gathered.notLearnt,
    missed,
  }
}

const ALLOW: Readonly<Record<Kind, readonly Action[]>> = {
  publish: ["publish"],
  subscribe: ["subscribe", "receive"],
  receive: ["receive"],
  shared: ["subscribe"],
}

interface Draft {
  readonly entries: readonly Entry[]
  readonly topics: readonly string[]
  readonly widened: ReadonlyMap<string, readonly Widened[]>
}

/** Rules for entries of one conduit, kind and choice of roles: one for each QoS, retain flag and size. */
function draft(entries: readonly Entry[], wild: number): readonly Draft[] {
  const [first] = entries
  if (first === undefined) return []
  const asked = first.kind === "subscribe" || first.kind === "shared"
  // What was asked for is granted as it was asked for: a wider filter would be another request.
  const filters = entries.map(({ filter }) => filter)
  const none = { becomes: new Map(filters.map((filter) => [filter, filter])), widened: new Map() } as const
  const { becomes, widened } = asked ? none : widen(filters, wild)
  const byFilter = new Map<string, Entry[]>()
  for (const entry of entries) {
    const filter = becomes.get(entry.filter) ?? entry.filter
    byFilter.set(filter, [...(byFilter.get(filter) ?? []), entry])
  }
  const byTerms = new Map<string, { entries: Entry[]; topics: string[] }>()
  for (const [filter, own] of [...byFilter].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const { qos, retain, seen } = summed(own)
    const terms = JSON.stringify([qos, retain, first.kind === "shared" ? 0 : roundedUp(seen.maxBytes)])
    for (let n = 0; ; n++) {
      const group = byTerms.get(`${terms} ${n}`) ?? { entries: [], topics: [] }
      if (group.topics.length >= MAX_TOPICS) continue
      group.entries.push(...own)
      group.topics.push(filter)
      byTerms.set(`${terms} ${n}`, group)
      break
    }
  }
  return [...byTerms.values()].map((group) => ({ ...group, widened }))
}

/** Entries taken together. */
function summed(entries: readonly Entry[]): Pick<Entry, "conduit" | "kind" | "qos" | "retain" | "seen"> {
  const seen: Seen = { messages: 0, maxBytes: 0, lastAt: 0, subjects: new Set() }
  let qos: 0 | 1 | 2 = 0
  for (const entry of entries) {
    if (entry.qos > qos) qos = entry.qos
    seen.messages += entry.seen.messages
    seen.maxBytes = Math.max(seen.maxBytes, entry.seen.maxBytes)
    seen.lastAt = Math.max(seen.lastAt, entry.seen.lastAt)
    for (const subject of entry.seen.subjects) seen.subjects.add(subject)
  }
  const retain = entries.some((entry) => entry.retain)
  return { conduit: entries[0]?.conduit ?? "", kind: entries[0]?.kind ?? "publish", qos, retain, seen }
}

/** Messages of a shared subscription must never be dropped on their way to a member: a rule that lets everything through. */
function forMembers(rule: LearntRule, sets: WordSets): LearntRule {
  const topics = [...new Set(rule.topics.map(unshared))]
  return {
    ...rule,
    id: `${rule.id}-members`,
    kind: "receive",
    allow: ["receive"],
    topics,
    written: sets.factor(topics),
    payloadBytes: MAX_PAYLOAD,
  }
}

/** The next power of two, at least 64 bytes. */
function roundedUp(bytes: number): number {
  return Math.min(MAX_PAYLOAD, Math.max(64, 2 ** Math.ceil(Math.log2(Math.max(1, bytes)))))
}

/**
 * Half as much again as the busiest second of the busiest subject, and a burst of two such seconds: what was recorded
 * never meets it, wherever in the seconds its messages fell (`simulate.ts`).
 */
function rateFor(
  loads: readonly Load[],
  conduit: string,
  roles: readonly string[],
  topics: readonly string[],
): Rate | null {
  const bySubject = new Map<string, number>()
  const byPeer = new Map<string, { load: Load; sum: number }>()
  for (const load of loads) {
    const { known, peer, recording } = load
    if (known.conduit !== conduit || !known.roles.some((role) => roles.includes(role))) continue
    // Another rule's topics may match, too: then this rule may have to pay for them.
    if (!topics.some((topic) => matches(topic, load.topic, known))) continue
    const key = JSON.stringify([recording, peer.subject, peer.clientId, peer.roles, peer.fingerprint])
    const own = byPeer.get(key) ?? { load, sum: 0 }
    own.sum += load.busiest
    byPeer.set(key, own)
  }
  for (const { load, sum } of byPeer.values()) {
    const key = JSON.stringify([load.recording, load.known.name])
    bySubject.set(key, (bySubject.get(key) ?? 0) + Math.min(sum, Math.max(1, load.peer.busiestUp)))
  }
  const busiest = Math.max(1, ...bySubject.values())
  const perSecond = Math.ceil(busiest * 1.5)
  return perSecond * 2 > MAX_RATE ? null : { perSecond, burst: perSecond * 2 }
}

/** Sets of roles that get the rule without having used it. */
function rolesBeside(rule: LearntRule, { entries, roleSets }: Gathered): readonly (readonly string[])[] {
  const used = new Set(entries.filter(({ conduit, kind }) => conduit === rule.conduit && kind === rule.kind).flatMap(({ users }) => [...users.keys()])) // prettier-ignore
  const held = new Map((roleSets.get(rule.conduit) ?? []).map((roles) => [[...roles].sort().join(" "), roles]))
  return [...held].filter(([key, roles]) => !used.has(key) && roles.some((role) => rule.roles.includes(role))).map(([, roles]) => roles) // prettier-ignore
}
