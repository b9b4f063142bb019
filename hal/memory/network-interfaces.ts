import { HardwareError } from "../../policy/base/errors.ts"
import type { NetworkInterface, NetworkInterfaces } from "../network-interfaces.ts"

/** Interfaces that whoever drives the board plugs in and switches on. A wire at first. */
export class MemoryNetworkInterfaces implements NetworkInterfaces {
  readonly simulated = true
  readonly all: NetworkInterface[] = [{ name: "eth0", radio: null, up: true }]
  /** Every `list` fails. */
  blind = false

  async list(): Promise<readonly NetworkInterface[]> {
    if (this.blind) throw new HardwareError("ERR_IO", "the interfaces cannot be listed")
    return this.all
  }

  /** Plug it in, or set it anew. */
  set(one: NetworkInterface): void {
    const at = this.all.findIndex(({ name }) => name === one.name)
    this.all.splice(at < 0 ? this.all.length : at, at < 0 ? 0 : 1, one)
  }
}
