import { execFile } from "node:child_process"
import { createSocket } from "node:dgram"
import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { isIPv6 } from "node:net"
import { HardwareError } from "../../policy/base/errors.ts"
import type { FilterChain, FilterState, PacketFilter } from "../packet-filter.ts"

/** Never found by PATH: what the gateway runs as root is not for an environment to choose. */
const NFT = ["/usr/sbin/nft", "/sbin/nft", "/usr/local/sbin/nft"]
/** Name of the gateway's own tables. */
const TABLE = "lockgate"
const TIMEOUT_MS = 10_000
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024
/** Discard: whatever is sent there is thrown away (RFC 863). */
const DISCARD_PORT = 9

/** Where the kernel shows settings and interfaces. */
export interface PacketFilterFiles {
  readonly settings: string
  readonly interfaces: string
  readonly hosts: string
}

const FILES: PacketFilterFiles = { settings: "/proc/sys/net", interfaces: "/sys/class/net", hosts: "/etc/hosts" }

/** The kernel's nftables through the `nft` command, and its forwarding switches under `/proc/sys`. Both need root (CAP_NET_ADMIN). */
export function createLinuxPacketFilter(files: PacketFilterFiles = FILES): PacketFilter {
  /** Every switch by which packets would pass, with its file. IPv6's `all` sets all others; in IPv4 `ip_forward` does. */
  async function switches(): Promise<readonly { readonly name: string; readonly file: string }[]> {
    const found = [{ name: "net.ipv4.ip_forward", file: `${files.settings}/ipv4/ip_forward` }]
    for (const [version, words] of [
      ["ipv4", ["forwarding", "mc_forwarding"]],
      ["ipv6", ["forwarding", "mc_forwarding"]],
    ] as const) {
      const interfaces = await readdir(`${files.settings}/${version}/conf`).catch(() => [])
      for (const one of interfaces) {
        for (const word of words) {
          found.push({ name: `net.${version}.conf.${one}.${word}`, file: `${files.settings}/${version}/conf/${one}/${word}` }) // prettier-ignore
        }
      }
    }
    return found
  }

  async function forwarding(): Promise<readonly { readonly name: string; readonly file: string }[]> {
    const all = await switches()
    const on = await Promise.all(all.map(async ({ file }) => isOn(await readFile(file, "utf8").catch(() => "0"))))
    return all.filter((_, index) => on[index])
  }

  return {
    simulated: false,
    async apply(ruleset) {
      await nft(["-f", "-"], ruleset)
    },
    async read(): Promise<FilterState> {
      const [text, on, bridges] = await Promise.all([
        nft(["-j", "-s", "list", "ruleset"]),
        forwarding(),
        bridgesIn(files.interfaces),
      ])
      return { ...rulesetOf(text), forwarding: on.map(({ name }) => name), bridges }
    },
    async stopForwarding() {
      for (const { name, file } of await forwarding()) {
        // A routing daemon of its own sets this, and only it can take it back; what stays on is told below.
        if (name.endsWith(".mc_forwarding")) continue
        await writeFile(file, "0").catch(() => undefined)
      }
      const left = await forwarding()
      if (left.length === 0) return
      const names = left.map(({ name }) => name).join(" ")
      throw new HardwareError("ERR_PACKET_FILTER", `forwarding stays on: ${names}`, { detail: { settings: names.slice(0, 200) } }) // prettier-ignore
    },
    async hosts() {
      return readHosts(await readFile(files.hosts, "utf8").catch(() => ""))
    },
    tryAround: sendDatagram,
  }
}

function isOn(text: string): boolean {
  return text.trim() !== "0"
}

async function nft(args: readonly string[], input: string | null = null): Promise<string> {
  const command = await firstOf(NFT)
  if (command === null) throw new HardwareError("ERR_PACKET_FILTER", "nft is not installed (Debian package nftables)")
  return new Promise((resolve, reject) => {
    const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES, env: {} }
    const child = execFile(command, args, options, (error, out, told) => {
      if (error === null) return resolve(out)
      const why = told.trim().split("\n")[0] ?? ""
      reject(new HardwareError("ERR_PACKET_FILTER", `nft: ${why.slice(0, 160) || error.message.slice(0, 160)}`))
    })
    child.stdin?.on("error", () => undefined)
    child.stdin?.end(input ?? "")
  })
}

async function firstOf(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) if (await stat(path).then(() => true, () => false)) return path // prettier-ignore
  return null
}

function rulesetOf(json: string): ReturnType<typeof readRuleset> {
  try {
    return readRuleset(json)
  } catch {
    throw new HardwareError("ERR_PACKET_FILTER", "nft answered what cannot be read")
  }
}

interface Listed {
  readonly family?: string
  readonly table?: string
  readonly name?: string
  readonly chain?: string
  readonly hook?: string
  readonly policy?: string
  readonly expr?: readonly Record<string, unknown>[]
}

/** What `nft -j -s list ruleset` says of our tables, and of others that come before every filter. */
export function readRuleset(json: string): Pick<FilterState, "rules" | "chains" | "beside"> {
  const { nftables } = JSON.parse(json) as { nftables: readonly Record<string, Listed>[] }
  const own: string[] = []
  const beside: string[] = []
  const chains = new Map<string, FilterChain & { name: string }>()
  const verdicts: { readonly key: string; readonly accepts: boolean }[] = []
  for (const entry of nftables) {
    const [kind = "", what = {}] = Object.entries(entry)[0] ?? []
    const table = kind === "table" ? what.name : what.table
    if (kind === "table" && what.family === "netdev") beside.push(`netdev ${what.name ?? ""}`)
    if (kind === "flowtable") beside.push(`flowtable ${what.name ?? ""}`)
    if (table !== TABLE || (what.family !== "inet" && what.family !== "bridge")) continue
    own.push(JSON.stringify(entry, (key, value: unknown) => (key === "handle" ? undefined : value)))
    const key = `${what.family} ${kind === "chain" ? what.name : what.chain}`
    if (kind === "chain" && what.hook !== undefined) {
      chains.set(key, { name: key, family: what.family, hook: what.hook, policy: what.policy ?? "accept", accepts: 0 })
    }
    if (kind === "rule") verdicts.push({ key, accepts: (what.expr ?? []).some(passes) })
  }
  for (const { key, accepts } of verdicts) {
    const chain = chains.get(key)
    if (chain !== undefined && accepts) chains.set(key, { ...chain, accepts: chain.accepts + 1 })
  }
  const read = [...chains.values()].map(({ family, hook, policy, accepts }) => ({ family, hook, policy, accepts }))
  return { rules: own.length === 0 ? null : own.join("\n"), chains: read, beside }
}

/** Statements after which a packet may go on. */
function passes(statement: Readonly<Record<string, unknown>>): boolean {
  return ["accept", "jump", "goto", "queue", "vmap", "flow", "fwd", "dup"].some((word) =>
    Object.hasOwn(statement, word),
  )
}

async function bridgesIn(interfaces: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const name of await readdir(interfaces).catch(() => [])) {
    if (await stat(`${interfaces}/${name}/bridge`).then(() => true, () => false)) found.push(name) // prettier-ignore
  }
  return found.sort()
}

/** `/etc/hosts`: an address, then its names. */
export function readHosts(text: string): Readonly<Record<string, readonly string[]>> {
  const found = Object.create(null) as Record<string, string[]>
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/)
    for (const name of names) found[name] = [...(found[name] ?? []), address]
  }
  return found
}

function sendDatagram(address: string): Promise<"stopped" | "left" | "unreachable"> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4")
    const ended = (outcome: "stopped" | "left" | "unreachable"): void => {
      socket.close()
      resolve(outcome)
    }
    socket.on("error", () => ended("unreachable"))
    socket.send("lockgate-probe", DISCARD_PORT, address, (error) => {
      if (error === null) return ended("left")
      ended((error as NodeJS.ErrnoException).code === "EPERM" ? "stopped" : "unreachable")
    })
  })
}
