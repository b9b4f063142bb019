/** What a gateway loads: a room that nothing names is not entered, one that a policy comes to name later is there. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { freePorts } from "../peers/ports.ts"
import { honest, listenModbus, WireMaster } from "../support/modbus-wire.ts"
import { POLICY, startRig, type Rig, type RigOptions } from "../support/rig.ts"
import { ROOT } from "../support/source-tree.ts"

const test = suite("system/rooms")

interface Room {
  readonly inside: RegExp
  readonly threads: readonly string[]
}

/** What only some gateways need, with what stands before its door. */
const ROOMS: Readonly<Record<string, Room>> = {
  modbus: { inside: /^(firmware\/conduits|policy\/filter)\/modbus\//, threads: ["main", "conduits"] },
  lines: { inside: /^firmware\/lines\/(?!socket-path)|^hal\/(linux\/)?serial\.ts/, threads: ["main", "conduits"] },
  gpio: { inside: /^firmware\/gpio\/(?!late|island-order)/, threads: ["main", "conduits"] },
  spool: { inside: /^firmware\/spool\/(?!late|answers)/, threads: ["main"] },
  recording: { inside: /^firmware\/recording\/(?!late)/, threads: ["main"] },
  assessment: { inside: /^firmware\/assess\//, threads: ["main", "conduits"] },
  analysis: { inside: /^policy\/(analysis|compile)\//, threads: ["main", "conduits"] },
  yaml: { inside: /^node_modules\/yaml\//, threads: ["conduits"] },
  packages: { inside: /^node_modules\/(@serialport|@peculiar|reflect-metadata)\//, threads: ["main", "conduits"] },
  "mqtt client": { inside: /^node_modules\/mqtt\//, threads: ["conduits"] },
}

interface Watched {
  readonly rig: Rig
  /** Rooms that were entered by a thread that may stay outside. */
  entered(): string[]
  stop(): Promise<void>
}

async function startWatched(options: RigOptions): Promise<Watched> {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-rooms-"))
  const list = join(folder, "loaded")
  const preload = new URL("../support/loaded-modules.ts", import.meta.url).href
  const rig = await startRig({ ...options, env: { NODE_OPTIONS: `--import ${preload}`, LOADED_MODULES: list } })
  const loaded = (): string[][] =>
    readFileSync(list, "utf8")
      .split("\n")
      .map((line) => line.replaceAll(/file:.*\/(?=node_modules\/)/g, "").split(" "))
      .map(([thread = "", url = ""]) => [thread, url.startsWith("file:") ? fileURLToPath(url).replace(ROOT, "") : url])
  return {
    rig,
    entered() {
      const all = loaded()
      // That it saw the threads at all.
      assert.ok(all.some(([thread, path]) => thread === "main" && path === "firmware/gateway.ts"))
      assert.ok(all.some(([thread, path]) => thread === "conduits" && path === "firmware/conduits/mqtt/session.ts"))
      const within = ({ inside, threads }: Room): boolean =>
        all.some(([thread = "", path = ""]) => threads.includes(thread) && inside.test(path))
      return Object.keys(ROOMS).filter((room) => within(ROOMS[room]!))
    },
    async stop() {
      await rig.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

test("a gateway that speaks MQTT alone enters no room for Modbus, serial lines, GPIO, spool, recordings or probes", async () => {
  const { rig, entered, stop } = await startWatched({})
  try {
    assert.equal(entered(), [])
    // Each is there as soon as somebody asks for it.
    assert.is((await rig.command("recording.status")).ok, true)
    assert.equal(entered(), ["recording"])
    const set = await rig.command("board.input", { input: "door", state: "open" })
    assert.is(set.ok ? "" : set.code, "ERR_COMMAND_STATE")
    assert.equal(entered(), ["gpio", "recording"])
    assert.ok((await rig.command("assess")).ok)
    assert.ok(["spool", "assessment"].every((room) => entered().includes(room)))
    assert.not(entered().includes("modbus"))
  } finally {
    await stop()
  }
})

test("a policy that is the first to name a Modbus conduit comes into force on a running gateway", async () => {
  const units = await listenModbus({ say: honest })
  const [port = 0] = await freePorts(1)
  const listen = `listen: { address: 127.0.0.1, port: ${port} }`
  const { rig, entered, stop } = await startWatched({
    conduits: [`panel: { ${listen}, upstream: { url: "modbus://127.0.0.1:${units.port}" } }`],
    closedAtFirst: ["panel"],
  })
  try {
    assert.equal(entered(), ["modbus"])
    assert.ok((await rig.command("policy.activate", { bundle: await rig.bundle(2, WITH_MODBUS) })).ok)
    const master = new WireMaster(connect(port, "127.0.0.1"))
    assert.is(await master.ask("03 03 0007 0001"), "0303020007")
    await master.end()
  } finally {
    await stop()
    await units.stop()
  }
})

const WITH_MODBUS = POLICY.replace("zones:", "zones:\n  cell: { level: 1, clear-text: true }")
  .replace("zones:", "zones:\n  old: { level: 1, clear-text: true }")
  .replace("subjects:", "subjects:\n  - { zone: old, match: { address: 127.0.0.1 }, name: panel, roles: [sensor] }")
  .replace("conduits:", "conduits:\n  panel: { from: old, to: cell, protocol: modbus, transport: tcp }")
  .replace(
    "rules:",
    "rules:\n  - { id: look, allow: read-holding-registers, roles: [sensor], units: 3, registers: 0-99 }",
  )

test.run()
