import { spawnSync } from "node:child_process"
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { readLinuxIdentity } from "../../../hal/linux/board-identity.ts"
import { createLinuxBoard } from "../../../hal/linux/board.ts"
import { createLinuxClock } from "../../../hal/linux/clock.ts"
import { createSimulatedBoard } from "../../../hal/linux/simulated-board.ts"
import { openLinuxWatchdog } from "../../../hal/linux/watchdog.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("hal/linux/board")
const top = mkdtempSync(join(tmpdir(), "lockgate-board-"))
test.after(() => rmSync(top, { recursive: true }))

function watchdogFiles(name: string, facts: Record<string, string>): { device: string; facts: string } {
  const folder = join(top, name)
  mkdirSync(folder)
  for (const [fact, value] of Object.entries(facts)) writeFileSync(join(folder, fact), `${value}\n`)
  writeFileSync(join(folder, "device"), "")
  return { device: join(folder, "device"), facts: folder }
}

test("the watchdog is opened by arm, fed by writing, and stopped by the magic close", async () => {
  const files = watchdogFiles("w1", { timeout: "15", bootstatus: "32", nowayout: "0" })
  const watchdog = await openLinuxWatchdog(files)
  assert.is(watchdog.lastReset, "watchdog")
  await rejects(() => watchdog.feed(), "ERR_IO")
  assert.is(readFileSync(files.device, "latin1"), "")
  assert.is(await watchdog.arm(60_000), 15_000)
  await watchdog.feed()
  await watchdog.disarm()
  assert.is(readFileSync(files.device, "latin1"), "11V")
  await rejects(() => watchdog.feed(), "ERR_IO")
})

test("a watchdog that cannot be stopped is fed once more and left to run", async () => {
  const files = watchdogFiles("w2", { timeout: "15", bootstatus: "0", nowayout: "1" })
  const watchdog = await openLinuxWatchdog(files)
  assert.is(watchdog.lastReset, "unknown")
  await watchdog.arm(10_000)
  await watchdog.disarm()
  assert.is(readFileSync(files.device, "latin1"), "11")
  await watchdog.feed()
})

test("a board without watchdog cannot be armed", async () => {
  const watchdog = await openLinuxWatchdog({ device: join(top, "none"), facts: join(top, "none") })
  assert.is(watchdog.lastReset, "unknown")
  await rejects(() => watchdog.arm(1000), "ERR_IO")
})

test("the device tree names the board; without it a name is derived from the machine id and does not show it", async () => {
  const file = (name: string, text: string): string => {
    writeFileSync(join(top, name), text)
    return join(top, name)
  }
  const tree = {
    model: [file("model", "Raspberry Pi 4 Model B Rev 1.4\0")],
    serial: file("serial", "10000000abcdef01\0"),
    machineId: file("machine-id", "0123456789abcdef0123456789abcdef\n"),
  }
  assert.equal(await readLinuxIdentity(tree), { model: "Raspberry Pi 4 Model B Rev 1.4", serial: "10000000abcdef01" })
  const plain = await readLinuxIdentity({
    ...tree,
    model: [join(top, "no"), file("dmi", "Box\x1b[31m 7\n")],
    serial: "/no",
  })
  assert.is(plain.model, "Box[31m 7")
  assert.match(plain.serial, /^[0-9a-f]{32}$/)
  assert.not.match(plain.serial, "0123456789abcdef")
  const nameless = await readLinuxIdentity({ model: [], serial: "/no", machineId: "/no" })
  assert.equal(nameless, { model: "unknown", serial: "unknown" })
})

test("[CR 2.11] the wall clock is trusted in itself only where a trusted battery-backed one set it, and agrees", () => {
  const rtc = join(top, "rtc0")
  mkdirSync(rtc)
  const trusted = (trustRtc: boolean): boolean => createLinuxClock({ trustRtc, rtc }).wall().trusted
  assert.is(trusted(true), false, "there is none")
  const says = (hctosys: string, since: string): void => {
    writeFileSync(join(rtc, "hctosys"), hctosys)
    writeFileSync(join(rtc, "since_epoch"), since)
  }
  const seconds = Math.round(Date.now() / 1000)
  says("1\n", `${seconds}\n`)
  assert.is(trusted(true), true)
  assert.is(trusted(false), false, "the board file does not say so")
  for (const [hctosys, since] of [
    ["0\n", `${seconds}`],
    ["1\n", `${seconds - 60}`],
    ["1\n", "soon"],
    ["", ""],
  ] as const) {
    says(hctosys, since)
    assert.is(trusted(true), false, `${hctosys} ${since}`)
  }
  const clock = createLinuxClock()
  assert.ok(Math.abs(clock.wall().at - Date.now()) < 1000)
  const before = clock.monotonicMs()
  assert.ok(clock.monotonicMs() >= before)
})

test("a timer fires once, and a cancelled one does not, however far away", async () => {
  const clock = createLinuxClock()
  const cancelFar = clock.after(40 * 86_400_000, () => assert.unreachable("a far timer fired"))
  const cancelNear = clock.after(1, () => assert.unreachable("a cancelled timer fired"))
  cancelNear()
  await new Promise<void>((resolve) => clock.after(5, resolve))
  cancelFar()
})

test("the Linux board has every port on its state folder, and lets it go when closed", async () => {
  const stateFolder = join(top, "linux-state")
  const board = await createLinuxBoard({ stateFolder })
  assert.match(board.identity.serial, /^[\x20-\x7e]{1,64}$/)
  const spki = await board.keyStore.generate("gateway", "ES256")
  await board.storage.write("a", new Uint8Array([1]))
  await rejects(() => createLinuxBoard({ stateFolder }), "ERR_STATE_FOLDER_IN_USE")
  await board.close()
  const again = await createLinuxBoard({ stateFolder })
  assert.equal(await again.keyStore.publicKey("gateway"), spki)
  assert.equal(await again.storage.list(""), ["a", "identity/"])
  await again.close()
})

test("the simulated board keeps its serial number, and knows that its watchdog reset it", async () => {
  const folder = join(top, "state")
  const first = await createSimulatedBoard(folder)
  assert.match(first.identity.serial, /^SIM-[0-9A-F]{8}$/)
  assert.is(first.watchdog.lastReset, "power")
  await first.close()

  const module = new URL("../../../hal/linux/simulated-board.ts", import.meta.url).href
  const script = `const { createSimulatedBoard } = await import(${JSON.stringify(module)})
    const board = await createSimulatedBoard(${JSON.stringify(folder)}); await board.watchdog.arm(100); setInterval(() => {}, 1000)`
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 10_000 })
  assert.is(child.signal, "SIGKILL")

  const second = await createSimulatedBoard(folder)
  assert.is(second.watchdog.lastReset, "watchdog")
  assert.is(second.identity.serial, first.identity.serial)
  await second.close()
  const third = await createSimulatedBoard(folder)
  assert.is(third.watchdog.lastReset, "power")
  await third.close()
})

test.run()
