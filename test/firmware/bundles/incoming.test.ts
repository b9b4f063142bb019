import { createHash } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createIncoming, type Incoming } from "../../../firmware/bundles/incoming.ts"
import { encodePiece, readPieces } from "../../../firmware/bundles/part-file.ts"
import type { Landed, Unsynced } from "../../../hal/memory/fault-plan.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { LockgateError } from "../../../policy/base/errors.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { CHUNK_BYTES, MAX_TRANSFER_BYTES } from "../../../policy/command/transfer.ts"
import { tellStorm } from "../../storm/figures.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/bundles/incoming")

/** Text of this many bytes, different for each seed. */
const textOf = (bytes: number, seed = "x"): string =>
  `${seed}-`.repeat(Math.ceil(bytes / (seed.length + 1))).slice(0, bytes)
const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex")
const pieceOf = (text: string, offset: number): string =>
  Buffer.from(text)
    .subarray(offset, offset + CHUNK_BYTES)
    .toString("base64")
const LONG = textOf(2 * CHUNK_BYTES + 1000, "long")

interface Place {
  readonly storage: MemoryStorage
  readonly events: AuditEvent[]
  readonly incoming: Incoming
}
function place(storage = new MemoryStorage()): Place {
  const events: AuditEvent[] = []
  return { storage, events, incoming: createIncoming({ storage, audit: async (event) => events.push(event) }) }
}
/** Send `text` as the command line does, at most `pieces` of it; what the gateway then has. */
async function send({ incoming }: Place, text: string, pieces = Infinity, hash = hashOf(text)): Promise<number> {
  let { have } = await incoming.offer(hash, Buffer.byteLength(text))
  for (let n = 0; n < pieces && have < Buffer.byteLength(text); n++) {
    have = (await incoming.chunk(hash, have, pieceOf(text, have), "anna")).have
  }
  return have
}
const files = ({ storage }: Place): Promise<readonly string[]> => storage.list("incoming")

test("a bundle arrives piece by piece, is taken whole, and is gone when it was used", async () => {
  const here = place()
  assert.is(await send(here, LONG, 0), 0)
  assert.equal(await files(here), [], "an offer alone leaves nothing on the disk")
  assert.is(await send(here, LONG, 1), CHUNK_BYTES)
  await rejects(() => here.incoming.take(hashOf(LONG)), "ERR_TRANSFER_INCOMPLETE")
  assert.is(await send(here, LONG), LONG.length)
  assert.is(await here.incoming.take(hashOf(LONG)), LONG)
  assert.is(await send(here, LONG), LONG.length, "what is here whole is not sent again")
  await here.incoming.done(hashOf(LONG))
  assert.equal([await files(here), here.events], [[], []])
  await rejects(() => here.incoming.take(hashOf(LONG)), "ERR_TRANSFER_INCOMPLETE")
})

test("a piece that was acknowledged and comes again, or comes too early, is not written; the answer says where to go on", async () => {
  const here = place()
  const hash = hashOf(LONG)
  await send(here, LONG, 1)
  assert.is((await here.incoming.chunk(hash, 0, pieceOf(LONG, 0), null)).have, CHUNK_BYTES)
  assert.is((await here.incoming.chunk(hash, 2 * CHUNK_BYTES, pieceOf(LONG, 2 * CHUNK_BYTES), null)).have, CHUNK_BYTES)
  assert.is(await send(here, LONG), LONG.length)
  assert.is(await here.incoming.take(hash), LONG)
})

test("[CR 3.4] what is not what its hash says is refused, audited and removed; nothing of it is ever taken", async () => {
  const here = place()
  const hash = hashOf("another text")
  const error = await rejects(() => send(here, LONG, Infinity, hash), "ERR_POLICY_REFUSED")
  assert.is(error.detail["reason"], "ERR_BUNDLE_HASH")
  assert.equal(here.events.map(({ id, reason, subject }) => [id, reason, subject]), [["policy.refused", "ERR_BUNDLE_HASH", "anna"]]) // prettier-ignore
  assert.equal(await files(here), [])
  await rejects(() => here.incoming.take(hash), "ERR_TRANSFER_INCOMPLETE")
  await rejects(() => here.incoming.chunk(hash, 0, pieceOf(LONG, 0), null), "ERR_NO_OFFER")
})

test("[CR 3.5] what is no offer and no piece is refused", async () => {
  const here = place()
  const hash = hashOf(LONG)
  for (const [name, length] of [["../state", 5], [hash.toUpperCase(), 5], [hash, 0], [hash, MAX_TRANSFER_BYTES + 1], [hash, NaN]] as const) {
    await rejects(() => here.incoming.offer(name, length), "ERR_TRANSFER")
  } // prettier-ignore
  await rejects(() => here.incoming.chunk(hash, 0, pieceOf(LONG, 0), null), "ERR_NO_OFFER")
  await here.incoming.offer(hash, LONG.length)
  const first = pieceOf(LONG, 0)
  for (const data of ["", first.slice(4), `${first}AAAA`, first.replace("b", "\n"), `${first.slice(0, -1)}*`]) {
    await rejects(() => here.incoming.chunk(hash, 0, data, null), "ERR_CHUNK")
  }
  for (const odd of ["../../policy/state", "", hash])
    await rejects(() => here.incoming.take(odd), "ERR_TRANSFER_INCOMPLETE")
  assert.equal(await files(here), [])
})

test("[CR 7.1] at most two transfers lie on the disk: what is whole and unused goes first, then the oldest", async () => {
  const here = place()
  const [a, b, c, d] = ["a", "b", "c", "d"].map((seed) => textOf(CHUNK_BYTES + 5, seed)) as [
    string,
    string,
    string,
    string,
  ]
  const part = (text: string): string => `${hashOf(text)}.part`
  await send(here, a, 1)
  await send(here, b)
  await send(here, c, 1)
  assert.equal(await files(here), [part(a), part(c)].sort())
  await send(here, d, 1)
  assert.equal(await files(here), [part(c), part(d)].sort())
  await rejects(() => here.incoming.chunk(hashOf(a), CHUNK_BYTES, pieceOf(a, CHUNK_BYTES), null), "ERR_NO_OFFER")
  for (let n = 0; n < 50; n++) await here.incoming.offer(hashOf(String(n)), 10)
  assert.is(await send(here, d), d.length, "offers alone drop nothing")
})

test("another length under the same hash begins anew, and a file that is no transfer is none", async () => {
  const here = place()
  await send(here, LONG, 2)
  assert.is((await here.incoming.offer(hashOf(LONG), CHUNK_BYTES)).have, 0)
  const other = place()
  await other.storage.write(`incoming/${hashOf(LONG)}.part`, new Uint8Array(500).fill(7))
  assert.is(await send(other, LONG, 0), 0)
  assert.is(await send(other, LONG), LONG.length)
})

test("pieces are read back up to the first that is not whole", () => {
  const [one, two] = [encodePiece(Uint8Array.of(1, 2, 3)), encodePiece(Uint8Array.of(4))]
  const file = Buffer.concat([one, two])
  assert.equal(readPieces(file).pieces.map((piece) => [...piece]), [[1, 2, 3], [4]]) // prettier-ignore
  for (let cut = 0; cut < file.length; cut++) {
    const { have, end } = readPieces(file.subarray(0, cut))
    assert.equal([have, end], cut >= one.length ? [3, one.length] : [0, 0])
  }
  for (let bit = 0; bit < one.length * 8; bit++) {
    const flipped = Buffer.from(file)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    assert.is(readPieces(flipped).have, 0, `bit ${bit}`)
  }
  assert.is(readPieces(Buffer.concat([one, new Uint8Array(500)])).have, 3)
})

const SHORT = textOf(2 * CHUNK_BYTES + 10, "short")
const LANDED: readonly Landed[] = ["none", "all", "zeros", { prefix: 40 }]
const UNSYNCED: readonly Unsynced[] = ["lost", "kept", { subset: 1 }, { subset: 2 }]

test("[CR 3.4] power cut (model) at every step of a transfer: what was acknowledged is there, and it goes on to the true end", async () => {
  const whole = place()
  await send(whole, SHORT)
  await whole.incoming.done(hashOf(SHORT))
  const total = whole.storage.steps
  let cuts = 0
  for (let cutAt = 1; cutAt <= total; cutAt++) {
    for (const landed of LANDED) {
      for (const unsynced of UNSYNCED) {
        const where = JSON.stringify({ cutAt, landed, unsynced })
        const before = place()
        before.storage.plan = { cutAt, landed, unsynced }
        let acknowledged = 0
        let used = false
        try {
          for (let n = 0; n < 3; n++) acknowledged = await send(before, SHORT, 1)
          used = true
          await before.incoming.done(hashOf(SHORT))
        } catch (error) {
          assert.ok(error instanceof LockgateError && error.kind !== "invariant", `${where}: ${String(error)}`)
        }
        const after = place(before.storage.powerCut(unsynced))
        const { have } = await after.incoming.offer(hashOf(SHORT), SHORT.length)
        assert.ok(used || have >= acknowledged, `${where}: ${have} of ${acknowledged}`)
        assert.is(await send(after, SHORT), SHORT.length, where)
        assert.is(await after.incoming.take(hashOf(SHORT)), SHORT, where)
        assert.equal(after.events, [], where)
        cuts++
      }
    }
  }
  tellStorm("power cut (model)", "a bundle on its way in, piece by piece", { steps: total, cuts })
  assert.ok(total > 8 && cuts === total * 16, `${total} steps, ${cuts} cuts`)
})

test("[CR 3.4] a failing disk at every step: the sender is told, and the same transfer goes on once it heals", async () => {
  for (const step of ["folder", "create", "write", "sync", "sync-folder"] as const) {
    for (const pieces of [0, 1, 2]) {
      const here = place()
      await send(here, SHORT, pieces)
      here.storage.fail({ step, errno: "EIO", path: "incoming", times: 1 })
      await send(here, SHORT, 1).catch((error: unknown) => {
        assert.ok(error instanceof LockgateError && error.kind === "hardware", String(error))
      })
      here.storage.heal()
      assert.is(await send(here, SHORT), SHORT.length, `${step} after ${pieces}`)
      assert.is(await here.incoming.take(hashOf(SHORT)), SHORT)
    }
  }
})

test.run()
