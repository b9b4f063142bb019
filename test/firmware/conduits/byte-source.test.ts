import { createHash } from "node:crypto"
import { once } from "node:events"
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { connect as connectTls, createServer as createTlsServer } from "node:tls"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { pooledReads, pooledSource } from "../../../firmware/conduits/byte-source.ts"
import { giveReadBuffers } from "../../../firmware/conduits/read-buffers.ts"
import { BufferPool, LARGE_BYTES } from "../../../firmware/conduits/read-pools.ts"
import { createAuthority, issue } from "../../../provisioning/owner/authority.ts"

const test = suite("firmware/conduits/byte-source")

test("a buffer whose bytes may still have to be written is never armed again", () => {
  const pool = new BufferPool(10 * LARGE_BYTES)
  let written = false
  const taken: Uint8Array[] = []
  const reads = pooledReads(
    pool,
    (chunk) => taken.push(chunk),
    () => written,
  )
  const armed: Uint8Array[] = []
  for (let k = 0; k < 6; k++) {
    const buffer = reads.buffer()
    assert.not(armed.includes(buffer), `read ${k}`)
    armed.push(buffer)
    reads.take(buffer.length, buffer)
  }
  written = true
  const again = reads.buffer()
  assert.ok(armed.includes(again))
  assert.is(new Set([...armed, again]).size, 6)
  assert.is(taken.length, 6)
})

test("a socket on which little comes holds 4 KiB and nothing of the pool", () => {
  const pool = new BufferPool(10 * LARGE_BYTES)
  const reads = pooledReads(
    pool,
    () => undefined,
    () => true,
  )
  const first = reads.buffer()
  assert.is(first.length, 4 * 1024)
  for (let k = 0; k < 5; k++) {
    reads.take(100, first)
    assert.is(reads.buffer(), first, "the same again, once written")
  }
  reads.take(4096, first)
  const large = reads.buffer()
  assert.is(large.length, LARGE_BYTES)
  reads.take(100, large)
  assert.is(reads.buffer(), first, "back to the small one")
  assert.is(pool.free, 1)
})

test("[CR 7.1] the pool keeps no more than it may", () => {
  const pool = new BufferPool(3 * LARGE_BYTES)
  const some = Array.from({ length: 8 }, () => pool.take())
  for (const buffer of some) pool.give(buffer)
  pool.give(new Uint8Array(10))
  assert.is(pool.free, 3)
})

const validity = { notBeforeAt: Date.now() - 60_000, notAfterAt: Date.now() + 3_600_000 }
const authority = await createAuthority({ name: "pool", validity })
const end = await issue(authority, {
  ...validity,
  subject: { cn: "here" },
  san: { ip: ["127.0.0.1"] },
  usage: "server",
})

/** Two ends of a connection, the accepted one first. */
async function ends(tls: boolean): Promise<{ accepted: Socket; dialled: Socket; server: Server }> {
  const server = tls ? createTlsServer({ key: end.key, cert: end.certificate }) : createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const accepting = once(server, tls ? "secureConnection" : "connection") as Promise<[Socket]>
  const dialled = tls ? connectTls({ host: "127.0.0.1", port, ca: authority.certificate }) : connect(port, "127.0.0.1")
  const [[accepted]] = await Promise.all([accepting, once(dialled, tls ? "secureConnect" : "connect")])
  return { accepted, dialled, server }
}

for (const tls of [true, false]) {
  const kind = tls ? "TLS" : "TCP"
  test(`${kind}: this Node lets accepted and dialled sockets read into buffers of ours`, async () => {
    const { accepted, dialled, server } = await ends(tls)
    for (const socket of [accepted, dialled]) {
      assert.ok(
        giveReadBuffers(
          socket,
          pooledReads(
            new BufferPool(0),
            () => undefined,
            () => true,
          ),
        ),
      )
    }
    accepted.destroy()
    dialled.destroy()
    server.close()
  })

  test(`${kind}: 6 MiB through a pipe with pooled reads arrive as they were sent, though the reader is slow`, async () => {
    const [from, to] = [await ends(tls), await ends(tls)]
    const pool = new BufferPool(64 * LARGE_BYTES)
    const source = pooledSource(from.accepted, { tls: pool, clear: pool })
    const buffers = new Set<ArrayBufferLike>()
    source.start(
      (chunk) => {
        buffers.add(chunk.buffer)
        if (!to.dialled.write(chunk)) source.pause()
      },
      () => to.dialled.writableLength === 0,
    )
    to.dialled.on("drain", () => source.resume())
    from.accepted.on("end", () => to.dialled.end())
    const block = Buffer.alloc(96 * 1024)
    const sent = createHash("sha256")
    for (let k = 0; k < 64; k++) {
      block.fill(k + 1)
      block.writeUInt32LE(k, 50_000)
      sent.update(block)
      from.dialled.write(Buffer.from(block))
    }
    from.dialled.end()
    const got = createHash("sha256")
    let chunks = 0
    to.accepted.on("data", (chunk: Buffer) => {
      got.update(chunk)
      // Now and then nothing is read for a turn: so writes wait, and buffers with them.
      if (chunks++ % 8 !== 0) return
      to.accepted.pause()
      setImmediate(() => to.accepted.resume())
    })
    await once(to.accepted, "end")
    assert.is(got.digest("hex"), sent.digest("hex"))
    assert.ok(buffers.size < 60, `${buffers.size} buffers for 6 MiB`)
    for (const { accepted, dialled, server } of [from, to]) {
      accepted.destroy()
      dialled.destroy()
      server.close()
    }
  })

  test(`${kind}: [CR 7.1] nothing is handed on while the source is paused, not of what was read before either`, async () => {
    const { accepted, dialled, server } = await ends(tls)
    dialled.write(Buffer.alloc(40_000))
    while (accepted.readableLength < 16_000) {
      accepted.read(0)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const sizes: number[] = []
    const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))
    const source = pooledSource(accepted, { tls: new BufferPool(0), clear: new BufferPool(0) })
    source.start(
      (chunk) => {
        sizes.push(chunk.length)
        if (sizes.length === 1) source.pause()
      },
      () => true,
    )
    source.pause()
    await turn()
    assert.equal(sizes, [])
    source.resume()
    await turn()
    assert.is(sizes.length, 1, "paused again by the first")
    assert.ok(sizes[0]! <= 16 * 1024)
    source.resume()
    while (sizes.reduce((sum, size) => sum + size, 0) < 40_000) await turn()
    accepted.destroy()
    dialled.destroy()
    server.close()
  })

  test(`${kind}: what was read before anybody took it comes first`, async () => {
    const { accepted, dialled, server } = await ends(tls)
    dialled.write("first ")
    while (accepted.readableLength === 0) {
      accepted.read(0)
      await new Promise((resolve) => setImmediate(resolve))
    }
    let text = ""
    const both = new Promise<void>((resolve) => {
      pooledSource(accepted, { tls: new BufferPool(0), clear: new BufferPool(0) }).start(
        (chunk) => {
          text += Buffer.from(chunk).toString()
          if (text.length === 12) resolve()
        },
        () => true,
      )
    })
    dialled.write("second")
    await both
    assert.is(text, "first second")
    accepted.destroy()
    dialled.destroy()
    server.close()
  })
}

test.run()
