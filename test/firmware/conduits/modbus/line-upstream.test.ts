import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeFrame } from "../../../../firmware/conduits/modbus/rtu/frame.ts"
import { randomBytes, seeded } from "../../../support/hostile.ts"
import {
  DEVICE,
  readRegisters,
  registers,
  said,
  simulatedLine,
  station,
  writeRegister,
  type Asked,
} from "../../../support/serial-line.ts"

const test = suite("firmware/conduits/modbus/line-upstream")

for (const [baud, atLeastMs, atMostMs] of [
  [1_200, 300, 420],
  [19_200, 19, 27],
  [921_600, 0.3, 6],
] as const)
  // prettier-ignore
  test(`several units are asked at ${baud} baud, each byte in its time`, async () => {
    const line = await simulatedLine(station({ 1: registers(), 2: registers(100) }), { baud })
    const startMs = line.clock.monotonicMs()
    const first = line.ask(1, readRegisters(5, 10))
    const second = line.ask(2, readRegisters(0, 2))
    await line.pass(1_000)
    assert.equal(said(first), [5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
    assert.equal(said(second), [100, 101])
    const tookMs = first.atMs - startMs
    assert.ok(tookMs >= atLeastMs && tookMs <= atMostMs, `${tookMs} ms`)
  })

test("the longest answer at 1200 baud takes longer than the timeout, and is heard out", async () => {
  const line = await simulatedLine(station({ 1: registers() }), { baud: 1_200, timeoutMs: 300 })
  const asked = line.ask(1, readRegisters(0, 125))
  await line.pass(3_000)
  assert.is(said(asked).length, 125)
})

test("a unit that does not answer: timeout, and after it the line serves the others", async () => {
  const seen: { unit: number; pdu: Uint8Array }[] = []
  const line = await simulatedLine(station({ 2: registers() }, seen))
  const dead = line.ask(1, readRegisters(0, 1))
  const alive = line.ask(2, readRegisters(0, 1), { master: 2 })
  await line.pass(999)
  assert.is(said(dead), "nothing yet")
  await line.pass(100)
  assert.is(said(dead), "timeout")
  assert.equal(said(alive), [0])
  assert.is(seen.length, 2)
})

test("reads are asked again as often as the board file says, writes never, unless it says so", async () => {
  const count = async (pdu: number[], repeat: "reads" | "all"): Promise<number> => {
    const seen: { unit: number; pdu: Uint8Array }[] = []
    const line = await simulatedLine(station({}, seen), { retries: 2, repeat, timeoutMs: 100, waitMs: 60_000 })
    const asked = line.ask(7, pdu)
    await line.pass(3_000)
    assert.is(said(asked), "timeout")
    return seen.length
  }
  assert.is(await count(readRegisters(0, 1), "reads"), 3)
  assert.is(await count(writeRegister(0, 1), "reads"), 1)
  assert.is(await count([8, 0, 11, 0, 0], "reads"), 3)
  assert.is(await count([8, 0, 10, 0, 0], "reads"), 1)
  assert.is(await count([23, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0], "reads"), 1)
  assert.is(await count(writeRegister(0, 1), "all"), 3)
})

test("an answer lost once is had by asking again", async () => {
  const line = await simulatedLine(
    station({ 1: (pdu, count) => (count === 1 ? null : registers()(pdu, count)) }),
    { retries: 1, timeoutMs: 100 }, // prettier-ignore
  )
  const asked = line.ask(1, readRegisters(3, 1))
  await line.pass(500)
  assert.equal(said(asked), [3])
})

test("[CR 3.5] a late answer is never taken for the answer to the next request, however late within the hold", async () => {
  // The unit counts: its n-th answer says n. A request gets its own number or nothing.
  const delays = Array.from({ length: 26 }, (_, n) => 10 + 15 * n)
  for (const [delayMs, withOther] of delays.flatMap(
    (ms) =>
      [
        [ms, false],
        [ms, true],
      ] as const,
  )) {
    const counting = (_: Uint8Array, count: number): Uint8Array => Uint8Array.from([3, 2, 0, count])
    const seen: { unit: number; pdu: Uint8Array }[] = []
    const line = await simulatedLine(
      station({ 1: counting, 2: registers(50) }, seen, (count) => (count === 1 ? delayMs : 120)),
      { timeoutMs: 200 },
    )
    const first = line.ask(1, readRegisters(0, 1))
    const second = line.ask(1, readRegisters(0, 1))
    const other = withOther ? line.ask(2, readRegisters(0, 1), { master: 2 }) : null
    await line.pass(1_500)
    assert.ok(["1", "timeout", "garbled"].includes(String(said(first))), `${delayMs}: first ${String(said(first))}`)
    const own = seen.findIndex(({ unit }, n) => unit === 1 && n > 0) + 1
    assert.ok([String(own), "garbled"].includes(String(said(second))), `${delayMs}: second ${String(said(second))}`)
    if (other === null) continue
    assert.ok(["50", "garbled"].includes(String(said(other))), `${delayMs}: other ${String(said(other))}`)
  }
})

for (const echo of [false, true])
  test(`[CR 3.5] a late answer that cannot be the one is passed over, however late, and the right one still taken${echo ? ", on a line with an echo" : ""}`, async () => {
    // The first request is answered 900 ms after it, behind the hold, while the second waits for its own.
    const asked: number[][] = [readRegisters(7, 1), readRegisters(7, 3), writeRegister(9, 5), [4, 0, 0, 0, 2]]
    const late = [
      [3, 4, 0, 1, 0, 2],
      [6, 0, 8, 0, 5],
      [4, 4, 0, 1, 0, 2],
    ]
    for (const answer of late)
      for (const request of asked) {
        const unit = (pdu: Uint8Array, count: number): Uint8Array => {
          if (count === 1) return Uint8Array.from(answer)
          return pdu[0] === 4 ? Uint8Array.of(4, 4, 9, 9, 9, 9) : registers()(pdu, count)!
        }
        const at = station({ 1: unit }, [], (count) => (count === 1 ? 900 : 350))
        const line = await simulatedLine(at, { timeoutMs: 400, echo })
        if (echo) line.faults.echo = true
        const first = line.ask(1, answer[0] === 6 ? writeRegister(8, 5) : [answer[0]!, 0, 0, 0, 2])
        await line.pass(850)
        assert.is(said(first), echo ? "garbled" : "timeout")
        const second = line.ask(1, request)
        await line.pass(1_000)
        const own = { 3: request[4] === 1 ? [7] : [7, 8, 9], 6: Buffer.from(writeRegister(9, 5)).toString("hex"), 4: "040409090909" }[request[0] as 3 | 4 | 6] // prettier-ignore
        const same = answer[0] === 4 && request[0] === 4
        // Same unit, function and length: nothing in the frame tells it from the answer.
        assert.equal(said(second), same ? "040400010002" : own, `${answer.join(" ")} for ${request.join(" ")}`)
      }
  })

test("a broadcast is sent, waited for, and answered by nobody", async () => {
  const seen: { unit: number; pdu: Uint8Array }[] = []
  const line = await simulatedLine(station({ 0: registers(), 1: registers() }, seen))
  const startMs = line.clock.monotonicMs()
  const everybody = line.ask(0, writeRegister(1, 2))
  const next = line.ask(1, readRegisters(0, 1))
  await line.pass(300)
  assert.is(said(everybody), "broadcast")
  assert.ok(everybody.atMs - startMs >= 100)
  assert.equal(said(next), [0])
  assert.equal(seen.map(({ unit }) => unit), [0, 1]) // prettier-ignore
})

test("a damaged answer is told at once, and the unit may be asked again at once", async () => {
  const line = await simulatedLine(station({ 1: registers() }), { retries: 1, timeoutMs: 2_000 })
  let hurt = true
  line.faults.toBoard = (bytes) => {
    const copy = bytes.slice()
    if (hurt) copy[3]! ^= 1
    hurt = false
    return copy
  }
  const asked = line.ask(1, readRegisters(4, 1))
  await line.pass(300)
  assert.equal(said(asked), [4])
  line.faults.toBoard = (bytes) => bytes.subarray(0, -1)
  const short = line.ask(1, readRegisters(4, 1))
  await line.pass(500)
  assert.is(said(short), "garbled")
})

test("an echoing line: with `echo` all is well, without it is noticed", async () => {
  for (const echo of [true, false]) {
    const line = await simulatedLine(station({ 1: registers() }), { echo })
    line.faults.echo = true
    const asked = [line.ask(1, readRegisters(4, 1)), line.ask(1, readRegisters(5, 1))]
    await line.pass(1_000)
    assert.equal(asked.map(said), [[4], [5]])
    assert.equal(line.notes.map(({ kind }) => kind), echo ? ["opened"] : ["opened", "echo"]) // prettier-ignore
    const dead = line.ask(9, writeRegister(1, 1))
    await line.pass(2_000)
    if (echo) assert.is(said(dead), "garbled")
  }
})

test("[CR 7.1] a line that babbles without end is waited out within bounds, and what waits is answered", async () => {
  const line = await simulatedLine(station({ 1: registers() }), { waitMs: 2_000 })
  const random = seeded(3)
  const babble = line.clock.after.bind(line.clock)
  let on = true
  const more = (): void => {
    if (!on) return
    line.serial.inject(DEVICE, randomBytes(16, random))
    babble(8, more)
  }
  more()
  const asked = Array.from({ length: 3 }, (_, n) => line.ask(1, readRegisters(n, 1), { master: n }))
  await line.pass(4_000)
  for (const one of asked) assert.ok(["garbled", "busy"].includes(String(said(one))), String(said(one)))
  on = false
  await line.pass(2_000)
  const after = line.ask(1, readRegisters(1, 1))
  await line.pass(200)
  assert.equal(said(after), [1])
})

test("[CR 7.2] the queue is bounded for a master and in all, and nothing waits for ever", async () => {
  const line = await simulatedLine(station({}), { queue: 8, waitMs: 3_000 })
  const asked: Asked[] = []
  for (let master = 0; master < 6; master++)
    for (let n = 0; n < 3; n++) asked.push(line.ask(1, readRegisters(n, 1), { master }))
  await line.pass(1)
  assert.is(asked.filter((one) => said(one) === "busy").length, 18 - 7)
  await line.pass(8_000)
  assert.is(asked.filter((one) => one.outcome === null).length, 0)
})

test("a master that goes away: what waits is dropped, what is on the wire is heard out, and not asked again", async () => {
  const seen: { unit: number; pdu: Uint8Array }[] = []
  const line = await simulatedLine(station({ 2: registers() }, seen), { retries: 3, timeoutMs: 200 })
  const [wire, waits] = [line.ask(1, readRegisters(0, 1)), line.ask(2, readRegisters(0, 1))]
  await line.pass(20)
  line.upstream.forget(1)
  await line.pass(1)
  assert.is(said(waits), "closed")
  const other = line.ask(2, readRegisters(7, 1), { master: 2 })
  await line.pass(1_000)
  assert.equal(said(other), [7])
  assert.is(said(wire), "timeout")
  assert.equal(seen.map(({ unit }) => unit), [1, 2]) // prettier-ignore
})

test("a line that is cut: all is `lost` at once; it is opened again when it is back, and told once each", async () => {
  const line = await simulatedLine(station({ 1: registers() }))
  const asked = [line.ask(1, readRegisters(0, 1)), line.ask(1, readRegisters(1, 1))]
  await line.pass(2)
  line.serial.cut(DEVICE)
  await line.pass(0)
  const after = line.ask(1, readRegisters(2, 1))
  await line.pass(3_000)
  assert.equal([...asked, after].map(said), ["lost", "lost", "lost"])
  line.serial.plug(DEVICE)
  await line.pass(6_000)
  const again = line.ask(1, readRegisters(3, 1))
  await line.pass(200)
  assert.equal(said(again), [3])
  assert.equal(line.notes.map(({ kind }) => kind), ["opened", "lost", "opened"]) // prettier-ignore
})

test("a closed line answers `closed`, keeps no timer and lets go of the device", async () => {
  const line = await simulatedLine(station({}))
  const asked = [line.ask(1, readRegisters(0, 1)), line.ask(1, readRegisters(1, 1))]
  line.upstream.close()
  line.upstream.close()
  await line.pass(1)
  const late = line.ask(1, readRegisters(0, 1))
  await line.pass(100)
  assert.equal([...asked, late].map(said), ["closed", "closed", "closed"])
  assert.is(line.clock.waiting, 0)
})

test("garbage between and in answers: a request has its own answer or none, for a thousand of them", async () => {
  const random = seeded(11)
  const line = await simulatedLine(station({ 1: registers(), 2: registers(1_000) }), { baud: 115_200, timeoutMs: 100 })
  line.faults.toBoard = (bytes) => {
    const chance = random()
    if (chance < 0.1) return bytes.subarray(0, Math.floor(random() * bytes.length))
    if (chance < 0.2) return bytes.map((b) => (random() < 0.1 ? b ^ (1 << Math.floor(random() * 8)) : b))
    if (chance < 0.3) return Uint8Array.from([...randomBytes(1 + Math.floor(random() * 9), random), ...bytes])
    if (chance < 0.4) return Uint8Array.from([...bytes, ...bytes])
    if (chance < 0.45) return Uint8Array.from([...encodeFrame(3, Uint8Array.from([3, 2, 9, 9])), ...bytes])
    return bytes
  }
  let good = 0
  for (let n = 0; n < 1_000; n++) {
    const unit = 1 + (n % 2)
    const asked = line.ask(unit, readRegisters(n % 900, 1 + (n % 3)))
    while (asked.outcome === null) await line.pass(20)
    const values = said(asked)
    if (typeof values === "string") continue
    good++
    assert.equal(
      values,
      Array.from({ length: 1 + (n % 3) }, (_, k) => (unit - 1) * 1_000 + (n % 900) + k),
    )
  }
  assert.ok(good > 500, `${good}`)
})

test.run()
