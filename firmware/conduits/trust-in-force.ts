import type { AuditEvent } from "../../policy/audit/event.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import type { Revoked } from "../../policy/identity/path-faults.ts"
import type { Dialled } from "../tls/dial.ts"
import type { EngineConduit, EngineTrust, RevokedList, TlsCredential } from "./messages.ts"

/** How a conduit goes to its upstream now. */
export interface UpstreamTrust {
  /** Null: in clear text. */
  readonly credential: TlsCredential | null
  /** PEM certificates that may vouch for it. */
  readonly authority: string
  readonly revoked: Revoked
}

interface OpenUpstream {
  readonly conduit: EngineConduit
  readonly dialled: Dialled
}

/**
 * The credentials, authorities and revocations that the engine goes by, and the upstream connections that were opened
 * under them. Until `take` is called, those it was configured with.
 */
export class TrustInForce {
  #told: EngineTrust | null = null
  #revoked = new Map<string, Map<string, Set<string>>>()
  #upstreams = new Set<OpenUpstream>()
  /** Counts what was told: a listener made under another number takes the credential anew. */
  generation = 0

  /** From now on this. */
  take(trust: EngineTrust): void {
    this.#told = trust
    this.generation++
    this.#revoked = new Map(Object.entries(trust.revoked).map(([authority, lists]) => [authority, byIssuer(lists)]))
  }

  /** The authorities to use in place of those that came with a policy. */
  authorities(ofPolicy: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    return this.#told?.authorities ?? ofPolicy
  }

  /** What the listener shows to new peers; null where it speaks clear text. */
  serverCredential(conduit: EngineConduit): TlsCredential | null {
    return this.#told?.conduits[conduit.name]?.serverCredential ?? conduit.serverCredential
  }

  upstream(conduit: EngineConduit): UpstreamTrust {
    const own = this.#told?.conduits[conduit.name]
    const name = own?.upstreamAuthority ?? null
    return {
      credential: own?.clientCredential ?? conduit.clientCredential,
      authority: (name === null ? undefined : this.#told?.authorities[name]) ?? conduit.upstreamAuthority,
      revoked: this.revoked(name === null ? [] : [name]),
    }
  }

  /** True for what the lists of one of these authorities have revoked. */
  revoked(authorities: readonly string[]): Revoked {
    const lists = authorities.map((name) => this.#revoked.get(name)).filter((list) => list !== undefined)
    return (issuerDer, serial) => lists.some((list) => list.get(issuerDer)?.has(serial) === true)
  }

  /** Equal when what these authorities have revoked is equal. */
  revocationKey(authorities: readonly string[]): string {
    const lists = authorities.flatMap((name) => this.#told?.revoked[name] ?? [])
    return lists.map((list) => list.key).join(" ")
  }

  /** An upstream was dialled; remembered while it is open. */
  opened(conduit: EngineConduit, dialled: Dialled): void {
    const entry = { conduit, dialled }
    this.#upstreams.add(entry)
    dialled.socket.once("close", () => this.#upstreams.delete(entry))
  }

  /** Cut every upstream whose path holds a revoked certificate; others stay, whatever else has changed. CR 1.9. */
  cutRevoked(report: (event: AuditEvent) => void): void {
    for (const { conduit, dialled } of [...this.#upstreams]) {
      const { revoked } = this.upstream(conduit)
      const gone = dialled.path().find(({ issuerDer, serial }) => revoked(issuerDer, serial))
      if (gone === undefined) continue
      report({
        id: "conduit.upstream-distrusted",
        outcome: "failure",
        source: `conduit/${conduit.name}`,
        conduit: conduit.name,
        ...(conduit.upstream === null ? {} : { object: `${conduit.upstream.host}:${conduit.upstream.port}` }),
        reason: "revoked",
        detail: certificateDetail(gone),
      })
      dialled.socket.destroy()
    }
  }
}

/** What the log says of a certificate. */
export function certificateDetail({
  fingerprint,
  issuer,
  serial,
}: Pick<CertificateFacts, "fingerprint" | "issuer" | "serial">) {
  return { fingerprint, issuer: issuer.slice(0, 200), serial }
}

function byIssuer(lists: readonly RevokedList[]): Map<string, Set<string>> {
  return new Map(lists.map(({ issuerDer, serials }) => [issuerDer, new Set(serials)]))
}
