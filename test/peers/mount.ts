/** A disk of its own for a child process: a tmpfs in a mount namespace, which ends with the child. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const MOUNTED = `mount -t tmpfs -o "size=$2" tmpfs "$1" && shift 2 && exec "$@"`

/**
 * Runs a script of ours with a folder as its first argument that is a disk of `size` (as mount has it: `2m`), and gives what it printed as
 * JSON. Throws what it complained of if that is none.
 */
export async function onSmallDisk(script: string, size: string, timeoutMs = 60_000): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-disk-"))
  const words = [folder, size, process.execPath, ...process.execArgv, script, folder]
  const child = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", MOUNTED, "sh", ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
  })
  let [out, complained] = ["", ""]
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complained += text))
  await new Promise((resolve) => child.once("close", resolve))
  rmSync(folder, { recursive: true, force: true })
  if (!out.startsWith("{")) throw new Error(`${script} said no JSON:\n${out}\n${complained}`)
  return JSON.parse(out)
}
