/** Where a gateway listens and whom it dials: the part of a board file that a packet filter or a broker is made from. */
export interface GatewayEnds {
  readonly gateway: string
  /** Conduit to its ends on this board. */
  readonly conduits: Readonly<Record<string, ConduitEnds>>
  /** Where the gateway itself speaks MQTT, or null. */
  readonly management: (Upstream & { readonly credential: string }) | null
}

/** Where one conduit listens and where it goes, as the board file says. */
export interface ConduitEnds {
  readonly listen: { readonly address: string; readonly port: number }
  /** Null: units on a serial line, which is not dialled. */
  readonly upstream: Upstream | null
  /** Absent: MQTT. */
  readonly protocol?: "mqtt" | "modbus"
}

/** A broker or Modbus server that is dialled. */
export interface Upstream {
  readonly host: string
  readonly port: number
  /** Name of the credential that the gateway shows there; null in clear text. */
  readonly credential: string | null
}

/** The kind of an address: 4, 6, or null for a host name. */
export function addressKind(host: string): 4 | 6 | null {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(host)) return 4
  return host.includes(":") ? 6 : null
}
