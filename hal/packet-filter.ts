/** One chain of the gateway's own tables, as the kernel has it in force. */
export interface FilterChain {
  readonly family: "inet" | "bridge"
  /** Where in a packet's way it stands: `input`, `forward`, `output`. */
  readonly hook: string
  /** What becomes of a packet that no rule decides. */
  readonly policy: string
  /** Rules that let something pass, or leave the decision to what is not seen here. */
  readonly accepts: number
}

/** What keeps packets from going beside the gateway, as it is now. */
export interface FilterState {
  /** The gateway's tables in one text without counters and handles: equal texts, equal rules. Null: there are none. */
  readonly rules: string | null
  readonly chains: readonly FilterChain[]
  /** Kernel settings by which packets would go from one interface to another, such as `net.ipv4.ip_forward`; empty is good. */
  readonly forwarding: readonly string[]
  /** Bridges of the system. Our rules let nothing through them; a person may want to know. */
  readonly bridges: readonly string[]
  /** Tables of others that take packets before any filter sees them (`netdev` tables, flow tables); empty is good. */
  readonly beside: readonly string[]
}

/**
 * The board's packet filter and forwarding switches. The rules stay in force when the process ends, however it ends.
 *
 * @see IEC 62443-4-2 CR 5.1, NDR 5.2
 */
export interface PacketFilter {
  /** True where no packet is filtered: a board in memory. The assessment says so. */
  readonly simulated: boolean
  /**
   * Put a ruleset for `nft -f` in force, whole or not at all; tables that it does not name are not touched.
   * @throws HardwareError `ERR_PACKET_FILTER`: what was in force before still is
   */
  apply(ruleset: string): Promise<void>
  /** What is in force. @throws HardwareError `ERR_PACKET_FILTER` if that cannot be read */
  read(): Promise<FilterState>
  /** Switch all forwarding off. @throws HardwareError `ERR_PACKET_FILTER` if one cannot be */
  stopForwarding(): Promise<void>
  /** Addresses by host name from the board's own list; the DNS is not asked. */
  hosts(): Promise<Readonly<Record<string, readonly string[]>>>
  /**
   * Try to send one datagram to this address at a port that nothing is open for: `stopped` by the filter, `left` the
   * board, or `unreachable`, which proves nothing.
   */
  tryAround(address: string): Promise<"stopped" | "left" | "unreachable">
}
