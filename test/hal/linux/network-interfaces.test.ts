import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createLinuxNetworkInterfaces } from "../../../hal/linux/network-interfaces.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("hal/linux/network-interfaces")
const folder = mkdtempSync(join(tmpdir(), "lockgate-interfaces-"))
test.after(() => rmSync(folder, { recursive: true }))

/** Files as the kernel shows them in `/sys/class`; a name that ends in `/` is a folder. */
function tree(name: string, files: Readonly<Record<string, string>>) {
  for (const [path, text] of Object.entries(files)) {
    const at = join(folder, name, path)
    mkdirSync(path.endsWith("/") ? at : dirname(at), { recursive: true })
    if (!path.endsWith("/")) writeFileSync(at, text)
  }
  return createLinuxNetworkInterfaces({ net: join(folder, name, "net"), bluetooth: join(folder, name, "bluetooth") })
}

test("[CR 2.2] radios are told from wires by what the kernel says of them", async () => {
  const board = tree("board", {
    "net/bonding_masters": "",
    "net/eth0/flags": "0x1003\n",
    "net/eth0/type": "1\n",
    "net/eth0/uevent": "INTERFACE=eth0\n",
    "net/wlan0/flags": "0x1002\n",
    "net/wlan0/phy80211/": "",
    "net/wlan1/flags": "0x1003\n",
    "net/wlan1/wireless/": "",
    "net/mon0/flags": "0x1003\n",
    "net/mon0/type": "803\n",
    "net/wwan0/flags": "0x1003\n",
    "net/wwan0/uevent": "DEVTYPE=wwan\nINTERFACE=wwan0\n",
    "net/wpan0/flags": "0x83\n",
    "net/wpan0/type": "804\n",
    "bluetooth/hci0/rfkill3/soft": "0\n",
    "bluetooth/hci0/rfkill3/hard": "0\n",
    "bluetooth/hci1/rfkill4/soft": "1\n",
    "bluetooth/hci2/": "",
    "bluetooth/hci0:12/": "",
  })
  assert.equal(
    (await board.list()).map(({ name, radio, up }) => `${name} ${radio} ${up ? "up" : "down"}`),
    [
      "eth0 null up",
      "hci0 bluetooth up",
      "hci1 bluetooth down",
      "hci2 bluetooth up",
      "mon0 wifi up",
      "wlan0 wifi down",
      "wlan1 wifi up",
      "wpan0 802.15.4 up",
      "wwan0 cellular up",
    ],
  )
})

test("a board that shows no interfaces at all is a fault", async () => {
  await rejects(() => tree("none", {}).list(), "ERR_IO")
})

test("this machine has its loopback", async () => {
  assert.ok((await createLinuxNetworkInterfaces().list()).some(({ name, radio, up }) => name === "lo" && radio === null && up)) // prettier-ignore
})

test.run()
