import type { GatewayConfig } from "./config/gateway-config.ts"

/** One way in or out of the gateway. What is not in this table is not open (IEC 62443-4-2 CR 7.7). */
export interface Interface {
  readonly name: string
  readonly direction: "listens" | "dials"
  readonly kind: "tcp-tls" | "unix"
  /** `address:port`, `host:port` or a path. Port 0 in the board file stands for any free port. */
  readonly at: string
  readonly purpose: string
  /** Who may use it. */
  readonly authentication: string
}

/** Every listener and every outward connection that this board file allows; `conduits` are those that policy opens. */
export function interfaceTable(config: GatewayConfig): readonly Interface[] {
  const conduits = Object.entries(config.conduits).flatMap(([name, ends]): Interface[] => [
    {
      name: `conduit/${name}`,
      direction: "listens",
      kind: "tcp-tls",
      at: endpoint(ends.listen.address, ends.listen.port),
      purpose: "MQTT from the conduit's field zone",
      authentication: "client certificate of the zone, judged before any byte is read",
    },
    {
      name: `upstream/${name}`,
      direction: "dials",
      kind: "tcp-tls",
      at: endpoint(ends.upstream.host, ends.upstream.port),
      purpose: "MQTT to the broker of the conduit's control zone",
      authentication: "the broker's certificate; the gateway shows its own",
    },
  ])
  const { socket, mqtt } = config.management
  const local: Interface = {
    name: "management/local",
    direction: "listens",
    kind: "unix",
    at: socket,
    purpose: "commands from this machine",
    authentication: "the operating system: folder and socket belong to the gateway's own user",
  }
  const outward: Interface[] =
    mqtt === null
      ? []
      : [
          {
            name: "management/mqtt",
            direction: "dials",
            kind: "tcp-tls",
            at: endpoint(mqtt.host, mqtt.port),
            purpose: "audit log and sign of life to the operators' broker",
            authentication: "the broker's certificate; the gateway shows its own",
          },
        ]
  return [...conduits, local, ...outward]
}

/** Address or host and port in one word; IPv6 addresses in brackets. */
export function endpoint(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}
