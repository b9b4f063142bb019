import { EventEmitter } from "node:events"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openScreen, wantsColour } from "../../../firmware/console/terminal.ts"

const test = suite("firmware/console/terminal")

class FakeTerminal extends EventEmitter {
  columns = 20
  rows = 4
  writableNeedDrain = false
  written = ""
  write(text: string): boolean {
    this.written += text
    return true
  }
  /** What was written since the last call. */
  read(): string {
    const text = this.written
    this.written = ""
    return text
  }
}

class FakeProcess extends EventEmitter {
  pid = 42
  signals: string[] = []
  kill(pid: number, signal: string): boolean {
    this.signals.push(`${pid} ${signal}`)
    return true
  }
}

function open() {
  const [terminal, process] = [new FakeTerminal(), new FakeProcess()]
  let redraws = 0
  const screen = openScreen(terminal, process, () => {
    redraws++
  })
  return { terminal, process, screen, redraws: () => redraws }
}

test("takes the terminal over and gives it back once", () => {
  const { terminal, process, screen } = open()
  assert.match(terminal.read(), "\x1b[?1049h")
  screen.close()
  screen.close()
  process.emit("exit")
  assert.is(terminal.read(), "\x1b[?7h\x1b[?25h\x1b[?1049l")
  assert.is(terminal.listenerCount("resize") + process.eventNames().length, 0)
  screen.draw("late")
  assert.is(terminal.read(), "")
})

test("gives the terminal back when the process ends by itself", () => {
  const { terminal, process } = open()
  terminal.read()
  process.emit("exit")
  assert.match(terminal.read(), "\x1b[?1049l")
})

test("writes only the lines that changed", () => {
  const { terminal, screen } = open()
  screen.draw("one\ntwo\nthree")
  terminal.read()
  screen.draw("one\n2\nthree")
  assert.is(terminal.read(), "\x1b[?2026h\x1b[2;1H\x1b[2K2\x1b[?2026l")
  screen.draw("one\n2\nthree")
  assert.is(terminal.read(), "")
  screen.draw("one")
  assert.match(terminal.read(), "\x1b[2;1H\x1b[2K\x1b[3;1H\x1b[2K")
})

test("never writes below the last row, and skips frames for a terminal that lags", () => {
  const { terminal, screen } = open()
  terminal.read()
  screen.draw("1\n2\n3\n4\n5")
  assert.not.match(terminal.read(), "\x1b[5;1H")
  terminal.writableNeedDrain = true
  screen.draw("other")
  assert.is(terminal.read(), "")
})

test("draws all anew after a change of size and after Ctrl-Z", () => {
  const { terminal, process, screen, redraws } = open()
  screen.draw("one")
  terminal.emit("resize")
  assert.is(redraws(), 1)
  terminal.read()
  screen.draw("one")
  assert.match(terminal.read(), "one")
  process.emit("SIGTSTP")
  assert.match(terminal.read(), "\x1b[?1049l")
  assert.equal(process.signals, ["42 SIGSTOP"])
  process.emit("SIGCONT")
  assert.match(terminal.read(), "\x1b[?1049h")
  assert.is(redraws(), 2)
})

test("colours only on a terminal that wants it", () => {
  assert.ok(wantsColour(true, { TERM: "xterm" }))
  assert.not.ok(wantsColour(false, { TERM: "xterm" }))
  assert.not.ok(wantsColour(true, { TERM: "xterm", NO_COLOR: "1" }))
  assert.not.ok(wantsColour(true, { TERM: "dumb" }))
})

test.run()
