import { readFileSync } from "node:fs"
import type { GatewayConfig } from "../../firmware/config/gateway-config.ts"
import { parseGatewayConfig } from "../../firmware/config/parse-gateway-config.ts"
import type { Parsed } from "../../policy/language/fault.ts"
import { ROOT } from "./source-tree.ts"

/** The worked board file. */
export const EXAMPLE_BOARD = readFileSync(`${ROOT}firmware/config/examples/gateway.yaml`, "utf8")

/** An upstream of a conduit, as the smallest board file can name it. */
export const UPSTREAM = "{ url: 'mqtts://b', credential: c, authority: ca }"

/** `text` as the board file `/etc/lockgate/gateway.yaml`. */
export function readBoard(text: string): Parsed<GatewayConfig> {
  return parseGatewayConfig(text, "gateway.yaml", "/etc/lockgate")
}

/** The smallest board file that is sound, with some of its keys in other words. */
export function boardText(parts: Partial<Record<keyof typeof PARTS, string>>): string {
  return Object.values({ ...PARTS, ...parts }).join("\n")
}

const PARTS = {
  head: "lockgate-gateway: 1\ngateway: g\nboard: simulated\nstate: state",
  trust: "trust: { authorities: { ca: ca.pem }, policy-signers: { owner: o.pem } }",
  credentials: "credentials: { c: { key: k.pem, certificate: c.pem } }",
  conduits: "conduits: {}",
  management: "management: { socket: s.sock }",
  tail: "",
}
