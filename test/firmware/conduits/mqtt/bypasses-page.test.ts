import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { LISTENING } from "../../../support/bypass-listening.ts"
import { PUBLISHING } from "../../../support/bypass-ways.ts"

const test = suite("firmware/conduits/mqtt/BYPASSES.md")

const text = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8")
const rows = [
  ...text("../../../../firmware/conduits/mqtt/BYPASSES.md").matchAll(/^\| ([WLB]\d+) \| ([^|]+) \| [^|]+ \|$/gm),
]

test("the page names the ways that are tried, in their words and their order", () => {
  const named = rows.map(([, id, way]) => `${id} ${way}`).filter((row) => !/^(B|W65 )/.test(row))
  assert.equal(
    named,
    [...PUBLISHING, ...LISTENING].map(({ id, way }) => `${id} ${way}`),
  )
})

test("each other row has a test that names it, and no test names a row that is not there", () => {
  const tests = text("hostile-broker.test.ts") + text("../../../system/bypasses.test.ts")
  const tried = [...tests.matchAll(/^ *test\([`"].*\(([BW]\d+)\)[`"],/gm)].map(([, id]) => id!)
  const others = rows.map(([, id]) => id!).filter((id) => id.startsWith("B") || id === "W65")
  assert.equal([...new Set(tried)].filter((id) => id !== "W40").sort(), others.sort())
})

test.run()
