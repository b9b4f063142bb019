import { spawn, type ChildProcess } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { commandPath } from "./packages.ts"

/** Two pseudo-terminals tied together: what goes in at one end comes out at the other. */
export interface SerialCable {
  /** Paths that stay the same when the cable is put back. */
  readonly near: string
  readonly far: string
  /** All bytes that ever went from the near end to the far one, in order: socat's own record of them. */
  carried(): Buffer
  /** Pull it out: both ends hang up and are gone. */
  pull(): Promise<void>
  /** Put it in again, at the same paths. */
  putBack(): Promise<void>
  stop(): Promise<void>
}

const START_MS = 5_000

/** A serial cable between two paths, by the real socat. It carries bytes at once, whatever rate its ends are set to. */
export async function startCable(): Promise<SerialCable> {
  const command = commandPath("socat")
  if (command === null) throw new Error("socat is not installed: see test/peers/debian-packages.txt")
  const folder = mkdtempSync(join(tmpdir(), "lockgate-cable-"))
  const [near, far] = [join(folder, "near"), join(folder, "far")]
  const records: string[] = []
  let child: ChildProcess | null = null
  const putBack = async (): Promise<void> => {
    const end = (path: string): string => `pty,raw,echo=0,link=${path}`
    const record = join(folder, `carried-${records.length}`)
    records.push(record)
    const started = spawn(command, ["-r", record, end(near), end(far)], { stdio: "ignore" })
    child = started
    const until = performance.now() + START_MS
    while (!existsSync(near) || !existsSync(far)) {
      if (started.exitCode !== null || performance.now() > until) throw new Error("socat did not start")
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const pull = async (): Promise<void> => {
    const pulled = child
    child = null
    if (pulled === null) return
    const gone = new Promise((resolve) => pulled.once("close", resolve))
    pulled.kill("SIGTERM")
    await gone
    // A kill leaves the links behind at times; a device that is gone has no path.
    for (const path of [near, far]) rmSync(path, { force: true })
  }
  await putBack()
  return {
    near,
    far,
    carried: () => Buffer.concat(records.filter((file) => existsSync(file)).map((file) => readFileSync(file))),
    pull,
    putBack,
    async stop() {
      await pull()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
