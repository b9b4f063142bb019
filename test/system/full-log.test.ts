import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { onSmallDisk } from "../peers/mount.ts"

const test = suite("system/full-log")

const CHILD = fileURLToPath(new URL("../support/full-gateway-child.ts", import.meta.url))

interface Seen {
  readonly overwriting: { readonly normal: unknown; readonly posture: string; readonly first: number; readonly verified: string; readonly told: string[] } // prettier-ignore
  readonly closing: { readonly posture: string; readonly normal: unknown; readonly status: string; readonly alarms: string } // prettier-ignore
  readonly after: { readonly open: boolean; readonly normal: unknown; readonly verified: string; readonly told: string[] } // prettier-ignore
  readonly essential: { readonly sent: number; readonly codes: number[]; readonly lost: string[]; readonly closed: number } // prettier-ignore
  readonly words: string[]
}

const seen = (await onSmallDisk(CHILD, "4m", 150_000)) as Seen

test("[CR 2.9] a gateway whose log is full and may overwrite lets everything pass, says what went, and its log verifies from its new first entry", () => {
  const { normal, posture, first, verified, told } = seen.overwriting
  assert.equal([normal, posture, verified], [[0, 0], "open open", "verified"])
  assert.ok(first >= 256 && first % 256 === 0, `${first}`)
  for (const event of ["audit.nearly-full", "audit.full", "audit.overwritten"]) assert.ok(told.includes(event), event)
})

test("[CR 2.10] one that may not drop anything closes normal flows with event and alarm, and says what to do", () => {
  const { posture, normal, status, alarms } = seen.closing
  assert.equal([posture, normal], ["closed open", "closed"])
  assert.match(status, /FULL, AND NOTHING MAY BE DROPPED: normal flows are closed/)
  assert.match(alarms, /ALARM {2}audit\.blocked/)
})

test("[CR 2.10] it opens by itself when there is room again", () => {
  const { open, normal, verified, told } = seen.after
  assert.equal([open, normal, verified], [true, 0, "verified"])
  assert.ok(told.includes("audit.blocked") && told.includes("audit.unblocked"), told.join())
  assert.equal(seen.words, ["n1", "n2", "n3", "n5"], "what was refused came to nobody")
})

test("[CR 2.10] of an essential flow nothing is lost, whatever becomes of the log", () => {
  const { sent, codes, lost, closed } = seen.essential
  assert.ok(sent > 300, `${sent}`)
  assert.equal([codes, lost, closed], [[0], [], 0])
})

test.run()
