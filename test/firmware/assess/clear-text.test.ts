import { suite } from "uvu"
import * as assert from "uvu/assert"
import { CONTROLS, PROBES } from "../../../firmware/assess/controls.ts"
import { assess, type RowResult } from "../../../firmware/assess/run.ts"
import type { Interface } from "../../../firmware/interfaces.ts"
import { world } from "../../support/probe-world.ts"

const test = suite("firmware/assess, clear text")

const PANEL: Interface = { name: "conduit/panel", direction: "listens", kind: "tcp", at: "127.0.0.1:502", purpose: "", authentication: "" } // prettier-ignore
const UNITS: Interface = { ...PANEL, name: "upstream/panel", direction: "dials" }
const LINE: Interface = { ...UNITS, kind: "serial", at: "line-a" }

/** What the rows say that are about what is sent, to whom, and by which cryptography. */
async function rows(...clear: readonly Interface[]): Promise<Record<string, RowResult>> {
  const { context, close } = await world()
  const controls = CONTROLS.filter(({ requirement }) => /^CR (1\.2|3\.1|3\.1 RE\(1\)|4\.1|4\.3)$/.test(requirement))
  const ids = new Set(controls.flatMap(({ probes }) => probes))
  const probes = PROBES.filter(({ id }) => ids.has(id))
  const found = await assess(controls, probes, { ...context, interfaces: [...context.interfaces, ...clear] })
  await close()
  return Object.fromEntries(found.filter(({ claim }) => claim !== null).map((row) => [row.requirement, row]))
}

const results = (found: Record<string, RowResult>): Record<string, string> =>
  Object.fromEntries(Object.entries(found).map(([row, { result }]) => [row, result]))

test("[CR 4.3] with TLS on every end all rows about what is sent are met", async () => {
  assert.equal(results(await rows()), {
    "CR 1.2": "met",
    "CR 3.1": "met",
    "CR 3.1 RE(1)": "met",
    "CR 4.1": "met",
    "CR 4.3": "met",
  })
})

for (const [what, end] of [
  ["listener", PANEL],
  ["connection to units", UNITS],
  ["serial line", LINE],
] as const) {
  test(`[CR 1.2, CR 3.1, CR 4.1] one ${what} in clear text, and no row says that it is proved or protected`, async () => {
    const found = await rows(end)
    assert.equal(results(found), {
      "CR 1.2": "not met",
      "CR 3.1": "not met",
      "CR 3.1 RE(1)": "not met",
      "CR 4.1": "not met",
      "CR 4.3": "met",
    })
    for (const row of Object.values(found)) assert.ok(JSON.stringify(row.probes).includes(end.name), row.requirement)
  })
}

test.run()
