import { revokedSerials } from "../../policy/identity/crl.ts"
import type { EngineTrust } from "../conduits/messages.ts"
import type { GatewayConfig } from "../config/gateway-config.ts"
import type { Material } from "../material.ts"
import type { CrlShelf } from "./crl-shelf.ts"

/** What the engine is told of the trust in force. */
export function engineTrust(config: GatewayConfig, material: Material, shelf: CrlShelf): EngineTrust {
  const conduits = material.conduits.map(({ name, serverCredential, clientCredential }) => {
    const upstream = config.conduits[name]?.upstream
    const upstreamAuthority = upstream?.kind === "tls" ? upstream.authority : null
    return [name, { serverCredential, clientCredential, upstreamAuthority }] as const
  })
  const revoked = [...shelf].map(([authority, lists]) => {
    const told = lists.map((kept) => ({
      issuerDer: kept.crl.issuerDer,
      serials: revokedSerials(kept),
      key: kept.crl.fingerprint,
    }))
    return [authority, told] as const
  })
  return {
    authorities: material.authorities,
    conduits: Object.fromEntries(conduits),
    revoked: Object.fromEntries(revoked),
  }
}
