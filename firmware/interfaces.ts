import type { ConduitEnds, GatewayConfig } from "./config/gateway-config.ts"

/** One way in or out of the gateway. What is not in this table is not open (IEC 62443-4-2 CR 7.7). */
export interface Interface {
  readonly name: string
  readonly direction: "listens" | "dials"
  readonly kind: "tcp-tls" | "tcp" | "unix" | "serial"
  /** `address:port`, `host:port` or a path. Port 0 in the board file stands for any free port. */
  readonly at: string
  readonly purpose: string
  /** Who may use it. */
  readonly authentication: string
}

/** Every listener and every outward connection that this board file allows; `conduits` are those that policy opens. */
export function interfaceTable(config: GatewayConfig): readonly Interface[] {
  const conduits = Object.entries(config.conduits).flatMap(([name, ends]) => conduitRows(name, ends))
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

function conduitRows(name: string, { protocol, listen, upstream }: ConduitEnds): Interface[] {
  const isMqtt = protocol === "mqtt"
  const word = isMqtt ? "MQTT" : "Modbus"
  const other = isMqtt ? "the broker" : "the Modbus units"
  const listener: Interface = {
    name: `conduit/${name}`,
    direction: "listens",
    kind: listen.credential === null ? "tcp" : "tcp-tls",
    at: endpoint(listen.address, listen.port),
    purpose: `${word} from the conduit's ${isMqtt ? "field zone" : "zone of masters"}`,
    authentication:
      listen.credential === null
        ? "CLEAR TEXT: the peer's address, where the policy's zone says clear-text"
        : "client certificate of the zone, judged before any byte is read",
  }
  const way = { name: `upstream/${name}`, direction: "dials" } as const
  const purpose = isMqtt ? "MQTT to the broker of the conduit's control zone" : "Modbus requests to the conduit's units"
  if (upstream.kind === "line") {
    const authentication = "CLEAR TEXT: none, whoever is on the line is a unit"
    return [listener, { ...way, kind: "serial", at: upstream.line, purpose, authentication }]
  }
  const at = endpoint(upstream.host, upstream.port)
  if (upstream.kind === "tcp") {
    return [listener, { ...way, kind: "tcp", at, purpose, authentication: `CLEAR TEXT: none, ${other} show nothing` }]
  }
  const authentication = `${isMqtt ? "the broker's" : "the server's"} certificate; the gateway shows its own`
  return [listener, { ...way, kind: "tcp-tls", at, purpose, authentication }]
}

/** Address or host and port in one word; IPv6 addresses in brackets. */
export function endpoint(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}
