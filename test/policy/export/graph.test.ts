import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { drawPolicy } from "../../../policy/export/graph.ts"
import { charactersIn, cut, escaped, wrapped } from "../../../policy/export/svg.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import type { Policy, Zone } from "../../../policy/language/policy.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { ROOT } from "../../support/source-tree.ts"

const test = suite("policy/export/graph")
const HOSTILE = `a"b'<script>alert(1)</script>&#x3c;]]>--><!--\u0000\u0007\ud800\ufffe`

/** Reads what a picture is made of, strictly enough for XML without entities of its own; throws on what is not well-formed. */
function elementsOf(svg: string): { name: string; attributes: Record<string, string>; text: string }[] {
  const all: { name: string; attributes: Record<string, string>; text: string }[] = []
  const open: (typeof all)[number][] = []
  const token = /<\?xml[^?]*\?>|<(\/?)([a-z]+)((?:\s[a-zA-Z-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/y
  for (let at = 0; at < svg.length; at = token.lastIndex) {
    token.lastIndex = at
    const found = token.exec(svg)
    if (found === null) throw new Error(`no XML at ${svg.slice(at, at + 40)}`)
    const [, closing, name, attributes = "", empty, text] = found
    if (text !== undefined) {
      assert.not.match(text, /&(?!(#\d+|amp|lt);)/)
      if (open.length > 0) open[open.length - 1]!.text += text
      else assert.is(text.trim(), "")
    } else if (closing === "/") assert.is(open.pop()?.name, name)
    else if (name !== undefined) {
      const pairs = [...attributes.matchAll(/([a-zA-Z-]+)="([^"]*)"/g)].map(
        ([, key, value]) => [key, value] as [string, string],
      )
      const made = { name, attributes: Object.fromEntries(pairs), text: "" }
      all.push(made)
      if (empty !== "/") open.push(made)
    }
  }
  assert.equal(open, [])
  return all
}

const examples = readdirSync(`${ROOT}policy/examples`).filter((name) => /^[a-z-]+\.yaml$/.test(name))
function example(name: string): Policy {
  const parsed = parsePolicy(readFileSync(`${ROOT}policy/examples/${name}`, "utf8"), name)
  if (!parsed.ok) throw new Error(`${name} has faults`)
  return parsed.value
}

/** So many zones in a row, each with a conduit to the next. */
function chain(count: number): Policy {
  const base = makePolicy([makeRule({ topics: ["plant/%u/#"], conduits: ["c0"] })], [["sensor"]])
  const zones = Array.from({ length: count }, (_, k): Zone => ({ ...base.zones[0]!, name: `zone-${k}` }))
  const conduits = zones
    .slice(1)
    .map(({ name }, k) => ({ ...base.conduits[0]!, name: `c${k}`, from: `zone-${k}`, to: name }))
  return { ...base, zones, conduits, subjects: base.subjects.map((subject) => ({ ...subject, zone: "zone-0" })) }
}

for (const name of examples)
  test(`${name} is drawn: well-formed, every zone, conduit and role in it, the same each time`, () => {
    const policy = example(name)
    const svg = drawPolicy(policy)
    assert.is(drawPolicy(structuredClone(policy)), svg)
    const texts = elementsOf(svg).filter((e) => e.name === "text").map((e) => e.text) // prettier-ignore
    for (const zone of policy.zones) assert.ok(texts.includes(zone.name), zone.name)
    for (const conduit of policy.conduits) assert.ok(texts.includes(conduit.name), conduit.name)
    for (const conduit of policy.conduits) {
      const held = policy.subjects.filter(({ zone }) => zone === conduit.from).flatMap(({ roles }) => roles)
      const rules = policy.rules.filter(({ effect, conduits }) => effect === "allow" && conduits.includes(conduit.name))
      if (conduit.direction !== "both") continue
      for (const role of rules.flatMap((rule) => rule.roles))
        if (held.includes(role)) assert.ok(texts.includes(role), role)
    }
  })

test("[CR 3.5] names cannot become markup: hostile text everywhere, no script, nothing loaded, plain XML characters", () => {
  const base = makePolicy([makeRule({ topics: [HOSTILE, "x".repeat(60_000)], roles: ["sensor"] })])
  const policy: Policy = {
    ...base,
    name: HOSTILE,
    zones: base.zones.map((zone) => ({ ...zone, authorities: [HOSTILE] })),
  }
  const svg = drawPolicy(policy)
  const elements = elementsOf(svg)
  const names = new Set(elements.map(({ name }) => name))
  assert.equal([...names].sort(), ["circle", "g", "path", "rect", "style", "svg", "text", "title"])
  const keys = new Set(elements.flatMap(({ attributes }) => Object.keys(attributes)))
  assert.equal([...keys].filter((key) => key.startsWith("on") || key.includes("href")), []) // prettier-ignore
  assert.not.match(svg, /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u)
  assert.not.match(svg, /url\(|@import|javascript:/)
})

for (const count of [1, 2, 3, 5, 8, 20])
  test(`${count} zones: columns do not overlap, and no text is longer than its place`, () => {
    const elements = elementsOf(drawPolicy(chain(count)))
    const [svg] = elements
    const width = Number(svg!.attributes["width"])
    const columns = elements.filter((e) => e.attributes["class"] === "zone").map((e) => Number(e.attributes["x"]))
    assert.is(columns.length, count)
    for (let k = 1; k < count; k++) assert.ok(columns[k]! - columns[k - 1]! >= 200 + 30)
    assert.ok(columns.every((x) => x >= 0 && x + 200 <= width))
    for (const { name, attributes, text } of elements) {
      if (name !== "text" || attributes["text-anchor"] === "middle") continue
      const end = Number(attributes["x"]) + Array.from(text).length * Number(attributes["font-size"]) * 0.61
      assert.ok(end <= width, `${text} ends at ${end} of ${width}`)
    }
  })

test("conduits in a circle, backwards and without zones between are drawn, too", () => {
  const base = chain(3)
  const [first] = base.conduits
  const circle: Policy = {
    ...base,
    conduits: [...base.conduits, { ...first!, name: "back", from: "zone-2", to: "zone-0" }],
  }
  assert.ok(elementsOf(drawPolicy(circle)).some(({ text }) => text === "back"))
  assert.ok(
    elementsOf(drawPolicy({ ...base, conduits: [], rules: [] })).some(({ text }) => text.startsWith("Nothing:")),
  )
})

test("what a conduit's direction keeps from passing is not shown, nor roles that nobody there can have", () => {
  const rules = [
    makeRule({ id: "up", topics: ["up/it"] }),
    makeRule({ id: "down", topics: ["down/it"], actions: ["subscribe", "receive"] }),
    makeRule({ id: "other", topics: ["others"], roles: ["nobody"] }),
  ]
  const base = makePolicy(rules)
  const roles = [...base.roles, { name: "nobody", description: "" }]
  const shown = (direction: "both" | "out" | "in"): readonly string[] => {
    const conduits = base.conduits.map((conduit) => ({ ...conduit, direction }))
    const texts = elementsOf(drawPolicy({ ...base, roles, conduits })).map(({ text }) => text)
    return ["up/it", "down/it", "others"].filter((topic) => texts.includes(topic))
  }
  assert.equal([shown("both"), shown("out"), shown("in")], [["up/it", "down/it"], ["up/it"], ["down/it"]])
})

test("long topics are wrapped, more than three lines are cut, and the whole is shown under the pointer", () => {
  assert.equal(wrapped("plant/a/b/c", 6, 3), ["plant/", " a/b/c"])
  assert.equal(wrapped("short", 6, 3), ["short"])
  assert.equal(wrapped("x".repeat(30), 6, 3).length, 3)
  assert.is(cut("abcdef", 4), "abc…")
  assert.is(escaped(`<&">'\u0001`), "&#60;&#38;&#34;&#62;&#39;\ufffd")
  const policy = makePolicy([makeRule({ topics: ["y".repeat(500)] })])
  assert.ok(elementsOf(drawPolicy(policy)).some((e) => e.name === "title" && e.text.includes("y".repeat(100))))
  assert.is(charactersIn(1, 12, "mono"), 4)
})

test("another XML parser reads it (python3, if it is here)", () => {
  const policy: Policy = { ...example(examples[0]!), name: HOSTILE }
  const read = "import sys, xml.dom.minidom as m; print(m.parse(sys.stdin.buffer).documentElement.tagName)"
  const python = spawnSync("python3", ["-c", read], { input: drawPolicy(policy), encoding: "utf8" })
  if (python.error !== undefined) return
  assert.is(python.stdout.trim(), "svg", python.stderr)
})

test.run()
