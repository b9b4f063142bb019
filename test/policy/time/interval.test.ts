import { suite } from "uvu"
import * as assert from "uvu/assert"
import { within } from "../../../policy/time/interval.ts"
import type { Certainty } from "../../../policy/time/interval.ts"

const test = suite("policy/time/interval")

test("[CR 2.11] a validity is met surely, surely not, or perhaps", () => {
  const cases: [number, number, Certainty][] = [
    [10, 20, "yes"],
    [12, 13, "yes"],
    [15, 15, "yes"],
    [0, 9, "no"],
    [21, 30, "no"],
    [21, Infinity, "no"],
    [0, 10, "uncertain"],
    [20, 21, "uncertain"],
    [0, Infinity, "uncertain"],
    [9, 20, "uncertain"],
    [10, 21, "uncertain"],
    [-Infinity, Infinity, "uncertain"],
  ]
  for (const [earliestAt, latestAt, expected] of cases) {
    assert.is(within({ earliestAt, latestAt }, 10, 20), expected, `${earliestAt}..${latestAt}`)
  }
})

test("[CR 2.11] the answer agrees with trying every moment of the interval", () => {
  for (let earliestAt = 0; earliestAt < 8; earliestAt++) {
    for (let latestAt = earliestAt; latestAt < 8; latestAt++) {
      for (let from = 0; from < 8; from++) {
        for (let to = from; to < 8; to++) {
          const moments = Array.from({ length: latestAt - earliestAt + 1 }, (_, i) => earliestAt + i)
          const inside = moments.filter((at) => at >= from && at <= to).length
          const expected = inside === moments.length ? "yes" : inside === 0 ? "no" : "uncertain"
          // A validity that lies wholly between two moments of the interval is uncertain too; integers show none such.
          assert.is(within({ earliestAt, latestAt }, from, to), expected)
        }
      }
    }
  }
})

test.run()
