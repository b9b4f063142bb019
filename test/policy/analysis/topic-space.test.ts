import { suite } from "uvu"
import * as assert from "uvu/assert"
import { ANYBODY, TopicSpace, type Example } from "../../../policy/analysis/topic-space.ts"
import { matches } from "../../../policy/filter/reference.ts"
import { topicsOver } from "../../support/filter-cases.ts"
import { seeded } from "../../support/hostile.ts"

const test = suite("policy/analysis/topic-space")

/** Every combination of labels that the walk meets, with an example. */
function met(filters: readonly string[], wanted: (label: number) => boolean, identity = ANYBODY): Map<string, Example> {
  const space = new TopicSpace(identity)
  filters.forEach((filter, label) => space.add(filter, label))
  space.want(filters.keys().filter(wanted))
  const found = new Map<string, Example>()
  const end = space.walk((labels, example) => {
    if (!found.has(labels.join(","))) found.set(labels.join(","), example())
    return false
  })
  assert.is(end, "whole")
  return found
}

const WORDS = ["a", "b", "", "$x", "fresh"]
const UNIVERSE = topicsOver(WORDS, 4).filter((topic) => !/^\$?lockgate(\/|$)/.test(topic))
const PARTS = ["a", "b", "", "$x", "+", "%u"]

test("meets exactly the combinations that topics and names of a small universe make, each with an example that is one", () => {
  const random = seeded(11)
  const pick = (of: readonly string[]): string => of[Math.floor(random() * of.length)]!
  let combinations = 0
  for (let round = 0; round < 120; round++) {
    const filters = Array.from({ length: 1 + Math.floor(random() * 4) }, () => {
      const levels = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(PARTS))
      if (random() < 0.3) levels[levels.length - 1] = "#"
      return levels.join("/") === "" ? "a" : levels.join("/")
    })
    const expected = new Set<string>()
    for (const name of ["a", "b", "fresh", "dev"]) {
      const who = { name, clientId: name }
      const topics = name === "dev" ? [...UNIVERSE, ...topicsOver(["dev", "a", "b", "fresh", ""], 4)] : UNIVERSE
      for (const topic of topics) {
        const labels = filters.flatMap((filter, k) => (matches(filter, topic, who) ? [k] : []))
        if (labels.length > 0) expected.add(labels.join(","))
      }
    }
    const found = met(filters, () => true)
    assert.equal([...found.keys()].sort(), [...expected].sort(), filters.join("   "))
    for (const [labels, { topic, name }] of found) {
      const who = { name: name ?? "nobody", clientId: name ?? "nobody" }
      const own = filters.flatMap((filter, k) => (matches(filter, topic, who) ? [k] : []))
      assert.is(own.join(","), labels, `${topic} as ${name} for ${filters.join("   ")}`)
    }
    combinations += found.size
  }
  assert.ok(combinations > 300)
})

test("only topics that a wanted filter matches are visited", () => {
  const filters = Array.from({ length: 500 }, (_, k) => `plant/${k}/+`)
  const space = new TopicSpace()
  for (const [label, filter] of ["plant/7/state", ...filters].entries()) space.add(filter, label)
  space.want([0])
  const seen: string[] = []
  space.walk((labels, example) => {
    seen.push(`${labels.join(",")} ${example().topic}`)
    return false
  })
  assert.equal(seen, ["0,8 plant/7/state"])
  assert.ok(space.visited < 10, `${space.visited}`)
})

test("a name that stands at two levels is one name", () => {
  const found = met(["%u/%u/x", "+/pump/+", "motor/+/+"], (label) => label === 0)
  assert.equal(found.get("0,1")?.topic, "pump/pump/x")
  assert.equal(found.get("0,2")?.topic, "motor/motor/x")
  assert.not.ok(found.has("0,1,2"))
})

test("a client id of the subject's choice is a name of its own; one that is the name is not", () => {
  const any = met(["a/%c", "a/%u"], () => true, { ...ANYBODY, client: { kind: "any" } })
  assert.equal([...any.keys()].sort(), ["0", "0,1", "1"])
  assert.equal([...met(["a/%c", "a/%u"], () => true).keys()], ["0,1"])
  const word = met(["a/%c", "a/b"], () => true, { ...ANYBODY, client: { kind: "word", word: "b" } })
  assert.equal([...word.keys()], ["0,1"])
})

test("a subject that can have no other name has no other", () => {
  const only = { ...ANYBODY, names: ["pump"], freshName: null }
  assert.equal([...met(["a/%u", "a/pump"], () => true, only).keys()], ["0,1"])
})

test("what is beyond the bound is said", () => {
  const space = new TopicSpace()
  for (let k = 0; k < 100; k++) space.add(`${k}/#`, k)
  space.want(Array(100).keys())
  assert.is(
    space.walk(() => false, 50),
    "bounded",
  )
})

test.run()
