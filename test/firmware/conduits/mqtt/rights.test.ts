import { suite } from "uvu"
import * as assert from "uvu/assert"
import { packNames } from "../../../../firmware/conduits/engine-policy.ts"
import { createJudge, type Rights } from "../../../../firmware/conduits/mqtt/rights.ts"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { createFlowCache } from "../../../../policy/filter/cache/create.ts"
import { classOf, createBuckets } from "../../../../policy/filter/decide.ts"
import { createAliasMemory } from "../../../../policy/filter/payload/alias-memory.ts"
import { say } from "../../../support/filter-peers.ts"
import { publishPacket } from "../../../support/flow-caches.ts"
import { makePolicy, makeRule } from "../../../support/policies.ts"

const test = suite("firmware/conduits/mqtt rights")
const roles = [["sensor"], ["panel"]]
const compile = (topics: readonly string[]) =>
  compilePolicy(makePolicy([makeRule({ id: "own", topics, actions: ["publish", "receive"] })], roles))

function rightsOf(compiled: ReturnType<typeof compile>, role: string, name: string): Rights {
  const classIndex = classOf(compiled, "field", [role])
  return {
    compiled: { ...compiled, ruleNames: packNames(compiled.ruleIds) },
    classIndex,
    name,
    buckets: createBuckets(compiled.table),
    essentialOnly: false,
  }
}

test("[CR 2.1] peers and policies share one cache, and none is answered for another", () => {
  const flows = createFlowCache({ seed: new Uint32Array(8) })
  const before = compile(["plant/%u/#"])
  const after = compile(["yard/%u/#"])
  const facts = { version: 4, clientId: "cid", metricAliases: createAliasMemory(0), authenticates: false } as const
  const judges = [
    [before, createJudge(rightsOf(before, "sensor", "s1"), facts, flows), "allowed own"],
    [before, createJudge(rightsOf(before, "sensor", "s2"), facts, flows), "no-rule"],
    [before, createJudge(rightsOf(before, "panel", "s1"), facts, flows), "no-rule"],
    [after, createJudge(rightsOf(after, "sensor", "s1"), facts, flows), "no-rule"],
    [
      before,
      createJudge({ ...rightsOf(before, "sensor", "s1"), essentialOnly: true }, facts, flows),
      "not-essential own",
    ],
    [before, createJudge(rightsOf(before, "sensor", "s1"), facts, flows), "allowed own"],
  ] as const
  const packet = publishPacket(new TextEncoder().encode("plant/s1/temperature"), { payloadBytes: 20 })
  for (let round = 0; round < 6; round++)
    for (const [compiled, judge, expected] of judges) {
      assert.is(say(compiled, judge.publish(packet, 0, packet.length, 0)), expected)
      assert.is(say(compiled, judge.receive(packet, 0, packet.length, 0)), expected)
      // Only the variable header is in hand.
      assert.is(say(compiled, judge.publish(packet, 0, packet.length - 20, 0)), expected)
    }
})

test("a judge asks the cache for whole messages of both directions, under a number for each", () => {
  const asked: string[] = []
  const flows = createFlowCache({ seed: new Uint32Array(8) })
  const compiled = compile(["plant/#"])
  const judge = createJudge(
    rightsOf(compiled, "sensor", "s1"),
    { version: 4, clientId: "cid", metricAliases: createAliasMemory(0), authenticates: false },
    {
      open: (state) => flows.open(state),
      join: (state) => flows.join(state),
      decide: (own, ...rest) => {
        asked.push(`${own.low}`)
        return flows.decide(own, ...rest)
      },
    },
  )
  const packet = publishPacket(new TextEncoder().encode("plant/x"))
  judge.publish(packet, 0, packet.length, 0)
  judge.receive(packet, 0, packet.length, 0)
  assert.equal(asked, ["1", "2"])
})

test.run()
