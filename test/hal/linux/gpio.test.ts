import { spawn } from "node:child_process"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { LockgateError } from "../../../policy/base/errors.ts"
import { createLinuxClock } from "../../../hal/linux/clock.ts"
import { createLinuxGpio } from "../../../hal/linux/gpio.ts"
import {
  getArguments,
  monitorArguments,
  parseEdge,
  parseLevels,
  setArguments,
  versionOf,
} from "../../../hal/linux/gpio-tools.ts"
import { standInTools, type StandInTools } from "../../support/gpio-tools.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("hal/linux/gpio")
const clock = createLinuxClock()

async function until(holds: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + 5_000
  while (!holds()) {
    if (performance.now() > endMs) assert.unreachable(what)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const INPUTS = [
  { name: "key", chip: "gpiochip0", line: 17, bias: "pull-up" },
  { name: "door", chip: "gpiochip0", line: 4, bias: "pull-up" },
] as const
const OUTPUTS = [
  { name: "led", chip: "gpiochip0", line: 5, safe: "low" },
  { name: "relay", chip: "gpiochip0", line: 6, safe: "high" },
] as const

async function withTools(version: 1 | 2, action: (own: StandInTools) => Promise<void>): Promise<void> {
  const own = standInTools(version)
  try {
    await action(own)
  } finally {
    own.remove()
  }
}

for (const version of [1, 2] as const) {
  test(`tools ${version}: inputs are read, their edges told, and a lost chip is told once and tried again`, () =>
    withTools(version, async (own) => {
      own.drive(17, 1)
      const told: string[] = []
      const gpio = createLinuxGpio({ clock, tools: own.tools, pidFile: own.pidFile })
      const close = await gpio.watch(INPUTS, {
        level: (name, level) => told.push(`${name} ${level}`),
        lost: (name) => told.push(`${name} lost`),
      })
      assert.equal(told, ["key high", "door low"])
      // The watch begins a little after the reading.
      await new Promise((resolve) => setTimeout(resolve, 150))
      own.drive(4, 1)
      own.drive(17, 0)
      await until(() => told.length === 4, "two edges")
      assert.equal(told.slice(2), ["door high", "key low"])
      await close()
    }))

  test(`[CR 3.6] tools ${version}: outputs are safe first, follow, and are safe again when the gateway is killed with -9`, () =>
    withTools(version, async (own) => {
      const script = `
        import { createLinuxClock } from "${new URL("../../../hal/linux/clock.ts", import.meta.url).href}"
        import { createLinuxGpio } from "${new URL("../../../hal/linux/gpio.ts", import.meta.url).href}"
        const gpio = createLinuxGpio({ clock: createLinuxClock(), tools: "${own.tools}", pidFile: "${own.pidFile}" })
        const held = await gpio.hold(${JSON.stringify(OUTPUTS)}, (name) => console.log("lost " + name))
        console.log("safe")
        process.stdin.once("data", async () => {
          await held.set("led", "high")
          await held.set("relay", "low")
          console.log("set")
        })`
      const gateway = spawn(process.execPath, [own.script(script)], {
        stdio: ["pipe", "pipe", "inherit"],
      })
      let said = ""
      gateway.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()))
      await until(() => said.includes("safe"), "the safe state at start")
      assert.equal([own.output(5), own.output(6)], ["0", "1"])
      gateway.stdin.write("go\n")
      await until(() => said.includes("set"), "the outputs follow")
      assert.equal([own.output(5), own.output(6)], ["1", "0"])
      gateway.kill("SIGKILL")
      await until(() => own.output(5) === "0" && own.output(6) === "1", "the safe state after kill -9")
      // And it stays so: the next gateway takes the lines over.
      const next = createLinuxGpio({ clock, tools: own.tools, pidFile: own.pidFile })
      const held = await next.hold(OUTPUTS, (name) => assert.unreachable(name))
      assert.equal([...held.driven()], [["led", "low"], ["relay", "high"]]) // prettier-ignore
      await held.set("led", "high")
      await held.release()
      await until(() => own.output(5) === "0", "the safe state after an orderly stop")
    }))
}

test("[CR 3.6] a line that nobody can hold is told as lost, and a setting of it fails", () =>
  withTools(1, async (own) => {
    const gpio = createLinuxGpio({ clock, tools: own.tools, pidFile: own.pidFile })
    const lost: string[] = []
    await gpio.watch([], { level: () => undefined, lost: () => undefined })
    own.breakChip(true)
    const held = await gpio.hold([OUTPUTS[0]], (name) => lost.push(name))
    // A tool that has not ended after 40 ms counts as holding; on a busy machine the loss is told after that.
    await until(() => lost.length > 0, "told as lost")
    assert.is(lost[0], "led")
    await until(() => held.driven().size === 0, "nothing is driven")
    const before = lost.length
    const taken = await held.set("led", "high").then(
      () => true,
      (error: unknown) => assert.is((error as LockgateError).code, "ERR_IO"),
    )
    if (taken === true) await until(() => lost.length > before, "told as lost again")
    own.breakChip(false)
    await until(() => held.driven().get("led") === "high", "it is tried again")
    await held.release()
  }))

test("inputs are lost while no tool answers, and known again when one does", async () => {
  const told: string[] = []
  const own = standInTools(2)
  own.breakChip(true)
  const gpio = createLinuxGpio({ clock, tools: own.tools, pidFile: own.pidFile })
  const close = await gpio.watch(INPUTS, {
    level: (name) => told.push(name),
    lost: (name) => told.push(`${name} lost`),
  })
  assert.equal(told, ["key lost", "door lost"])
  own.breakChip(false)
  await until(() => told.length === 4, "known again")
  await close()
  own.remove()
})

test("versions and words of the tools", async () => {
  assert.is(versionOf("gpioget (libgpiod) v1.6.3\nCopyright"), 1)
  assert.is(versionOf("gpioget (libgpiod) v2.1"), 2)
  for (const odd of ["", "gpioget (libgpiod) v3.0", "gpioget (libgpiod) v1.4.1", "v2.1"])
    await rejects(() => versionOf(odd), "ERR_GPIO_TOOLS")
  assert.equal(getArguments(1, "gpiochip0", "disabled", [3, 4]), ["--bias=disable", "gpiochip0", "3", "4"])
  assert.equal(getArguments(2, "gpiochip0", "as-is", [3]), ["--numeric", "--chip", "gpiochip0", "3"])
  assert.equal(monitorArguments(1, "gpiochip1", "as-is", [3]), ["--line-buffered", "--format=%o %e", "--bias=as-is", "gpiochip1", "3"]) // prettier-ignore
  assert.equal(setArguments(2, "gpiochip0", 7, "high"), ["--chip", "gpiochip0", "7=1"])
  assert.equal(parseLevels("0 1\n", 2), ["low", "high"])
  for (const odd of ["", "0", "0 2", "0 1 1", '"3"=active "4"=active']) assert.is(parseLevels(odd, 2), null)
  assert.equal(parseEdge("17 1", 1), { line: 17, level: "high" })
  assert.equal(parseEdge("17 0", 1), { line: 17, level: "low" })
  assert.equal(parseEdge("17 2", 2), { line: 17, level: "low" })
  for (const odd of ["17 2", "17", "event 1", "1234 1", "17 1 1"]) assert.is(parseEdge(odd, 1), null)
  assert.is(parseEdge("17 0", 2), null)
})

test.run()
