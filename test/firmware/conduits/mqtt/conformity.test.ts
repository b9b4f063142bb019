import { suite } from "uvu"
import * as assert from "uvu/assert"
import { ALLOWED, concat, packetsOf, Rig, VERSIONS } from "./rig.ts"
import { conversation } from "./transcripts.ts"

const test = suite("firmware/conduits/mqtt: a conduit in which everything is allowed is transparent")

/** The list of SEMANTICS.md, for a conversation whose client names itself and whose maxima are below ours. */
function rewritten(packet: any): any {
  const rest = Object.fromEntries(Object.entries(packet).filter(([key]) => key !== "username" && key !== "password"))
  const { properties } = packet
  if (properties === undefined) return rest
  return { ...rest, properties: { ...properties, maximumPacketSize: 16 * 1024 * 1024 } }
}

for (const version of VERSIONS) {
  test(`${version === 4 ? "3.1.1" : "5"}: both transcripts are the original, modulo the named rewrites`, () => {
    const steps = conversation(version)
    const rig = new Rig({ version, rules: () => ALLOWED })
    for (const { from, bytes } of steps) {
      if (from === "client") rig.client(bytes)
      else if (!answersWhatWeRefused(bytes)) rig.broker(bytes)
    }
    assert.equal(rig.denied, [])
    for (const [from, seen] of [
      ["client", rig.upstreamBytes()],
      ["broker", rig.clientBytes()],
    ] as const) {
      const sent = steps.filter((step) => step.from === from && !answersWhatWeRefused(step.bytes))
      const [first, ...rest] = sent.map((step) => step.bytes)
      const tail = concat(rest)
      assert.equal(seen.subarray(seen.length - tail.length), tail, `${from}: byte for byte behind its first packet`)
      const head = packetsOf(seen.subarray(0, seen.length - tail.length), version)
      assert.equal(head, packetsOf(first!, version).map(rewritten))
    }
  })
}

/** The conversation has a broker that sees only part of SUBSCRIBE 300, so its answer is too short here. */
function answersWhatWeRefused(bytes: Uint8Array): boolean {
  return bytes[0] === 0x90 && bytes[2] === 300 >> 8 && bytes[3] === (300 & 255)
}

test.run()
