/**
 * Two zones and a gateway between them, each a network namespace of its own: `field` and `control` have the gateway as
 * their router, so that whatever it would forward arrives. What arrives from the other zone is counted by the kernel.
 */
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from "node:child_process"
import { commandPath } from "../peers/packages.ts"

export type ZoneName = "field" | "gateway" | "control"

/** Addresses, IPv4 and IPv6. The gateway has one pair in each zone. */
export const ADDRESSES = {
  field: { own: ["10.81.1.2", "fd81:1::2"], gateway: ["10.81.1.1", "fd81:1::1"] },
  control: { own: ["10.81.2.2", "fd81:2::2"], gateway: ["10.81.2.1", "fd81:2::1"] },
} as const

/** Network namespaces: a host in each zone, the gateway between them. */
export interface Zones {
  /** Run a command line there; its output. Throws when it fails. */
  run(zone: ZoneName, ...words: readonly string[]): string
  /** Start a command there. */
  start(zone: ZoneName, words: readonly string[], options?: SpawnOptions): ChildProcess
  /** Forwarding in the gateway's namespace, IPv4 and IPv6. */
  forward(on: boolean): void
  forwards(): boolean
  /** TCP, UDP and ICMP over IPv4 and IPv6 from this zone to the other zone's host. Resolves when all were sent. */
  sendAcross(from: "field" | "control"): Promise<void>
  /** Packets that have arrived in the zone from the other zone's hosts. */
  arrived(zone: "field" | "control"): number
  /** Join both interfaces of the gateway below IP, or take the bridge away again. */
  bridge(on: boolean): void
  /** Frames from this zone's host to the other's, below IP: unicast IPv4, broadcast, multicast, VLAN, no IP at all. */
  sendFrames(from: "field" | "control"): Promise<void>
  /** Frames that have arrived in the zone with the other zone's host as their sender. */
  framesArrived(zone: "field" | "control"): number
  close(): void
}

const COUNTER = (from: string) => `table inet seen {
  counter across { }
  chain in {
    type filter hook prerouting priority raw;
    ip saddr 10.81.${from}.2 counter name across
    ip6 saddr fd81:${from}::2 counter name across
  }
}
`

const FRAMES = (sender: string) => `table netdev below {
  counter frames { }
  chain in {
    type filter hook ingress device host priority 0;
    ether saddr ${sender} counter name frames
  }
}
`

/** For `printf '%b'`, which knows octal numbers in every shell. */
const octets = (hex: string): string =>
  hex.replace(/[^0-9a-f]/g, "").replace(/../g, (byte) => `\\0${parseInt(byte, 16).toString(8).padStart(3, "0")}`)

/** Whole headers, since a bridge drops broken ones by itself: 192.0.2.1 to 192.0.2.2 (with its checksum), :: to ff02::1. */
const IPV4 = "4500 0014 0000 0000 40fd f5e9 c000 0201 c000 0202"
const IPV6 = `6000 0000 0000 3bff ${"0".repeat(32)} ff02 ${"0".repeat(24)} 0001`

/** What is sent below IP, by the receiver's address: each with its EtherType and first bytes. */
const FRAME_KINDS = (receiver: string): readonly (readonly [to: string, rest: string])[] => [
  [receiver, `0800 ${IPV4}`],
  [receiver, "88b5 0001"],
  ["ff:ff:ff:ff:ff:ff", "0806 0001"],
  ["ff:ff:ff:ff:ff:ff", "8100 0064 0800 4500"],
  ["33:33:00:00:00:01", `86dd ${IPV6}`],
  // PROFINET's search for its stations
  ["01:0e:cf:00:00:00", "8892 fefe"],
]

/** Make the namespaces; forwarding is off. */
export function makeZones(): Zones {
  const id = `lg${process.pid}`
  const ip = commandPath("ip") ?? "ip"
  const nft = commandPath("nft") ?? "nft"
  const names = { field: `${id}f`, gateway: `${id}g`, control: `${id}c` }
  const must = (command: string, args: readonly string[], input = ""): string => {
    const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", input })
    if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`)
    return stdout
  }
  const close = (): void => {
    for (const name of Object.values(names)) spawnSync(ip, ["netns", "del", name])
  }
  process.once("exit", close)
  // While an address is being probed for duplicates, packets wait for their neighbour, and would arrive long after.
  const noProbing = ["all", "default"].map((of) => `echo 0 > /proc/sys/net/ipv6/conf/${of}/accept_dad`).join("; ")
  for (const name of Object.values(names)) {
    must(ip, ["netns", "add", name])
    must(ip, ["netns", "exec", name, "sh", "-c", noProbing])
  }
  for (const [zone, other] of [
    ["field", "2"],
    ["control", "1"],
  ] as const) {
    const { own, gateway } = ADDRESSES[zone]
    must(ip, [
      "link",
      "add",
      "host",
      "netns",
      names[zone],
      "type",
      "veth",
      "peer",
      "name",
      zone,
      "netns",
      names.gateway,
    ])
    for (const [at, link, [four, six]] of [
      [names[zone], "host", own],
      [names.gateway, zone, gateway],
    ] as const) {
      must(ip, ["-n", at, "addr", "add", `${four}/24`, "dev", link])
      must(ip, ["-n", at, "addr", "add", `${six}/64`, "dev", link, "nodad"])
      must(ip, ["-n", at, "link", "set", link, "up"])
      must(ip, ["-n", at, "link", "set", "lo", "up"])
    }
    must(ip, ["-n", names[zone], "route", "add", "default", "via", gateway[0]])
    must(ip, ["-n", names[zone], "-6", "route", "add", "default", "via", gateway[1]])
    must(ip, ["netns", "exec", names[zone], nft, "-f", "-"], COUNTER(other))
  }
  const mac = { field: "", control: "" }
  for (const zone of ["field", "control"] as const) {
    mac[zone] = must(ip, ["netns", "exec", names[zone], "cat", "/sys/class/net/host/address"]).trim()
  }
  for (const [zone, other] of [
    ["field", "control"],
    ["control", "field"],
  ] as const) {
    must(ip, ["netns", "exec", names[zone], nft, "-f", "-"], FRAMES(mac[other]))
  }
  const switches = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"]
  return {
    run: (zone, ...words) => must(ip, ["netns", "exec", names[zone], ...words]),
    start: (zone, words, options = {}) => spawn(ip, ["netns", "exec", names[zone], ...words], options),
    forward(on) {
      const script = switches.map((file) => `echo ${on ? 1 : 0} > ${file}`).join("; ")
      must(ip, ["netns", "exec", names.gateway, "sh", "-c", script])
    },
    forwards: () => must(ip, ["netns", "exec", names.gateway, "cat", ...switches]).includes("1"),
    sendAcross(from) {
      const [four, six] = ADDRESSES[from === "field" ? "control" : "field"].own
      const script = [
        `socat -u OPEN:/dev/null TCP4:${four}:8883,connect-timeout=0.3`,
        `socat -u OPEN:/dev/null TCP6:[${six}]:8883,connect-timeout=0.3`,
        `echo x | socat -u - UDP4-SENDTO:${four}:5000`,
        `echo x | socat -u - UDP6-SENDTO:[${six}]:5000`,
        `printf '\\010\\000\\367\\377\\000\\000\\000\\000' | socat -u - IP4-SENDTO:${four}:1`,
        `printf '\\200\\000\\000\\000\\000\\000\\000\\000' | socat -u - IP6-SENDTO:[${six}]:58`,
      ]
      const child = spawn(ip, ["netns", "exec", names[from], "sh", "-c", `{ ${script.join(" & ")} & wait; }`], { stdio: "ignore" }) // prettier-ignore
      return new Promise((resolve) => child.once("close", () => resolve()))
    },
    arrived(zone) {
      const text = must(ip, ["netns", "exec", names[zone], nft, "list", "counter", "inet", "seen", "across"])
      return Number(/packets (\d+)/.exec(text)?.[1] ?? NaN)
    },
    bridge(on) {
      const link = (...words: readonly string[]): string => must(ip, ["-n", names.gateway, "link", ...words])
      if (!on) return void link("del", "br0")
      link("add", "br0", "type", "bridge", "forward_delay", "0", "stp_state", "0", "mcast_snooping", "0")
      for (const port of ["field", "control"]) link("set", port, "master", "br0")
      link("set", "br0", "up")
      // A port that does not forward yet would show nothing.
      const forwards =
        'until [ "$(cat /sys/class/net/field/brport/state /sys/class/net/control/brport/state | tr -d "\\n")" = 33 ]; do sleep 0.02; done'
      must(ip, ["netns", "exec", names.gateway, "timeout", "5", "sh", "-c", forwards])
    },
    sendFrames(from) {
      const script = FRAME_KINDS(mac[from === "field" ? "control" : "field"]).map(
        ([to, rest]) => `printf '%b' '${octets(to + mac[from] + rest)}${"\\0".repeat(60)}' | socat -u - INTERFACE:host`,
      )
      const child = spawn(ip, ["netns", "exec", names[from], "sh", "-c", script.join("; ")], { stdio: "ignore" })
      return new Promise((resolve) => child.once("close", () => resolve()))
    },
    framesArrived(zone) {
      const text = must(ip, ["netns", "exec", names[zone], nft, "list", "counter", "netdev", "below", "frames"])
      return Number(/packets (\d+)/.exec(text)?.[1] ?? NaN)
    },
    close,
  }
}
