/** Topics the gateway itself speaks on; the rest of `lockgate/` is not its own. */
export type GatewayTopic = "audit/live" | "online" | `alarm/${string}`

/** `lockgate/<gateway>/<topic>`. No policy rule opens anything under `lockgate/` to a conduit's subject. */
export function gatewayTopic(gateway: string, topic: GatewayTopic): string {
  return `lockgate/${gateway}/${topic}`
}

/** The client id under which the gateway itself connects; conduits refuse it to everybody else. */
export function gatewayClientId(gateway: string): string {
  return `lockgate-${gateway}`
}
