import { readdirSync, readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"

const test = suite("firmware/conduits/mqtt/SEMANTICS.md")

const page = readFileSync(new URL("../../../../firmware/conduits/mqtt/SEMANTICS.md", import.meta.url), "utf8")
const rows = [...page.matchAll(/^\| ([A-Z]\d+) \|/gm)].map((match) => match[1]!)

test("each row has an id of its own", () => {
  assert.ok(rows.length > 60)
  assert.is(new Set(rows).size, rows.length)
})

test("each row has a test that names it, and no test names a row that is not there", () => {
  const folder = new URL(".", import.meta.url)
  const named = new Set<string>()
  for (const file of readdirSync(folder).filter((name) => name.startsWith("session-"))) {
    const text = readFileSync(new URL(file, folder), "utf8")
    for (const [, ids] of text.matchAll(/^ *test\([`"].*\(([A-Z]\d+(?: [A-Z]\d+)*)\)[`"],/gm)) {
      for (const id of ids!.split(" ")) named.add(id)
    }
  }
  assert.equal([...named].sort(), [...rows].sort())
})

test.run()
