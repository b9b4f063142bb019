/** What kind of radio an interface is; null for a wire. */
export type Radio = "wifi" | "bluetooth" | "cellular" | "802.15.4"

/** One interface of the board. */
export interface NetworkInterface {
  /** As the kernel calls it: `eth0`, `wlan0`, `hci0`. */
  readonly name: string
  readonly radio: Radio | null
  /** Whether it is switched on. Where the kernel does not say, it counts as on. */
  readonly up: boolean
}

/** The network interfaces of the board, radios among them. @see IEC 62443-4-2 CR 2.2, NDR 1.6 */
export interface NetworkInterfaces {
  /** True where there is no such hardware: a board in memory. The assessment says so. */
  readonly simulated: boolean
  /** All of them, by name. @throws HardwareError `ERR_IO` if the board cannot say */
  list(): Promise<readonly NetworkInterface[]>
}
