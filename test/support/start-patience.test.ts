import { suite } from "uvu"
import * as assert from "uvu/assert"
import { cpuMsOf, createPatience } from "./start-patience.ts"

const test = suite("support/start-patience")

/** When a process is given up that has the processor for this share of the time, from `fromMs` to `untilMs`. */
function givenUp(share: number, untilMs = Infinity, fromMs = 0): { readonly atMs: number; readonly why: string } {
  let nowMs = 0
  const cpuMs = (): number => Math.round(Math.max(0, Math.min(nowMs, untilMs) - fromMs) * share)
  const patience = createPatience({ nowMs: () => nowMs, cpuMs })
  for (;;) {
    const why = patience.over()
    if (why !== null) return { atMs: nowMs, why }
    nowMs += 100
  }
}

test("who goes on slowly is waited for, and who hangs, or had enough of the processor, is not", () => {
  assert.is(givenUp(1).atMs, 15_000, "it had its share and does not answer")
  assert.is(givenUp(1, 2_000).atMs, 15_000, "it hangs")
  assert.is(givenUp(0).atMs, 15_000)
  assert.is(givenUp(0.05).atMs, 60_000, "starved, and no longer than that")
  assert.is(givenUp(0.05, 30_000).atMs, 35_000, "it goes on, and then hangs")
  assert.is(givenUp(0.4).atMs, 20_000)
  assert.match(givenUp(0.5, 4_000).why, /^15000 ms, of which it had the processor for 2000 ms, and last 11000 ms ago$/)
})

test("the processor time of a process is read from the kernel, threads included; one that has ended has none", () => {
  const begin = process.cpuUsage()
  const before = cpuMsOf(process.pid)
  while (cpuMsOf(process.pid) < before + 50);
  const { user, system } = process.cpuUsage(begin)
  assert.ok(Math.abs((user + system) / 1000 - 50) < 40, `${user + system}`)
  assert.is(cpuMsOf(2 ** 30), 0)
})

test.run()
