/** Masters of the field with and without TLS, and the policy that knows who they are: what the Modbus system tests share. */
import { readFileSync } from "node:fs"
import { connect as connectTcp } from "node:net"
import { connect as connectTls } from "node:tls"
import { WireMaster } from "./modbus-wire.ts"
import type { Rig } from "./rig.ts"

/**
 * The head of a policy: a zone with certificates, one behind the gateway, and two in clear text (`old` before it, `cell` behind
 * it); viewers and operators by the role in their certificate, `old-panel` by its address. Conduits and rules are to follow.
 */
export const MODBUS_ZONES = `
lockgate-policy: 1
name: drives
zones:
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
  old: { level: 1, clear-text: true }
  cell: { level: 1, clear-text: true }
roles:
  viewer: reads
  operator: reads and sets
subjects:
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, modbus-role: Viewer, roles: [viewer] }
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, modbus-role: Operator, roles: [operator] }
  - { zone: old, match: { address: 127.0.0.0/8 }, name: old-panel, roles: [operator] }
`

/** Files of a master's certificate, with its chain, and of its key. */
export interface MasterFiles {
  readonly cert: string
  readonly key: string
}

/** The certificate of a master with that role, made the first time it is asked for. Its name is the role's, in small letters. */
export function masterFiles(rig: Rig, role: "Viewer" | "Operator"): MasterFiles {
  const { chain, key } = rig.peer(role.toLowerCase(), { modbusRole: role })
  return { cert: chain, key }
}

/** A master that sends what it is told to a conduit on loopback: over TLS 1.3 with that certificate, in clear text without. */
export function wireMaster(port: number, files?: MasterFiles): WireMaster {
  const at = { port, host: "127.0.0.1" }
  if (files === undefined) return new WireMaster(connectTcp(at))
  const keys = { cert: readFileSync(files.cert), key: readFileSync(files.key), rejectUnauthorized: false }
  return new WireMaster(connectTls({ ...at, ...keys, minVersion: "TLSv1.3" }))
}
