import { readdir, readFile, readlink } from "node:fs/promises"

/** A socket on which this process listens, as the kernel lists it. */
export interface ListeningSocket {
  readonly kind: "tcp" | "udp" | "unix"
  /** `address:port`, or the path; `@...` for an abstract Unix socket. */
  readonly at: string
}

const TCP_LISTEN = "0A"
const UNIX_LISTENING_FLAG = 0x0001_0000

/**
 * Every socket on which this process listens: TCP, any bound UDP socket without a peer, and Unix sockets, from
 * `/proc`; threads included. The kernel's own list, so that a listener nobody declared shows up too.
 */
export async function listeningSockets(): Promise<readonly ListeningSocket[]> {
  const own = await ownInodes()
  const found: ListeningSocket[] = []
  for (const [file, kind, v6] of [
    ["tcp", "tcp", false],
    ["tcp6", "tcp", true],
    ["udp", "udp", false],
    ["udp6", "udp", true],
  ] as const) {
    for (const row of await table(file)) {
      const [, local = "", remote = "", state = ""] = row
      if (!own.has(row[9] ?? "")) continue
      const unconnected = /^0+:0000$/.test(remote)
      if (kind === "tcp" ? state === TCP_LISTEN : unconnected) found.push({ kind, at: address(local, v6) })
    }
  }
  for (const row of await table("unix")) {
    const [, , , flags = "", , , inode = "", path = ""] = row
    if (own.has(inode) && (parseInt(flags, 16) & UNIX_LISTENING_FLAG) !== 0) found.push({ kind: "unix", at: path })
  }
  return found
}

async function ownInodes(): Promise<Set<string>> {
  const inodes = new Set<string>()
  for (const fd of await readdir("/proc/self/fd")) {
    const target = await readlink(`/proc/self/fd/${fd}`).catch(() => "")
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode !== undefined) inodes.add(inode)
  }
  return inodes
}

async function table(name: string): Promise<string[][]> {
  const text = await readFile(`/proc/self/net/${name}`, "utf8").catch(() => "")
  return text
    .split("\n")
    .slice(1)
    .filter((line) => line !== "")
    .map((line) => line.trim().split(/\s+/))
}

/** The kernel writes addresses as hexadecimal words in host order (little endian on every board we serve). */
function address(hex: string, v6: boolean): string {
  const [host = "", port = ""] = hex.split(":")
  const bytes = (host.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse())
  const number = parseInt(port, 16)
  if (!v6) return `${bytes.map((byte) => parseInt(byte, 16)).join(".")}:${number}`
  const groups = Array.from({ length: 8 }, (_, i) => parseInt(`${bytes[2 * i] ?? ""}${bytes[2 * i + 1] ?? ""}`, 16))
  if (groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff) {
    return `${bytes
      .slice(12)
      .map((byte) => parseInt(byte, 16))
      .join(".")}:${number}`
  }
  // The URL parser writes IPv6 addresses in their one canonical form (RFC 5952).
  return `${new URL(`http://[${groups.map((g) => g.toString(16)).join(":")}]`).hostname}:${number}`
}
