import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createRetainedWatch, type RetainedWatch } from "../../../firmware/audit/retained-watch.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { gatewayTopic } from "../../../policy/audit/topics.ts"
import { treeLog } from "../../support/tree-log.ts"

const test = suite("firmware/audit/retained-watch")
const TOPIC = gatewayTopic("gw", "log/edge")
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A watch over an empty log, what it reports, and a broker that shows an edge. */
function scene(): {
  readonly watch: RetainedWatch
  readonly reports: AuditEvent[]
  shows(edge: string, retained: boolean): Promise<void>
  sends(edge: string): void
} {
  const reports: AuditEvent[] = []
  const watch = createRetainedWatch({
    ...{ gateway: "gw", log: treeLog("gw", 10), window: { first: 0, next: 0 }, clock: new MemoryClock() },
    report: (event) => void reports.push(event),
    handovers: () => Promise.resolve([]),
    ring: () => undefined,
  })
  return {
    watch,
    reports,
    shows: (edge, retained) => watch.take({ topic: TOPIC, payload: bytes(edge), retained }),
    sends: (edge) => watch.edgeSent({ head: { topic: TOPIC, payload: bytes(edge) }, parts: [] }),
  }
}

test("[CR 6.1] a broker that is asked before a newer edge reaches it shows the older one again: no attack", async () => {
  const { watch, reports, shows, sends } = scene()
  sends("one")
  await shows("one", false)
  assert.ok(watch.showsEdge)
  sends("two")
  await shows("one", true)
  assert.equal([reports, watch.showsEdge], [[], false])
  await shows("two", false)
  assert.equal([reports, watch.showsEdge], [[], true])
})

test("[CR 6.1] the same before our first edge of a session: what lay there may be shown twice", async () => {
  const { reports, shows, sends } = scene()
  // An edge of several messages, of which a broker is believed.
  await shows("{}", true)
  await shows("{}", true)
  sends("one")
  await shows("{}", true)
  await shows("one", false)
  assert.equal(reports, [])
})

test("[CR 3.9] an older edge after the newer one was shown is somebody's, and so is every other", async () => {
  for (const other of ["one", "three", ""]) {
    const { watch, reports, shows, sends } = scene()
    sends("one")
    await shows("one", false)
    sends("two")
    await shows("two", false)
    await shows(other, true)
    assert.equal(
      [reports.map(({ id, object }) => [id, object]), watch.showsEdge, watch.takeWrong().edge],
      [[["audit.retained-altered", "log/edge"]], false, true],
      other,
    )
  }
  const { reports, shows, sends } = scene()
  sends("one")
  await shows("forged", true)
  await shows("forged", true)
  assert.is(reports.length, 1)
})

test.run()
