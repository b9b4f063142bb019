import { suite } from "uvu"
import * as assert from "uvu/assert"
import { detailWords } from "../../../firmware/console/entry-detail.ts"

const test = suite("firmware/console/entry-detail")

test("says what an input, an output or the posture came to be, and what a failure was", () => {
  assert.is(detailWords("input.changed", { state: "island", before: "run" }), "island")
  assert.is(detailWords("output.changed", { on: false, shows: "fault" }), "off")
  assert.is(detailWords("gateway.posture", { normal: "closed", essential: "open" }), "flows closed")
  assert.is(detailWords("command.executed", { via: "local", text: "turn it back first" }), "turn it back first")
})

test("says nothing where there is nothing, or something else than a word", () => {
  for (const detail of [undefined, null, "text", 7, {}, { text: 7 }, { state: "run" }])
    assert.is(detailWords("command.executed", detail), "")
  assert.is(detailWords("input.changed", { state: {} }), "")
})

test.run()
