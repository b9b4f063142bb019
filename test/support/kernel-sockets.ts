/** What another process listens on and is connected to, read from the kernel's tables from outside. */
import { readdir, readFile, readlink } from "node:fs/promises"

/** One socket of a process, as the kernel lists it. */
export interface SocketSeen {
  readonly kind: "tcp" | "udp" | "unix"
  readonly state: "listens" | "connected"
  /** `address:port` of its own end, or a path. */
  readonly at: string
  /** `address:port` of the far end, if it has one. */
  readonly to: string
}

const LISTENING_UNIX = 0x10000

/** Every socket of a process that the kernel lists, IPv4 and Unix; of IPv6 that there is one. */
export async function socketsOf(pid: number): Promise<readonly SocketSeen[]> {
  const own = new Set<string>()
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")
    if (target.startsWith("socket:[")) own.add(target.slice(8, -1))
  }
  const rows = async (name: string): Promise<string[][]> =>
    (await readFile(`/proc/${pid}/net/${name}`, "utf8"))
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
  const found: SocketSeen[] = []
  for (const name of ["tcp", "tcp6", "udp", "udp6"] as const) {
    for (const row of await rows(name)) {
      if (!own.has(row[9] ?? "")) continue
      const listens = name.startsWith("tcp") ? row[3] === "0A" : /^0+:0000$/.test(row[2]!)
      const kind = name.startsWith("tcp") ? "tcp" : "udp"
      found.push({ kind, state: listens ? "listens" : "connected", at: endpointOf(row[1]!), to: endpointOf(row[2]!) })
    }
  }
  for (const row of await rows("unix")) {
    if (!own.has(row[6] ?? "")) continue
    const listens = (parseInt(row[3]!, 16) & LISTENING_UNIX) !== 0
    if (listens || row[7] !== undefined)
      found.push({ kind: "unix", state: listens ? "listens" : "connected", at: row[7] ?? "", to: "" })
  }
  return found
}

/** Those of them that take connections or datagrams from anybody. */
export async function listenersOf(pid: number): Promise<readonly SocketSeen[]> {
  return (await socketsOf(pid)).filter((socket) => socket.state === "listens")
}

function endpointOf(hex: string): string {
  const [host = "", port = ""] = hex.split(":")
  if (host.length > 8) return `[${host.toLowerCase()}]:${parseInt(port, 16)}`
  const bytes = (host.match(/../g) ?? []).reverse().map((byte) => parseInt(byte, 16))
  return `${bytes.join(".")}:${parseInt(port, 16)}`
}
