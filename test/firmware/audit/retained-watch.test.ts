import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createRetainedWatch } from "../../../firmware/audit/retained-watch.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { treeLog } from "../../support/tree-log.ts"

const test = suite("firmware/audit/retained-watch")
const TOPIC = "lockgate/gw/log/edge"

/** A watch over edges that were sent, and what it told. */
function watching() {
  const reports: AuditEvent[] = []
  const watch = createRetainedWatch({
    ...{ gateway: "gw", log: treeLog("gw"), window: { first: 0, next: 0 }, clock: new MemoryClock() },
    report: (event) => void reports.push(event),
    handovers: async () => [],
    ring: () => undefined,
  })
  return {
    ...{ watch, reports },
    send: (text: string) => watch.edgeSent({ head: { topic: TOPIC, payload: Buffer.from(text) }, parts: [] }),
    shows: (text: string, retained = false) => watch.take({ topic: TOPIC, payload: Buffer.from(text), retained }),
  }
}

test("[CR 3.9] a copy of the edge before, asked for before the next one went out, is no attack; the same after the next one is", async () => {
  const { watch, reports, send, shows } = watching()
  send("one")
  assert.is(watch.showsEdge, false)
  await shows("one")
  assert.is(watch.showsEdge, true)
  send("two")
  assert.is(watch.showsEdge, false)
  // A slow broker: what a patrol had asked for comes only now.
  await shows("one", true)
  await shows("one", true)
  assert.equal([reports, watch.showsEdge], [[], false])
  await shows("two")
  assert.is(watch.showsEdge, true)
  await shows("two", true)
  assert.equal(reports, [])
  await shows("one")
  assert.equal(
    reports.map(({ id, reason, object }) => [id, reason, object]),
    [["audit.retained-altered", "overwritten", "log/edge"]],
  )
  assert.equal([watch.showsEdge, watch.takeWrong().edge], [false, true])
})

test("[CR 3.9] while an edge is on its way, what is none of ours is told, and so is nothing at all", async () => {
  for (const text of ["forged", ""]) {
    const { reports, send, shows } = watching()
    send("one")
    await shows("one")
    send("two")
    await shows(text)
    assert.equal(
      reports.map(({ reason }) => reason),
      [text === "" ? "cleared" : "overwritten"],
    )
  }
})

test.run()
