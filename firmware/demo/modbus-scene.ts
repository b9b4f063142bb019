/**
 * The Modbus scene of the demo, a process of its own and no part of the gateway:
 *
 *     node firmware/demo/modbus-scene.ts <modbus-scene.json>
 *
 * A drive that speaks Modbus TCP, and two panels that speak Modbus/TCP Security to the gateway. The operator's panel sets the
 * speed; the display has a role that only reads, and tries to; the panel tries another register. Lines on standard
 * output say what came of it and what the drive saw. Stops when its standard input ends.
 */
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { connect } from "node:tls"
import { setTimeout as wait } from "node:timers/promises"
import { InputError } from "../../policy/base/errors.ts"
import { encodeMbap, MbapReader } from "../conduits/modbus/mbap.ts"
import type { CredentialFiles } from "./plant-config.ts"

interface Scene {
  readonly modbusPort: number
  readonly drivePort: number
  /** PEM file of the authority that vouches for the gateway. */
  readonly authority: string
  readonly panel: CredentialFiles
  readonly display: CredentialFiles
}

const SPEED = 40
const OTHER = 60
/** The gateway may still be starting. */
const PATIENCE_MS = 20_000
const ANSWER_MS = 2_000
/** A reader sees the plant come up first. */
const AFTER_MS = 4_000

/** A drive with one unit that takes every write. */
function startDrive(port: number): { readonly seen: () => number; stop(): void } {
  let seen = 0
  const server = createServer((socket) => {
    const reader = new MbapReader()
    socket.on("error", () => socket.destroy())
    socket.on("data", (chunk: Uint8Array) => {
      reader.push(chunk)
      for (let frame = reader.next(); frame !== null && typeof frame !== "string"; frame = reader.next()) {
        seen++
        socket.write(encodeMbap(frame.transaction, frame.adu[0] ?? 0, frame.adu.subarray(1, 6)))
      }
    })
  })
  server.listen(port, "127.0.0.1")
  return { seen: () => seen, stop: () => server.close() }
}

/** Write one register through the gateway: 0 if it was done, the exception if it was refused, null if nobody answered. */
function write(scene: Scene, as: CredentialFiles, register: number, value: number): Promise<number | null> {
  return new Promise((resolve) => {
    const socket = connect({
      host: "127.0.0.1",
      port: scene.modbusPort,
      key: readFileSync(as.key),
      cert: readFileSync(as.certificate),
      ca: readFileSync(scene.authority),
      minVersion: "TLSv1.3",
    })
    const reader = new MbapReader()
    const end = (result: number | null): void => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(ANSWER_MS, () => end(null))
    socket.on("error", () => end(null))
    socket.on("close", () => end(null))
    socket.on("secureConnect", () => {
      const pdu = Uint8Array.of(6, register >> 8, register & 0xff, value >> 8, value & 0xff)
      socket.write(encodeMbap(1, 1, pdu))
    })
    socket.on("data", (chunk: Uint8Array) => {
      reader.push(chunk)
      const frame = reader.next()
      if (frame === null) return
      if (typeof frame === "string") return end(null)
      end((frame.adu[1] ?? 0) < 0x80 ? 0 : (frame.adu[2] ?? null))
    })
  })
}

async function play(scene: Scene, drive: { readonly seen: () => number }, tell: (line: string) => void): Promise<void> {
  let set = await write(scene, scene.panel, SPEED, 900)
  for (const until = performance.now() + PATIENCE_MS; set !== 0 && performance.now() < until;) {
    await wait(300)
    set = await write(scene, scene.panel, SPEED, 900)
  }
  const before = drive.seen()
  const byRole = await write(scene, scene.display, SPEED, 1200)
  const byRegister = await write(scene, scene.panel, OTHER, 1)
  const more = drive.seen() - before
  const said = (outcome: number | null): string =>
    outcome === 0 ? "WAS DONE" : outcome === null ? "was not answered" : `refused, exception ${outcome}`
  tell(`Modbus: the panel (role Operator) set the drive's speed to 900: ${set === 0 ? "done" : said(set)}`)
  tell(`Modbus: the display (role Viewer) tried the same: ${said(byRole)}`)
  tell(`Modbus: the panel tried register ${OTHER}: ${said(byRegister)}; of these two the drive saw ${more}`)
}

const file = process.argv[2]
if (file === undefined)
  throw new InputError("ERR_USAGE", "usage: node firmware/demo/modbus-scene.ts <modbus-scene.json>")
const scene = JSON.parse(readFileSync(file, "utf8")) as Scene
const drive = startDrive(scene.drivePort)
const stop = (): void => process.exit(0)
process.on("SIGTERM", stop)
process.stdin.on("end", stop).on("close", stop).resume()
await wait(AFTER_MS)
await play(scene, drive, (line) => process.stdout.write(`${line}\n`))
