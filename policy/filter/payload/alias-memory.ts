/**
 * What births have said: which metric an alias stands for. A metric that carries only its alias can be judged by the name
 * that the receiver, too, learned from the birth.
 *
 * One memory for each connection. Within it an edge node (group and node of the topic) has aliases of its own, unique over
 * the node and its devices. At most `maxAliases` over all nodes: a birth with more does not fit.
 *
 * @see Sparkplug 3.0 section 6.4.6 (alias)
 */
export interface AliasMemory {
  readonly maxAliases: number
  /** By group and node, then by alias. */
  readonly nodes: Map<string, Map<string, Alias>>
  count: number
}

/** A metric as its birth named it. */
export interface Alias {
  /** Its device, or empty for the edge node itself. */
  readonly device: string
  /** UTF-8. */
  readonly name: Uint8Array
  readonly datatype: number
}

/** The part of a memory that a topic speaks of, and what the topic says of births. */
export interface AliasScope {
  readonly memory: AliasMemory
  readonly node: string
  readonly device: string
  /** `node` forgets what was known of the edge node and all its devices, `device` of that device. */
  readonly birth: "node" | "device" | null
}

/** A birth that a payload tells of. */
export interface Birth extends Alias {
  readonly alias: string
}

/** Metrics with an alias have no longer name, edge nodes and devices no longer topic: what is remembered must be bounded. */
export const MAX_ALIAS_NAME_BYTES = 512

/** Aliases of one connection: a few large edge nodes, about 3 MiB at the very most. */
export const MAX_ALIASES = 4096

/** An empty memory. */
export function createAliasMemory(maxAliases: number): AliasMemory {
  return { maxAliases, nodes: new Map(), count: 0 }
}

/** Forget all of it. */
export function forgetAliases(memory: AliasMemory): void {
  memory.nodes.clear()
  memory.count = 0
}

/** Bytes that a memory holds, about. Looks at each alias. */
export function aliasBytes(memory: AliasMemory): number {
  let bytes = 0
  for (const known of memory.nodes.values()) for (const { name } of known.values()) bytes += name.length + 256
  return bytes
}

const PREFIX = [...new TextEncoder().encode("spBv1.0/")]
const BIRTH = [...new TextEncoder().encode("BIRTH/")]
const SLASH = 0x2f
const DEVICE_KINDS = ["DBIRTH", "DDATA", "DCMD", "DDEATH"]
const NODE_KINDS = ["NBIRTH", "NDATA", "NCMD", "NDEATH"]

/** True if the topic `bytes[start, end)` may be that of a birth: `spBv1.0/<group>/NBIRTH/...` or `DBIRTH`. Allocates nothing. */
export function mayBeBirth(bytes: Uint8Array, start: number, end: number): boolean {
  for (let k = 0; k < PREFIX.length; k++) if (start + k >= end || bytes[start + k] !== PREFIX[k]) return false
  let at = start + PREFIX.length
  while (at < end && bytes[at] !== SLASH) at++
  const kind = bytes[at + 1]
  if (at + 1 >= end || (kind !== 0x4e && kind !== 0x44)) return false
  for (let k = 0; k < BIRTH.length; k++) if (at + 2 + k >= end || bytes[at + 2 + k] !== BIRTH[k]) return false
  return true
}

/**
 * What the memory holds for the topic `bytes[start, end)`: `spBv1.0/<group>/<kind>/<node>[/<device>]`. Null if it is none of
 * Sparkplug's: its payload is then judged without memory, and a metric without a name never fits.
 *
 * @see Sparkplug 3.0 section 4.1
 */
export function aliasScope(memory: AliasMemory, bytes: Uint8Array, start: number, end: number): AliasScope | null {
  for (let k = 0; k < PREFIX.length; k++) if (start + k >= end || bytes[start + k] !== PREFIX[k]) return null
  // A byte a character: levels are only compared. What is cut off here is looked at below.
  let text = ""
  for (let at = start + PREFIX.length; at < Math.min(end, start + MAX_ALIAS_NAME_BYTES); at++)
    text += String.fromCharCode(bytes[at] ?? 0)
  const levels = text.split("/")
  const [group = "", kind = "", node = "", device = ""] = levels
  const known = levels.length === 3 ? NODE_KINDS.includes(kind) : levels.length === 4 && DEVICE_KINDS.includes(kind)
  if (!known || (levels.length === 4 && device === "")) return null
  const isBirth = kind === "NBIRTH" || kind === "DBIRTH"
  // What could not be told from another is given no room at all.
  if (end - start > MAX_ALIAS_NAME_BYTES)
    return { memory: createAliasMemory(0), node: "", device: "", birth: isBirth ? "node" : null }
  return { memory, node: `${group}/${node}`, device, birth: isBirth ? (device === "" ? "node" : "device") : null }
}

/** An alias as a key, from its lower and upper 32 bits. The letter keeps it from being hashed as a number, without seed. */
export function aliasKey(low: number, high: number): string {
  return `a${high}.${low}`
}

/** What the alias stands for in the scope's edge node or device, or null: no birth said, or one of another device. */
export function findAlias(scope: AliasScope, alias: string): Alias | null {
  const found = scope.memory.nodes.get(scope.node)?.get(alias)
  return found !== undefined && found.device === scope.device ? found : null
}

/** Why the births cannot be remembered: an alias twice, one of another device's, or more than there is room for. Or null. */
export function complainAboutBirths(scope: AliasScope, births: readonly Birth[]): string | null {
  const { memory, device } = scope
  const known = memory.nodes.get(scope.node)
  let forgotten = 0
  for (const alias of known?.values() ?? []) if (scope.birth === "node" || alias.device === device) forgotten++
  if (memory.count - forgotten + births.length > memory.maxAliases) return `more than ${memory.maxAliases} aliases`
  const seen = new Set<string>()
  for (const { alias } of births) {
    if (seen.has(alias)) return "an alias that stands for two metrics"
    seen.add(alias)
    const other = known?.get(alias)
    if (scope.birth === "device" && other !== undefined && other.device !== device)
      return "an alias of another device of the edge node"
  }
  return null
}

/** Forget what the birth replaces, and remember it; `null` remembers nothing, so that aliases of the whole node never fit. */
export function remember(scope: AliasScope, births: readonly Birth[] | null): void {
  const { memory, node, device } = scope
  const known = memory.nodes.get(node) ?? new Map<string, Alias>()
  memory.count -= known.size
  for (const [alias, of] of known)
    if (births === null || scope.birth === "node" || of.device === device) known.delete(alias)
  for (const { alias, name, datatype } of births ?? []) known.set(alias, { device, name, datatype })
  memory.count += known.size
  if (known.size === 0) memory.nodes.delete(node)
  else memory.nodes.set(node, known)
}
