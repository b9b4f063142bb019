/** The page puts a log together piece by piece, in any order; `verifyLog` walks it from the root. Both must say the same. */
import { gunzipSync, gzipSync } from "node:zlib"
import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { unpackEdge, unpackPiece } from "../../../firmware/audit/retained-log.ts"
import { verifyNoteSignature } from "../../../firmware/audit/note-functions.ts"
import { encodeBundle, parseBundle } from "../../../policy/audit/entry-bundle.ts"
import { encodeEdge, parseEdge, type ParsedEdge } from "../../../policy/audit/edge-message.ts"
import { leafHash } from "../../../policy/audit/tlog/hash.ts"
import { parsePiecePath } from "../../../policy/audit/tlog/tile.ts"
import { verifyLog, type LogVerdict } from "../../../policy/audit/tlog/verify-log.ts"
import type { Seen } from "../../../firmware/console/page/log-tree.ts"
import { makeLog, plantEvents, sha256, type MadeLog } from "../../support/console-feed.ts"
import { watchOf } from "../../support/console-watch.ts"

const test = suite("console page against verifyLog")
const EDGE = "lockgate/g/log/edge"
type Broker = Map<string, Buffer>

const SIZES = [0, 1, 255, 256, 300, 512, 700, 1_030]
const LOG = makeLog("g")
/** One log as its broker held it at each of these sizes. */
const HELD: ReadonlyMap<number, Broker> = new Map(
  SIZES.map((size) => {
    LOG.add(plantEvents(size - LOG.size))
    return [size, brokerOf(LOG)]
  }),
)
const OTHER = logOf("other", 700)
/** The same gateway with another key and another past. */
const FORGED = logOf("g", 700)

function logOf(gateway: string, size: number): MadeLog {
  const log = makeLog(gateway)
  log.add(plantEvents(size))
  return log
}

function brokerOf(log: MadeLog): Broker {
  return new Map(log.retained().map(({ topic, payload }) => [topic, payload]))
}

const held = (size: number): Broker => new Map(HELD.get(size))

/** What a broker holds, verified as `lockgate audit verify` does it: from the root down. */
async function judged(broker: Broker, known: Seen | null): Promise<LogVerdict> {
  const edge = edgeIn(broker)
  const source = {
    checkpoint: async () => (edge === undefined ? null : (edge?.checkpoint ?? "")),
    async piece(path: string) {
      const piece = parsePiecePath(path)
      if (piece.width < 256) return edge ? partialOf(edge, path) : null
      const payload = broker.get(`lockgate/g/log/${path}`)
      return payload === undefined ? null : (unpackPiece(piece, payload) ?? new Uint8Array())
    },
  }
  const before = known === null ? {} : { known: { origin: LOG.key.name, ...known } }
  return verifyLog({ sha256, verify: verifyNoteSignature, keys: [LOG.key] }, source, { window: true, ...before })
}

/** Undefined: there is none; null: what is there is none. */
function edgeIn(broker: Broker): ParsedEdge | null | undefined {
  const payload = broker.get(EDGE)
  if (payload === undefined) return undefined
  try {
    return parseEdge(unpackEdge(payload) ?? new Uint8Array())
  } catch {
    return null
  }
}

function partialOf({ said, levels, entries }: ParsedEdge, path: string): Uint8Array | null {
  const { level, index, width } = parsePiecePath(path)
  if (index !== Math.floor(said.size / 256 ** (level === "entries" ? 1 : level + 1))) return null
  const own = entries.slice(0, width)
  if (level === "entries") return encodeBundle(own)
  return level === 0 ? Buffer.concat(own.map((line) => leafHash(sha256, line))) : levels[level - 1]!
}

/** One way to tamper, as two numbers choose it. */
type Tampering = (broker: Broker, size: number, pick: number, at: number) => void

/** Does something to the lines of a bundle, or to those of the edge. */
function onLines(change: (lines: Uint8Array[], k: number) => void): Tampering {
  return (broker, _, pick, at) => {
    const topics = [...broker.keys()].filter((topic) => /entries|edge/.test(topic))
    const topic = topics[pick % topics.length]
    const payload = topic === undefined ? undefined : broker.get(topic)
    if (topic === undefined || payload === undefined) return
    const edge = topic === EDGE ? edgeIn(broker) : null
    const lines = topic === EDGE ? [...(edge?.entries ?? [])] : readable(() => [...parseBundle(gunzipSync(payload))])
    if (lines === undefined || lines.length < 3) return
    change(lines, at % (lines.length - 1))
    if (topic !== EDGE) broker.set(topic, gzipSync(encodeBundle(lines)))
    else if (edge) broker.set(topic, gzipSync(edgeBytes(edge, lines)))
  }
}

/** An edge whatever is in it: `encodeEdge` refuses what readers would. */
function edgeBytes(edge: ParsedEdge, entries: readonly Uint8Array[]): Uint8Array {
  const text = JSON.parse(new TextDecoder().decode(encodeEdge(edge)))
  return Buffer.from(JSON.stringify({ ...text, entries: entries.map((line) => new TextDecoder().decode(line)) }))
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

const TABLE: Readonly<Record<string, Tampering>> = {
  "a bit of any message": (broker, _, pick, at) => {
    const [topic, payload] = [...broker][pick % broker.size] ?? []
    if (topic === undefined || payload === undefined) return
    const bytes = Buffer.from(payload)
    bytes[at % bytes.length]! ^= 1 << (at % 8)
    broker.set(topic, bytes)
  },
  "a message gone": (broker, _, pick) => void broker.delete([...broker.keys()][pick % broker.size] ?? ""),
  "a message cut": (broker, _, pick, at) => {
    const [topic, payload] = [...broker][pick % broker.size] ?? []
    if (topic !== undefined && payload!.length > 1) broker.set(topic, payload!.subarray(0, 1 + (at % (payload!.length - 1)))) // prettier-ignore
  },
  "two pieces exchanged": (broker, _, pick, at) => {
    const topics = [...broker.keys()].filter((topic) => topic.includes(pick % 2 ? "entries" : "tile/0"))
    const [one, other] = [topics[pick % topics.length], topics[at % topics.length]]
    if (one === undefined || other === undefined) return
    const [first, second] = [broker.get(one)!, broker.get(other)!]
    broker.set(one, second).set(other, first)
  },
  "an entry changed": onLines((lines, k) => void (lines[k] = Buffer.from(Buffer.from(lines[k]!).toString().replace("pump", "pamp").replace("rogue", "rouge")))), // prettier-ignore
  "an entry taken out": onLines((lines, k) => void lines.splice(k, 1)),
  "an entry put in": onLines((lines, k) => void lines.splice(k, 0, lines[k + 1]!)),
  "two entries exchanged": onLines((lines, k) => void ([lines[k], lines[k + 1]] = [lines[k + 1]!, lines[k]!])),
  "a partial tile of the edge changed": (broker, _, __, at) => {
    const edge = edgeIn(broker)
    if (!edge || edge.levels[0] === undefined || edge.levels[0].length === 0) return
    const [lowest, ...above] = edge.levels
    const level = lowest.map((byte, k) => (k === at % lowest.length ? byte ^ 1 : byte))
    broker.set(EDGE, gzipSync(encodeEdge({ ...edge, levels: [level, ...above] })))
  },
  "the edge of an earlier day": (broker, size, _, at) => {
    const earlier = SIZES.filter((one) => one < size)
    if (earlier.length > 0) broker.set(EDGE, held(earlier[at % earlier.length]!).get(EDGE)!)
  },
  "the whole of an earlier day": (broker, size, _, at) => {
    const earlier = SIZES.filter((one) => one < size)
    broker.clear()
    for (const [topic, payload] of held(earlier[at % earlier.length] ?? size)) broker.set(topic, payload)
  },
  "the log of another gateway": (broker) => {
    broker.clear()
    for (const [topic, payload] of brokerOf(OTHER)) broker.set(topic.replace("/other/", "/g/"), payload)
  },
  "another gateway's edge": (broker) => void broker.set(EDGE, brokerOf(OTHER).get("lockgate/other/log/edge")!),
  "signed with another key": (broker, _, pick) => {
    for (const [topic, payload] of brokerOf(FORGED)) if (pick % 2 || topic === EDGE) broker.set(topic, payload)
  },
}
const NAMES = Object.keys(TABLE)
const MISSING = /_(TILE|BUNDLE)_MISSING$/

/** Verdict and places as `verifyLog` has them; what only is not there is not wrong to a page that waits for it. */
async function expected(broker: Broker, known: Seen | null): Promise<readonly [string, readonly string[]]> {
  const { faults } = await judged(broker, known)
  const isAbsent = !broker.has(EDGE)
  const wrong = isAbsent ? [] : faults.filter(({ code }) => !MISSING.test(code))
  const verdict = wrong.length > 0 ? "wrong" : faults.length > 0 ? "unverified" : "verified"
  return [verdict, [...new Set(wrong.map(({ where }) => where))].sort()]
}

/** The page's verdict and places when messages come in the order of `order`; some with what was right before them. */
async function shown(
  broker: Broker,
  known: Seen | null,
  order: readonly number[],
  before: Broker,
): Promise<readonly [string, readonly string[]]> {
  // prettier-ignore
  const { watch } = watchOf(LOG, { known: known === null ? null : { ...known, at: 0 } })
  const shuffled = [...broker].map((message, k) => ({ message, at: order[k % order.length]! * 7 + k })).sort((a, b) => a.at - b.at) // prettier-ignore
  for (const [topic, payload] of before) await watch.take(topic, payload, true)
  if (before.size > 0) await watch.settle(true)
  for (const { message, at } of shuffled) {
    await watch.take(message[0], message[1], true)
    if (at % 3 === 0) await watch.settle(true)
  }
  await watch.settle()
  const { verdict, faults } = watch.report()
  return [verdict, [...new Set(faults.map(({ where }) => where))].sort()]
}

test("[CR 3.9] whatever is done to what a broker holds, in whatever order it comes: one verdict, and the same places", async () => {
  const counts = new Map<string, number>()
  const tamperings = fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.nat(9_999), fc.nat(99_999)), { maxLength: 2 })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SIZES),
      tamperings,
      fc.array(fc.nat(99), { minLength: 5, maxLength: 9 }),
      fc.constantFrom(null, 300, 700),
      fc.boolean(),
      async (size, done, order, knownSize, wasWhole) => {
        const broker = held(size)
        for (const [name, pick, at] of done) if (broker.size > 0) TABLE[name]!(broker, size, pick, at)
        // Pieces that were whole before they were tampered with; without an edge, so that nothing is remembered of it.
        const before: Broker = new Map(
          wasWhole ? [...held(size)].filter(([topic]) => topic !== EDGE && broker.has(topic)) : [],
        )
        const known = knownSize === null ? null : seenOf(knownSize)
        const [mine, theirs] = [await shown(broker, known, order, before), await expected(broker, known)]
        assert.equal(mine, theirs, `${size} ${JSON.stringify(done)}`)
        counts.set(mine[0], (counts.get(mine[0]) ?? 0) + 1)
      },
    ),
    { numRuns: 90 },
  )
  // A property that only ever sees one verdict shows nothing.
  for (const verdict of ["verified", "wrong"]) assert.ok((counts.get(verdict) ?? 0) > 3, verdict)
})

test("[CR 3.9] each way to tamper is seen by both, and both name the same places", async () => {
  for (const name of NAMES)
    for (const [pick, at] of [
      [1, 40],
      [3, 200],
    ] as const) {
      const broker = held(700)
      TABLE[name]!(broker, 700, pick, at)
      const theirs = await expected(broker, seenOf(700))
      assert.equal(await shown(broker, seenOf(700), [3, 1, 4, 1, 5], new Map()), theirs, name)
      assert.is(theirs[0], name === "a message gone" ? "unverified" : "wrong", name)
    }
})

function seenOf(size: number): Seen {
  return edgeIn(held(size))!.said
}

test.run()
