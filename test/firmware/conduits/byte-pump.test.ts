import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Socket } from "node:net"
import { couple, type FarSide } from "../../../firmware/conduits/byte-pump.ts"

const test = suite("firmware/conduits/byte-pump")

/** As much of a socket as backpressure looks at. */
class FakeSocket {
  writableLength = 0
  writableNeedDrain = false
  paused = false
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
}

function pair(ready: boolean) {
  const client = new FakeSocket()
  const upstream = new FakeSocket()
  let far: FarSide | null = null
  const update = couple(client as unknown as Socket, () => far)
  const setFar = (isReady: boolean): void => void (far = { socket: upstream as unknown as Socket, ready: isReady })
  if (ready) setFar(true)
  return { client, upstream, update, setFar }
}

test("[CR 7.1] a client is read before its upstream is dialled, not while that connects, then again", () => {
  const { client, update, setFar } = pair(false)
  update()
  assert.not(client.paused)
  setFar(false)
  update()
  assert.ok(client.paused)
  setFar(true)
  update()
  assert.not(client.paused)
})

test("[CR 7.1] a slow broker stops the reading of its client, and the other way round", () => {
  const { client, upstream, update } = pair(true)
  upstream.writableNeedDrain = true
  update()
  assert.equal([client.paused, upstream.paused], [true, false])
  upstream.writableNeedDrain = false
  client.writableNeedDrain = true
  update()
  assert.equal([client.paused, upstream.paused], [false, true])
  client.writableNeedDrain = false
  update()
  assert.equal([client.paused, upstream.paused], [false, false])
})

test("[CR 7.1] a client that never reads its own acknowledgements is no longer read", () => {
  const { client, upstream, update } = pair(true)
  client.writableLength = 300 * 1024
  update()
  assert.ok(client.paused)
  client.writableLength = 0
  upstream.writableLength = 300 * 1024
  update()
  assert.equal([client.paused, upstream.paused], [false, true])
})

test.run()
