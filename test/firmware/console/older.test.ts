/** Older history by request: the page's own watch, and the gateway's own way to answer. */
import { gunzipSync, gzipSync } from "node:zlib"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createLogRequests } from "../../../firmware/audit/log-requests.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { encodeBundle, parseBundle } from "../../../policy/audit/entry-bundle.ts"
import { encodeLogRequest, type LogRequest } from "../../../policy/audit/log-request.ts"
import { makeLog, plantEvents, type MadeLog } from "../../support/console-feed.ts"
import { watchOf, type Watched } from "../../support/console-watch.ts"

const test = suite("console older history")
type Change = (path: string, bytes: Uint8Array) => Uint8Array | null

interface Talk extends Watched {
  readonly asked: LogRequest[]
  readonly unasked: string[]
  /** Has the gateway answer what was asked, and what is asked upon that. */
  answer(change?: Change): Promise<void>
}

const LOG = makeLog("g")
LOG.add(plantEvents(1_300))

async function talk(log: MadeLog, first: number, without: (path: string) => boolean = () => false): Promise<Talk> {
  const all = new Map(log.retained().map(({ topic, payload }) => [topic.slice("lockgate/g/log/".length), payload]))
  const [asked, unasked]: [LogRequest[], string[]] = [[], []]
  const nonce = (): string => `nonce-${asked.length}-abcdefghij`
  const one = watchOf(log, { ask: (request) => asked.push(request), unask: (which) => unasked.push(which), nonce })
  for (const { topic, payload } of log.retained(first)) if (!without(topic.slice("lockgate/g/log/".length))) await one.watch.take(topic, payload, true) // prettier-ignore
  await one.watch.settle()
  let answered = 0
  return {
    ...one,
    asked,
    unasked,
    async answer(change = (_, bytes) => bytes) {
      for (; answered < asked.length; answered++) {
        const request = asked[answered]!
        const sent: { topic: string; payload: Uint8Array }[] = []
        const piece = async (path: string): Promise<Uint8Array | null> => {
          const packed = all.get(path)!
          return change(path, path.startsWith("tile/entries/") ? gunzipSync(packed) : packed)
        }
        let done: () => void = () => undefined
        const ended = new Promise<void>((resolve) => (done = resolve))
        const requests = createLogRequests({
          gateway: "g",
          clock: new MemoryClock(),
          partBytes: 3_000,
          log: { piece },
          async publish(topic, payload) {
            sent.push({ topic, payload })
            if (!topic.includes("/part/") || sent.length === sent[0]!.payload[0]) done()
          },
        })
        requests.take(encodeLogRequest(request))
        await ended
        for (const { topic, payload } of sent) await one.watch.take(topic, payload, false)
        await one.watch.settle()
      }
    },
  }
}

test("[CR 6.1] bundles come newest first, a few a go, and rows are made of them", async () => {
  const { watch, rows, asked, unasked, answer } = await talk(LOG, 1_280)
  rows.length = 0
  watch.older()
  watch.older()
  assert.is(watch.report().older.isAsking, true)
  await answer()
  assert.equal(asked.map(({ path }) => path), [4, 3, 2, 1].map((k) => `tile/entries/00${k}`)) // prettier-ignore
  assert.equal(unasked, asked.map(({ nonce }) => nonce)) // prettier-ignore
  assert.equal(rows.map(({ seq, proven }) => [seq, proven]).sort((a, b) => Number(a[0]) - Number(b[0])), Array.from({ length: 1_024 }, (_, k) => [256 + k, true])) // prettier-ignore
  assert.equal(watch.report().older, { from: 256, isAsking: false, text: "" })
  watch.older()
  await answer()
  assert.is(watch.report().older.from, 0)
  assert.is(watch.report().verdict, "verified")
  assert.is((await watch.prove(3))!.tree!.holds, true)
})

test("[CR 3.9] an answer that is not what was signed is not shown, and is wrong until the right one comes", async () => {
  const lines = (bytes: Uint8Array): Uint8Array[] => [...parseBundle(bytes)]
  for (const change of [
    (_, bytes) =>
      encodeBundle(lines(bytes).with(9, Buffer.from(Buffer.from(lines(bytes)[9]!).toString().replace("pump", "pamp")))),
    (_, bytes) => encodeBundle(lines(bytes).slice(1)),
    (_, bytes) => bytes.subarray(0, 100),
    () => gzipSync("x"),
  ] satisfies Change[]) {
    const { watch, rows, asked, answer } = await talk(LOG, 1_280)
    rows.length = 0
    watch.older()
    await answer(change)
    assert.is(asked.length, 1, "and it is not gone on")
    assert.equal(rows, [])
    const { verdict, faults, older } = watch.report()
    assert.is(verdict, "wrong")
    assert.equal(faults.map(({ where }) => where), ["tile/entries/004"]) // prettier-ignore
    assert.match(older.text, /does not fit/)
    watch.older()
    await answer()
    assert.is(watch.report().verdict, "verified")
    assert.is(rows.length, 1_024)
  }
})

test("[CR 6.1] a gateway that is off is not asked; one that does not answer, or has it no more, is told", async () => {
  const { watch, asked, answer, clock } = await talk(LOG, 1_280)
  await watch.take("lockgate/g/online", Buffer.from("offline"), true)
  watch.older()
  assert.is(asked.length, 0)
  assert.match(watch.report().older.text, /is off/)
  await watch.take("lockgate/g/online", Buffer.from("online"), true)
  watch.older()
  clock.now += 7_000
  await watch.tick()
  assert.match(watch.report().older.text, /No answer/)
  await answer()
  assert.is(watch.report().older.from, 1_280, "too late")
  watch.older()
  await answer(() => null)
  assert.match(watch.report().older.text, /does not hold the bundle of entries 1024 to 1279 any more/)
  watch.older()
  watch.restart()
  assert.match(watch.report().older.text, /connection was lost/)
  assert.is(watch.report().verdict, "verified")
})

test("[CR 3.5] nothing at answer topics does anything but the answer that was asked for", async () => {
  const { watch, rows, asked } = await talk(LOG, 1_280)
  rows.length = 0
  const bundle = LOG.retained().find(({ topic }) => topic.endsWith("entries/004"))!.payload
  await watch.take("lockgate/g/log/answer/never-asked-for-that", bundle, false)
  watch.older()
  const { nonce } = asked[0]!
  for (const odd of ["x", "/part/", "/part/255", "/part/-1", "/part/01", "/part/0/part/0"]) await watch.take(`lockgate/g/log/answer/${nonce}${odd}`, bundle, false) // prettier-ignore
  await watch.settle()
  assert.equal(rows, [])
  assert.is(watch.report().older.isAsking, true)
  await watch.take(`lockgate/g/log/answer/${nonce}`, bundle, false)
  await watch.settle()
  assert.is(rows.length, 256)
})

test("[CR 3.9] a tile that a bundle stands under is asked for before it", async () => {
  const log = makeLog("g")
  log.add(plantEvents(66_000))
  const { watch, asked, answer } = await talk(log, 65_536, (path) => path.startsWith("tile/1/"))
  watch.older()
  await answer()
  assert.equal(asked.map(({ path }) => path), ["tile/1/000", "tile/entries/255", "tile/entries/254", "tile/entries/253", "tile/entries/252"]) // prettier-ignore
  assert.is(watch.report().older.from, 64_512)
})

test.run()
