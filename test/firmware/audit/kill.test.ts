import { suite } from "uvu"
import * as assert from "uvu/assert"
import { auditKillStorm } from "../../storm/audit-kill.storm.ts"
import { STORM, tellStorm } from "../../storm/figures.ts"

const test = suite("firmware/audit/kill")

test("[CR 2.8] a process killed while it writes loses no acknowledged entry (the long form is in test/storm)", async () => {
  const figures = await auditKillStorm(STORM ? 100 : 10)
  tellStorm("process kill", "the audit log alone", figures)
  assert.is(figures.lost, 0)
  assert.is(figures.falseAlarms, 0)
  assert.ok(figures.acknowledged > 200, JSON.stringify(figures))
})

test.run()
