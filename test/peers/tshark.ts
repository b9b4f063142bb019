import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { commandPath } from "./packages.ts"

/** What tshark saw on the loopback interface. */
export interface Capture {
  /** End it once `last` was seen in a packet, at most after 5 s: packets come late. Resolves to the capture file's bytes. */
  stop(last: string): Promise<Buffer>
}

/** Capture TCP of these ports on loopback; null where tshark is missing or may not capture. */
export async function capture(ports: readonly number[]): Promise<Capture | null> {
  const command = commandPath("tshark")
  if (command === null) return null
  const folder = mkdtempSync(join(tmpdir(), "lockgate-capture-"))
  const file = join(folder, "packets.pcap")
  const filter = ports.map((port) => `tcp port ${port}`).join(" or ")
  const child = spawn(command, ["-i", "lo", "-f", filter, "-F", "pcap", "-w", file], {
    stdio: ["ignore", "ignore", "pipe"],
  })
  const ended = new Promise<false>((resolve) => child.once("close", () => resolve(false)))
  let said = ""
  const started = new Promise<true>((resolve) => {
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes("Capture started")) resolve(true)
    })
  })
  if (!(await Promise.race([started, ended]))) {
    rmSync(folder, { recursive: true, force: true })
    return null
  }
  return {
    async stop(last) {
      const until = performance.now() + 5_000
      while (!readFileSync(file).includes(last) && performance.now() < until)
        await new Promise((resolve) => setTimeout(resolve, 50))
      child.kill("SIGINT")
      await ended
      const bytes = readFileSync(file)
      rmSync(folder, { recursive: true, force: true })
      return bytes
    },
  }
}
