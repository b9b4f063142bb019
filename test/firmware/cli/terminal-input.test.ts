import { PassThrough } from "node:stream"
import type { ReadStream } from "node:tty"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { terminalInput } from "../../../firmware/cli/terminal-input.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/cli/terminal-input")

/** A terminal on which `typed` is typed once it is listened to; `raw` is what it was switched to, in order. */
function terminal(typed: readonly string[]) {
  const raw: boolean[] = []
  const keys = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (on: boolean) => void raw.push(on) })
  let shown = ""
  const screen = new PassThrough().on("data", (chunk: Buffer) => (shown += chunk.toString()))
  const input = terminalInput(() => keys as unknown as ReadStream, screen)
  for (const text of typed) keys.write(text)
  return { input, raw, keys, shown: () => shown }
}

test("[CR 1.10] what is typed hidden is not shown, and the terminal is given back as it was", async () => {
  const { input, raw, shown } = terminal(["sevem", "\x7fn gr", "\x15heron\r"])
  assert.is(await input.askHidden("password: "), "heron")
  assert.equal([raw, shown()], [[true, false], "password: \n"])
})

test("Ctrl-C, Ctrl-D and a terminal that goes away are no password", async () => {
  for (const end of ["\x03", "\x04"]) {
    const { input, raw } = terminal([`secret${end}`])
    assert.is(await input.askHidden(""), null)
    assert.equal(raw, [true, false])
  }
  const { input, keys } = terminal([])
  keys.end()
  assert.is(await input.askHidden(""), null)
})

test("a question is answered by a line, and by nothing if nobody is there", async () => {
  const { input, shown } = terminal(["yes\n"])
  assert.equal([input.isTTY, await input.ask("sure? "), shown()], [true, "yes", "sure? "])
  const gone = terminal([])
  gone.keys.end()
  assert.is(await gone.input.ask("sure? "), null)
})

test("standard input is read whole, and no further than is wanted", async () => {
  const some = terminal(["seven grey\n"])
  some.keys.end()
  assert.is(await some.input.readAll(64), "seven grey\n")
  const much = terminal(["x".repeat(65)])
  much.keys.end()
  await rejects(() => much.input.readAll(64), "ERR_TOO_LARGE")
})

test.run()
