import { suite } from "uvu"
import * as assert from "uvu/assert"
import { auditKillStorm } from "../../storm/audit-kill.storm.ts"

const test = suite("firmware/audit/kill")

test("[CR 2.8] a process killed while it writes loses no acknowledged entry (the long form is in test/storm)", async () => {
  const figures = await auditKillStorm(10)
  assert.is(figures.lost, 0)
  assert.is(figures.falseAlarms, 0)
  assert.ok(figures.acknowledged > 200, JSON.stringify(figures))
})

test.run()
