import { readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import type { NetworkInterface, NetworkInterfaces, Radio } from "../network-interfaces.ts"
import { ioError } from "./durable.ts"

/** Where the kernel lists interfaces and Bluetooth controllers. */
export interface InterfaceFiles {
  readonly net: string
  readonly bluetooth: string
}

const FILES: InterfaceFiles = { net: "/sys/class/net", bluetooth: "/sys/class/bluetooth" }
const IFF_UP = 1
/** `ARPHRD_...` of the kernel's `if_arp.h`: what an interface without further word tells of itself. */
const BY_TYPE: Readonly<Record<string, Radio>> = { 801: "wifi", 802: "wifi", 803: "wifi", 804: "802.15.4", 805: "802.15.4" } // prettier-ignore

/**
 * What the kernel lists: network interfaces, and Bluetooth controllers that have none. A controller counts as on unless
 * rfkill blocks it. A radio that is no network device (behind a serial line, say) shows nowhere here.
 */
export function createLinuxNetworkInterfaces(files: InterfaceFiles = FILES): NetworkInterfaces {
  return {
    simulated: false,
    async list() {
      const names = await readdir(files.net).catch((error: unknown) => {
        throw ioError("list", files.net, error)
      })
      const controllers = (await readdir(files.bluetooth).catch(() => [])).filter((name) => /^hci\d+$/.test(name))
      const found = await Promise.all([
        ...names.map((name) => ofNet(join(files.net, name), name)),
        ...controllers.map((name) => ofBluetooth(join(files.bluetooth, name), name)),
      ])
      return found.filter((one) => one !== null).sort((a, b) => (a.name < b.name ? -1 : 1))
    },
  }
}

async function ofNet(folder: string, name: string): Promise<NetworkInterface | null> {
  const flags = await text(join(folder, "flags"))
  // `bonding_masters` and its like are files, no interfaces.
  if (flags === null) return null
  return { name, radio: await radioOf(folder), up: (Number(flags) & IFF_UP) !== 0 }
}

async function radioOf(folder: string): Promise<Radio | null> {
  const is = (name: string): Promise<boolean> => stat(join(folder, name)).then(() => true, () => false) // prettier-ignore
  if ((await is("wireless")) || (await is("phy80211"))) return "wifi"
  const kind = /^DEVTYPE=(\w+)$/m.exec((await text(join(folder, "uevent"))) ?? "")?.[1]
  if (kind === "wwan") return "cellular"
  if (kind === "wlan") return "wifi"
  if (kind === "bluetooth") return "bluetooth"
  return BY_TYPE[(await text(join(folder, "type")))?.trim() ?? ""] ?? null
}

async function ofBluetooth(folder: string, name: string): Promise<NetworkInterface> {
  const switches = (await readdir(folder).catch(() => [])).filter((entry) => /^rfkill\d+$/.test(entry))
  const blocked = await Promise.all(
    switches.map(async (entry) => {
      const words = await Promise.all(["soft", "hard"].map((word) => text(join(folder, entry, word))))
      return words.some((word) => word?.trim() === "1")
    }),
  )
  return { name, radio: "bluetooth", up: !blocked.includes(true) }
}

async function text(path: string): Promise<string | null> {
  return readFile(path, "utf8").catch(() => null)
}
