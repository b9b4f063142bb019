import { readdirSync, readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { EVENTS } from "../../../policy/audit/event.ts"
import type { EventKind } from "../../../policy/audit/event/kind.ts"
import { catalogue } from "../../../policy/requirements/catalogue.ts"

const FOLDER = new URL("../../../policy/audit/event/", import.meta.url)

/** The rows of each file of the folder; `kind.ts` says only what a row is. */
const TABLES = await Promise.all(
  readdirSync(FOLDER)
    .filter((name) => name.endsWith(".ts") && name !== "kind.ts")
    .map(async (name) => {
      const tables = Object.values((await import(new URL(name, FOLDER).href)) as Record<string, object>)
      return { name, rows: tables.flatMap((table) => Object.entries(table) as [string, EventKind][]) }
    }),
)

const test = suite("policy/audit/event")

test("[CR 2.8] every row of every file is in the one vocabulary, and nothing else is", () => {
  assert.ok(TABLES.length > 1)
  assert.equal(new Map(TABLES.flatMap((table) => table.rows)), new Map(Object.entries<EventKind>(EVENTS)))
})

test("[CR 2.8] no id stands twice: the row that is joined last would hide the other", () => {
  const ids = TABLES.flatMap((table) => table.rows.map(([id]) => id))
  assert.equal([...new Set(ids)], ids)
})

test("the first word of an id tells its file, and the README says so", () => {
  const readme = readFileSync(new URL("README.md", FOLDER), "utf8").split("\n")
  const fileOf = new Map<string, string>()
  for (const { name, rows } of TABLES) {
    for (const [id] of rows) {
      const word = id.slice(0, id.indexOf("."))
      assert.is(fileOf.get(word) ?? name, name, id)
      assert.ok(
        readme.some((line) => line.startsWith(`| \`${name}\``) && line.includes(`\`${word}.*\``)),
        id,
      )
      fileOf.set(word, name)
    }
  }
})

test("[CR 2.8] every row names a requirement of the catalogue", () => {
  const known = new Set(catalogue().map((requirement) => requirement.id))
  for (const [id, row] of Object.entries<EventKind>(EVENTS)) assert.ok(known.has(row.requirement), id)
})

test.run()
