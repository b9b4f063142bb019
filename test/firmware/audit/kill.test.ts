import { suite } from "uvu"
import * as assert from "uvu/assert"
import { auditKillStorm } from "../../storm/audit-kill.storm.ts"
import { STORM, tellStorm } from "../../storm/figures.ts"

const test = suite("firmware/audit/kill")

const ROUNDS = STORM ? 100 : 25
/** Both at once: a process that starts waits more than it works. */
const storms = Promise.all([auditKillStorm(ROUNDS, "keeps"), auditKillStorm(ROUNDS, "drops", 2)])

test("[CR 2.8] a process killed while it writes loses no acknowledged entry (the long form is in test/storm)", async () => {
  const [figures] = await storms
  tellStorm("process kill", "the audit log alone", figures)
  assert.is(figures.lost, 0)
  assert.is(figures.falseAlarms, 0)
  assert.ok(figures.acknowledged > 200, JSON.stringify(figures))
})

test("[CR 2.9] nor does one that drops its oldest bundles lose what is to stay, or begin where its log does not say", async () => {
  const [, figures] = await storms
  tellStorm("process kill", "the audit log while its oldest bundles are dropped", figures)
  assert.is(figures.lost, 0)
  assert.is(figures.falseAlarms, 0)
  assert.ok(figures.dropped >= 512 && figures.acknowledged > 200, JSON.stringify(figures))
})

test.run()
