/**
 * The policy as plain values: what `parsePolicy` returns and everything else reads.
 *
 * All names are resolved and unique, all defaults filled in, all sets written out, all sizes in bytes: whoever holds a
 * `Policy` need not check it again. Arrays keep the order of the document; nothing but messages depends on that order.
 */
import type { AlarmRule } from "../audit/alarm-rule.ts"
import type { InputCondition } from "./input-condition.ts"
import type { ModbusRule } from "./modbus-rule.ts"
import type { PayloadForm } from "./payload-form.ts"
import type { PeopleRules } from "../people/rules.ts"

/** What an MQTT rule speaks of. `publish`: client to broker, wills included. `subscribe`: ask for a filter. `receive`: broker to client. */
export type Action = "publish" | "subscribe" | "receive"

/** A part of the plant with one security level. */
export interface Zone {
  readonly name: string
  /** Target security level, 0..4 (IEC 62443-3-3). */
  readonly level: number
  /** `untrusted`: outside the owner's control; every conduit that touches it is encrypted on that side. */
  readonly kind: "plant" | "untrusted"
  /** Names of the certificate authorities in the trust store that may vouch for peers of this zone; may be empty. */
  readonly authorities: readonly string[]
  /** Lowest TLS version admitted from peers of this zone. */
  readonly tlsMin: "1.2" | "1.3"
  /** Whether conduits may have an end without TLS in this zone. Never true of an untrusted one. */
  readonly clearText: boolean
}

/** What subjects are granted rights as. */
export interface Role {
  readonly name: string
  readonly description: string
}

/** Where in a certificate the subject's name is found; `address`: no certificate, the peer is known by where it connects from. */
export type NameSource = "san-uri" | "san-dns" | "cn" | "address"

/**
 * How a certificate becomes a subject: the value at `source` must be `prefix` + name + `suffix`, and the name must
 * match `[A-Za-z0-9._-]{1,64}`. `fixedName`, when not null, replaces the captured name (the pattern then has no `{name}`).
 *
 * Source `address`: `prefix` is a range of addresses, `suffix` empty and `fixedName` never null; only in a zone with clear text.
 */
export interface SubjectRule {
  readonly id: string
  readonly zone: string
  readonly source: NameSource
  readonly prefix: string
  readonly suffix: string
  readonly fixedName: string | null
  /** The certificate must also bear this Modbus role; absent: any or none. @see MODBUS/TCP Security section 8.4 */
  readonly modbusRole?: string
  readonly roles: readonly string[]
  /** Allowed MQTT client ids: `%u` stands for the subject's name, at most one trailing `*` for any suffix. Default `%u`. */
  readonly clientId: string
}

/** What carries a protocol: encrypted and mutually authenticated, plain TCP, or a serial line. */
export type Transport = "tls" | "tcp" | "rtu"

interface ConduitBase {
  readonly name: string
  /** Zone whose peers connect to us. */
  readonly from: string
  /** Zone of the broker, or of the units. */
  readonly to: string
  /** Which way application data may go: `out` from `from` to `to` only, `in` the other way only. */
  readonly direction: "both" | "out" | "in"
  /** `approved`: closed until a person approves it for a time. Never of a conduit that an essential rule names. */
  readonly access: "approved" | "always"
  /** What the policy demands at either end; the board file's ends must be of this kind. */
  readonly transport: { readonly from: Transport; readonly to: Transport }
}

/** A conduit to a broker. */
export interface MqttConduit extends ConduitBase {
  readonly protocol: "mqtt"
  /** What the broker sees as MQTT user name: nothing, or the subject's name. */
  readonly upstreamIdentity: "strip" | "subject"
  /** What a refused QoS 1 or 2 PUBLISH answers in MQTT 3.1.1. */
  readonly onDeny: "ack" | "close"
  /** Whether a client may authenticate at the broker by AUTH packets (MQTT 5.0 section 4.12), unseen by the gateway. */
  readonly enhancedAuth: "refuse" | "pass"
  /** Store-and-forward for subjects that only publish; null: none. */
  readonly buffer: Buffering | null
}

/** What is kept on disk for the broker while it is lost. */
export interface Buffering {
  /** Of the whole conduit. */
  readonly maxBytes: number
  /** `refuse`: what does not fit is not acknowledged. `drop-oldest`: the oldest make room; they were acknowledged and are lost. */
  readonly whenFull: "refuse" | "drop-oldest"
}

/** A conduit to Modbus units. */
export interface ModbusConduit extends ConduitBase {
  readonly protocol: "modbus"
  /** Exception code that a refusal answers when no rule says otherwise. */
  readonly refusal: number
}

/** The way between two zones. */
export type Conduit = MqttConduit | ModbusConduit

/** Token bucket per subject and rule. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** Hours of a week. `fromMinute` is 0..1439, `toMinute` 1..1440 of the day; `to` at or before `from` ends on the next day. */
export interface Hours {
  /** 1 Monday .. 7 Sunday: the days on which it begins. */
  readonly days: readonly number[]
  readonly fromMinute: number
  readonly toMinute: number
  /** The plant's clock against UTC, in minutes; no daylight saving. */
  readonly utcOffsetMinutes: number
}

/** What every rule has, whatever its protocol. */
export interface RuleBase {
  readonly id: string
  readonly effect: "allow" | "deny"
  /** Conduits of the rule's protocol to which it applies; never empty (absent in the document means all of them). */
  readonly conduits: readonly string[]
  /** Roles the rule applies to; never empty. */
  readonly roles: readonly string[]
  readonly rate: Rate | null
  /** Essential flows stay open in the postures that say so (`policy/posture.ts`). Never together with `hours`, `when` or `emergency`. */
  readonly essential: boolean
  /** Which allowed actions go into the log with the peer's certificate fingerprint (CR 2.12 RE(1)). */
  readonly record: "each" | "changes" | "none"
  /** In force only in these hours: an allow when it is surely then, a deny when it may be then. */
  readonly hours: Hours | null
  /** In force only while an override has switched this emergency on; never on a deny. */
  readonly emergency: string | null
  /** In force only while all of these hold: an allow when they surely do, a deny when they may. Null: always. */
  readonly when: readonly InputCondition[] | null
}

/** One rule for MQTT. */
export interface MqttRule extends RuleBase {
  readonly protocol: "mqtt"
  readonly actions: readonly Action[]
  /** MQTT topic filters with `+`, `#`, and the whole levels `%c` (client id) and `%u` (subject name); `$share/<group>/...` on subscribe rules only. */
  readonly topics: readonly string[]
  /** Highest QoS allowed. On a deny rule always 2: a deny speaks of topics alone. */
  readonly maxQos: 0 | 1 | 2
  /** Whether the retain flag may be set by a publisher. Retained deliveries towards the client are not affected. */
  readonly retain: boolean
  readonly maxPayloadBytes: number
  /** What the payload must look like, published or received. A deny rule's is `any`. */
  readonly payload: PayloadForm
}

export type Rule = MqttRule | ModbusRule

/** Inputs of the board that order island mode. */
export interface IslandOrder {
  /** Any one of them that holds, or may hold, closes the normal conduits. */
  readonly when: readonly InputCondition[]
  /** `command`: only a person opens them again. `input`: they open by themselves once none of the conditions may hold. */
  readonly restore: "command" | "input"
}

/** What becomes of the audit log when it fills up, and how much of it the broker keeps. @see IEC 62443-4-2 CR 2.9, CR 2.10 */
export interface AuditStorage {
  /** `overwrite`: the oldest entries make room. `close`: none is ever dropped, normal flows close. */
  readonly whenFull: "overwrite" | "close"
  /** Whether entries that no collector has acknowledged may make room. */
  readonly overwriteUncollected: boolean
  /** How full, in percent of the capacity, the log is when it warns. */
  readonly warnAtPercent: number
  /** Most bytes of the log that are retained at the broker. */
  readonly windowBytes: number
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
  /** Null or absent: island mode comes by command alone. */
  readonly island?: IslandOrder | null
  /** Absent: the defaults, see `auditStorageOf`. */
  readonly audit?: AuditStorage
  /** Radio interfaces of the board that may be up; every other is an alarm. */
  readonly radios: readonly string[]
  /** Which entries of the log become alarms; null or absent: what `DEFAULT_ALARMS` says. */
  readonly alarms?: readonly AlarmRule[] | null
  /** Absent: the defaults, see `peopleRulesOf`. */
  readonly people?: PeopleRules
}
