/** A whole gateway with a serial line: its process `lines` between a real driver and units of pymodbus. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createLineClient } from "../../firmware/lines/client.ts"
import { linesSocket } from "../../firmware/lines/socket-path.ts"
import { startPymodbusSlave } from "../peers/python3-pymodbus.ts"
import { startCable } from "../peers/socat.ts"
import { startRig } from "../support/rig.ts"
import { readRegisters } from "../support/serial-line.ts"

const test = suite("system/lines")

test("the gateway opens the lines of its board file, in a process that ends with it, even by kill -9", async () => {
  const cable = await startCable()
  const slave = await startPymodbusSlave(cable.far, [1])
  const rig = await startRig({
    board: `lines: { line-a: { device: ${cable.near}, baud: 9600, frame: 8E1, timeout: 300ms } }`,
  })
  const socket = linesSocket(rig.stateFolder)
  const after = (ms: number, action: () => void): (() => void) => {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  }
  const line = createLineClient({ socket, line: "line-a", after })
  const read = async (): Promise<string> => {
    const outcome = await line.ask({ unit: 1, pdu: Uint8Array.from(readRegisters(7, 1)), master: 1, priority: 1 })
    if (outcome.kind === "answer") return Buffer.from(outcome.pdu).toString("hex")
    return outcome.kind === "none" ? outcome.why : outcome.kind
  }
  const until = async (wanted: string): Promise<void> => {
    const endMs = performance.now() + 10_000
    for (let said = await read(); said !== wanted; said = await read()) {
      assert.ok(performance.now() < endMs, `${said}, not ${wanted}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  try {
    await rig.entry((entry) => entry.event === "line.opened" && entry.object === "line-a")
    await until("03020007")
    await rig.gateway.kill9()
    await until("lost")
    await rig.gateway.start()
    await until("03020007")
    await cable.pull()
    await rig.entry((entry) => entry.event === "line.lost" && entry.object === "line-a")
    assert.is(await read(), "lost")
  } finally {
    line.close()
    await rig.stop()
    await slave.stop()
    await cable.stop()
  }
})

test.run()
