import { suite } from "uvu"
import * as assert from "uvu/assert"
import { couple, type FarSide, type Side } from "../../../firmware/conduits/byte-pump.ts"

const test = suite("firmware/conduits/byte-pump")

/** One side in memory: what waits to be written, and whether it is being read. */
class FakeSide implements Side {
  readonly sink = { writableLength: 0, writableNeedDrain: false }
  paused = false
  readonly source = {
    start: () => undefined,
    pause: () => void (this.paused = true),
    resume: () => void (this.paused = false),
  }
}

function pair(ready: boolean) {
  const client = new FakeSide()
  const upstream = new FakeSide()
  let far: FarSide | null = null
  const update = couple(client, () => far)
  const setFar = (isReady: boolean): void =>
    void (far = { source: upstream.source, sink: upstream.sink, ready: isReady })
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
  upstream.sink.writableNeedDrain = true
  update()
  assert.equal([client.paused, upstream.paused], [true, false])
  upstream.sink.writableNeedDrain = false
  client.sink.writableNeedDrain = true
  update()
  assert.equal([client.paused, upstream.paused], [false, true])
  client.sink.writableNeedDrain = false
  update()
  assert.equal([client.paused, upstream.paused], [false, false])
})

test("[CR 7.1] a client that never reads its own acknowledgements is no longer read", () => {
  const { client, upstream, update } = pair(true)
  client.sink.writableLength = 300 * 1024
  update()
  assert.ok(client.paused)
  client.sink.writableLength = 0
  upstream.sink.writableLength = 300 * 1024
  update()
  assert.equal([client.paused, upstream.paused], [false, true])
})

test.run()
