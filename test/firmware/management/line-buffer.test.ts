import { suite } from "uvu"
import * as assert from "uvu/assert"
import { LineBuffer } from "../../../firmware/management/line-buffer.ts"
import { chunks, seeded } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/management/line-buffer")
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const read = (buffer: LineBuffer, chunk: Uint8Array): string[] =>
  [...buffer.push(chunk)].map((line) => new TextDecoder().decode(line))

test("[CR 3.5] yields the same lines however the bytes are cut", () => {
  const text = bytes("one\n\ntwo words\n" + "x".repeat(9000) + "\nrest")
  const whole = read(new LineBuffer(10_000), text)
  assert.equal(whole.map((line) => line.length), [3, 0, 9, 9000]) // prettier-ignore
  for (let seed = 0; seed < 50; seed++) {
    const buffer = new LineBuffer(10_000)
    const max = 1 + seed * 7
    assert.equal(
      [...chunks(text, max, seeded(seed))].flatMap((chunk) => read(buffer, chunk)),
      whole,
    )
  }
})

test("[CR 3.5] a line may have exactly the greatest length, and not one byte more, with or without its end", async () => {
  assert.equal(read(new LineBuffer(5), bytes("12345\n")), ["12345"])
  await rejects(() => read(new LineBuffer(5), bytes("123456\n")), "ERR_LINE_TOO_LONG")
  await rejects(() => read(new LineBuffer(5), bytes("123456")), "ERR_LINE_TOO_LONG")
  const slow = new LineBuffer(5)
  for (const part of ["1", "2", "3", "4", "5"]) read(slow, bytes(part))
  await rejects(() => read(slow, bytes("6")), "ERR_LINE_TOO_LONG")
})

test("a line that was handed out does not change when more is read", () => {
  const buffer = new LineBuffer(100)
  const [first] = [...buffer.push(bytes("first\n"))]
  read(buffer, bytes("other\n"))
  assert.equal(first, bytes("first"))
})

test.run()
