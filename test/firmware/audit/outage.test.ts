import { suite } from "uvu"
import * as assert from "uvu/assert"
import { STORM, tellStorm } from "../../storm/figures.ts"
import { outageStorm } from "../../storm/outage.storm.ts"

const test = suite("firmware/audit/outage")

const ENTRIES = STORM ? 20_000 : 1_500

/** Both at once: they wait more than they work. */
const storms = { "3.1.1": outageStorm(ENTRIES, "3.1.1"), "5": outageStorm(ENTRIES, "5") }
for (const storm of Object.values(storms)) storm.catch(() => undefined)

for (const version of ["3.1.1", "5"] as const)
  test(`[CR 6.1] [CR 6.2] entries of an outage, the gateway killed while it catches up: each is shown, in order, and the broker verifies: MQTT ${version}`, async () => {
    const figures = await storms[version]
    tellStorm("process kill", `the audit log catches up after an outage of the broker: MQTT ${version}`, figures)
    const said = JSON.stringify(figures)
    assert.equal([figures.missing, figures.outOfOrder, figures.faults], [0, 0, 0], said)
    assert.ok(figures.entries >= ENTRIES && figures.verified >= ENTRIES, said)
    assert.ok(figures.killedAt >= ENTRIES / 4 && figures.killedAt < ENTRIES, said)
  })

test.run()
