import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { encodeSignedCommand, parseSignedCommand, type SignedCommand } from "../../../policy/people/signed-command.ts"

const test = suite("policy/people/signed-command")

const ONE: SignedCommand = {
  gateway: "gw-1",
  account: "alice",
  nonce: "n".repeat(38),
  expiresAt: Date.UTC(2026, 10, 23, 12),
  request: { command: "island", arguments: { state: "on" } },
}
const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const members = JSON.parse(new TextDecoder().decode(encodeSignedCommand(ONE))) as Record<string, unknown>
const refused = (bytes: Uint8Array): string => {
  try {
    parseSignedCommand(bytes)
  } catch (error) {
    return (error as { code: string }).code
  }
  return "taken"
}

test("what is signed is read as it was meant", () => {
  assert.equal(parseSignedCommand(encodeSignedCommand(ONE)), ONE)
  const without = Object.fromEntries(Object.entries(members).filter(([key]) => key !== "arguments"))
  assert.equal(parseSignedCommand(bytesOf(without)).request, { command: "island", arguments: {} })
})

test("[CR 3.5] every other member, kind, format and way of writing a time is refused", () => {
  const wrong: readonly unknown[] = [
    null,
    [members],
    "text",
    { ...members, extra: 1 },
    { ...members, "lockgate-command": 2 },
    ...["gateway", "account", "nonce", "expires", "command"].flatMap((key) => [
      { ...members, [key]: undefined },
      { ...members, [key]: "" },
      { ...members, [key]: 7 },
      { ...members, [key]: "x".repeat(65) },
    ]),
    ...["2026-11-23T12:00:00Z", "2026-11-23", "1", "2026-11-23T13:00:00.000+01:00", "never"].map((expires) => ({
      ...members,
      expires,
    })),
  ]
  for (const one of wrong) assert.is(refused(bytesOf(one)), "ERR_SIGNED_COMMAND", JSON.stringify(one))
})

test("[CR 3.5] truncations and flipped bits are refused, or say something else that is whole", () => {
  const bytes = encodeSignedCommand(ONE)
  for (let end = 0; end < bytes.length; end++) assert.is(refused(bytes.subarray(0, end)), "ERR_SIGNED_COMMAND")
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Uint8Array.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    const said = refused(flipped)
    if (said === "taken") assert.not.equal(parseSignedCommand(flipped), ONE)
    else assert.is(said, "ERR_SIGNED_COMMAND")
  }
  fc.assert(fc.property(fc.uint8Array(), (any) => assert.is(refused(any), "ERR_SIGNED_COMMAND")))
})

test.run()
