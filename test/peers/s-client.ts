import { spawn } from "node:child_process"

/** A TLS client that is not ours: `openssl s_client` once against a loopback port. `args` follow its own manual. */
export interface SClientOptions {
  readonly port: number
  readonly cert: string
  readonly key: string
  readonly args: readonly string[]
  /** Ask for a new handshake once the first is done. */
  readonly renegotiate?: boolean
}

/** How long after the handshake it is waited for what the server still has to say. */
const LISTEN_MS = 250

/** All that it says, from its connection to its end. */
export function sClient({ port, cert, key, args, renegotiate = false }: SClientOptions): Promise<string> {
  const words = ["s_client", "-connect", `127.0.0.1:${port}`, "-cert", cert, "-key", key, ...args]
  const child = spawn("openssl", words, { stdio: ["pipe", "pipe", "pipe"] })
  let said = ""
  let isDone = false
  const take = (chunk: Buffer): void => {
    said += chunk.toString()
    if (isDone || !said.includes("Verify return code")) return
    isDone = true
    if (renegotiate) child.stdin.write("R\n")
    setTimeout(() => child.stdin.end(), LISTEN_MS)
  }
  child.stdout.on("data", take)
  child.stderr.on("data", take)
  child.stdin.on("error", () => undefined)
  const killed = setTimeout(() => child.kill("SIGKILL"), 8_000)
  return new Promise((resolve) =>
    child.once("close", () => {
      clearTimeout(killed)
      resolve(said)
    }),
  )
}
