/**
 * The policy as plain values: what `parsePolicy` returns and everything else reads.
 *
 * All names are resolved and unique, all defaults filled in, all sizes in bytes: whoever holds a `Policy` need not
 * check it again. Arrays keep the order of the document; nothing but messages depends on that order.
 */

/** What a rule speaks of. `publish`: client to broker, wills included. `subscribe`: ask for a filter. `receive`: broker to client. */
export type Action = "publish" | "subscribe" | "receive"

/** A part of the plant with one security level. */
export interface Zone {
  readonly name: string
  /** Target security level, 0..4 (IEC 62443-3-3). */
  readonly level: number
  /** Names of the certificate authorities in the trust store that may vouch for peers of this zone; may be empty. */
  readonly authorities: readonly string[]
  /** Lowest TLS version admitted from peers of this zone. */
  readonly tlsMin: "1.2" | "1.3"
}

/** What subjects are granted rights as. */
export interface Role {
  readonly name: string
  readonly description: string
}

/** Where in a certificate the subject's name is found. */
export type NameSource = "san-uri" | "san-dns" | "cn"

/**
 * How a certificate becomes a subject: the value at `source` must be `prefix` + name + `suffix`, and the name must
 * match `[A-Za-z0-9._-]{1,64}`. `fixedName`, when not null, replaces the captured name (the pattern then has no `{name}`).
 */
export interface SubjectRule {
  readonly id: string
  readonly zone: string
  readonly source: NameSource
  readonly prefix: string
  readonly suffix: string
  readonly fixedName: string | null
  readonly roles: readonly string[]
  /** Allowed MQTT client ids: `%u` stands for the subject's name, at most one trailing `*` for any suffix. Default `%u`. */
  readonly clientId: string
}

/** The way between two zones. */
export interface Conduit {
  readonly name: string
  /** Zone whose peers connect to us. */
  readonly from: string
  /** Zone of the broker. */
  readonly to: string
  readonly protocol: "mqtt"
  /** What the broker sees as MQTT user name: nothing, or the subject's name. */
  readonly upstreamIdentity: "strip" | "subject"
  /** What a refused QoS 1 or 2 PUBLISH answers in MQTT 3.1.1. */
  readonly onDeny: "ack" | "close"
}

/** Token bucket per subject and rule. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** One rule, all defaults filled in. */
export interface Rule {
  readonly id: string
  readonly effect: "allow" | "deny"
  readonly actions: readonly Action[]
  /** Conduits the rule applies to; never empty (absent in the document means all). */
  readonly conduits: readonly string[]
  /** Roles the rule applies to; never empty. */
  readonly roles: readonly string[]
  /** MQTT topic filters with `+`, `#`, and the whole levels `%c` (client id) and `%u` (subject name); `$share/<group>/...` on subscribe rules only. */
  readonly topics: readonly string[]
  /** Highest QoS allowed. On a deny rule always 2: a deny speaks of topics alone. */
  readonly maxQos: 0 | 1 | 2
  /** Whether the retain flag may be set by a publisher. Retained deliveries towards the client are not affected. */
  readonly retain: boolean
  readonly maxPayloadBytes: number
  readonly rate: Rate | null
  /** Essential flows stay open in the postures that say so (`policy/posture.ts`). */
  readonly essential: boolean
}

/** A whole policy, checked. */
export interface Policy {
  readonly format: 1
  readonly name: string
  readonly zones: readonly Zone[]
  readonly roles: readonly Role[]
  readonly subjects: readonly SubjectRule[]
  readonly conduits: readonly Conduit[]
  readonly rules: readonly Rule[]
}
