import type { SerialSettings } from "../../hal/serial.ts"
import type { LineRules } from "../conduits/modbus/rtu/line-machine.ts"
import type { NamedPoint } from "../../policy/audit/modbus-object.ts"
import type { Transport } from "../../policy/language/policy.ts"
import type { NoteKey } from "../../policy/audit/tlog/note.ts"
import type { WitnessedLog } from "../audit/witness-log.ts"
import { DEFAULT_LOAD_LIMITS, type LoadLimits } from "./load-limits.ts"

/**
 * The board file (`gateway.yaml`) as plain values: names of the policy to devices, addresses and files of this gateway.
 *
 * Relative paths in the document are resolved against its folder; here they are absolute.
 */
export interface GatewayConfig {
  readonly format: 1
  /** `[A-Za-z0-9._-]{1,64}`: names the gateway in topics, bundles and log entries. */
  readonly gateway: string
  readonly board: "linux" | "simulated"
  /** Folder of the gateway's state. */
  readonly stateFolder: string
  readonly trust: {
    /** Zone authorities: name in the policy to PEM file of its CA certificate(s). */
    readonly authorities: Readonly<Record<string, string>>
    /** Lists of revoked certificates: name of an authority to a file, PEM or DER. Read again on `trust.reload`. */
    readonly crls: Readonly<Record<string, string>>
    /** Who may sign policy: name to PEM file of a public key (P-256 or Ed25519). */
    readonly policySigners: Readonly<Record<string, string>>
    /** How many distinct signers a policy bundle needs, at least 1. */
    readonly policyThreshold: number
    /** Who may sign the time beside the policy signers: name to PEM file of a public key. */
    readonly timeSigners: Readonly<Record<string, string>>
  }
  /** Names used below, to the files of a key (PEM, PKCS#8) and its chain (PEM, leaf first). */
  readonly credentials: Readonly<Record<string, { readonly keyFile: string; readonly certificateFile: string }>>
  /** The token in which keys of the gateway are made and stay; null: all are files. */
  readonly keys: TokenConfig | null
  /** Bundle installed at start when its version is higher than the one in force; null for none. */
  readonly policyBundleFile: string | null
  /** Conduit in the policy to its ends on this board. */
  readonly conduits: Readonly<Record<string, ConduitEnds>>
  /** Serial lines of this board, by name. */
  readonly lines: Readonly<Record<string, LineSettings>>
  readonly management: {
    /** Path of the local command socket. */
    readonly socket: string
    /** Where the gateway itself speaks MQTT; null for nowhere. */
    readonly mqtt: UpstreamEnd | null
    /** Of the two kinds of MQTT, the one that it speaks there. */
    readonly mqttVersion: "3.1.1" | "5"
  }
  readonly limits: Limits
  /** Whom the gateway believes what time it is. */
  readonly time: TimeConfig
  /** Threads that carry the conduits, 1..16; `auto`: one a core, at most 4. */
  readonly workers: number | "auto"
  /** Whether the gateway puts the packet filter of its policy in force on this board, or leaves that to others. */
  readonly packetFilter: "apply" | "off"
  /** Whether the gateway starts although the runtime has an inspector, or an option for one. Never `allow` on a board in a plant. */
  readonly inspector: "refuse" | "allow"
  /** Lines for general purpose; none where the board file has no section `gpio`. */
  readonly gpio: GpioConfig
  /** Room for the audit log, and its witnesses. */
  readonly audit: AuditConfig
  /** Seconds a policy stays on trial until it is confirmed or rolled back. */
  readonly trialSeconds: number
}

/** The section `keys` of the board file: a PKCS#11 token or secure element. */
export interface TokenConfig {
  readonly module: string
  /** Its label. */
  readonly token: string
  readonly pinFile: string
  /** Key slots that are in it. */
  readonly slots: readonly string[]
}

/** The section `time` of the board file. */
export interface TimeConfig {
  /** Whose network time is believed, of what the system's time daemon follows. */
  readonly network: "any" | "authenticated" | "none"
  /** How far off the battery-backed clock may be; null: there is none to believe. */
  readonly rtcErrorMs: number | null
  /** chronyd's command socket; null: its usual place. */
  readonly chronySocket: string | null
}

/** What the board has for the audit log, and who vouches for it. */
export interface AuditConfig {
  /** What the folder of the log may take on the disk: entries, tiles, kept requests, all of it. */
  readonly capacityBytes: number
  /** Cosigners whose lines count as seen by somebody else. */
  readonly witnesses: readonly NoteKey[]
  /** Cosigners whose lines count as a verified copy elsewhere. */
  readonly collectors: readonly NoteKey[]
  /** Logs of other gateways that this one witnesses. */
  readonly witnessFor: readonly WitnessedLog[]
}

/** What the log may take where the board file says nothing. */
export const DEFAULT_AUDIT: AuditConfig = {
  capacityBytes: 256 * 1024 * 1024,
  witnesses: [],
  collectors: [],
  witnessFor: [],
}

/** Where a conduit listens on this board, and where its broker or its units are. */
export interface ConduitEnds {
  readonly protocol: "mqtt" | "modbus"
  /** Without credential peers connect in clear text. */
  readonly listen: { readonly address: string; readonly port: number; readonly credential: string | null }
  readonly upstream: ConduitUpstream
  /** Names of registers and coils, for the log. */
  readonly points: readonly NamedPoint[]
  /** Modbus over a network: from a request to its answer, where the board file says so. */
  readonly timeoutMs?: number
}

/** The far end: over TLS, in clear text, or on a serial line. */
export type ConduitUpstream =
  | ({ readonly kind: "tls" } & UpstreamEnd)
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "line"; readonly line: string }

/** What carries a conduit at either end, in the policy's words. */
export function transportsOf({ listen, upstream }: ConduitEnds): { readonly from: Transport; readonly to: Transport } {
  return { from: listen.credential === null ? "tcp" : "tls", to: upstream.kind === "line" ? "rtu" : upstream.kind }
}

/** A broker, and as whom the gateway goes there. */
export interface UpstreamEnd {
  readonly host: string
  readonly port: number
  /** Name the broker's certificate must bear (DNS name or IP); default the host. */
  readonly serverName: string
  readonly credential: string
  /** Name of the authority in `trust.authorities` that vouches for the broker. */
  readonly authority: string
}

/** A serial line with Modbus units: the device, and how masters share it. */
export interface LineSettings extends SerialSettings, LineRules {}
/** The lines that the gateway watches and holds. */
export interface GpioConfig {
  readonly inputs: readonly InputConfig[]
  readonly outputs: readonly OutputConfig[]
}

interface LinePlace {
  readonly name: string
  readonly chip: string
  readonly line: number
}

/** An input, and what the policy calls its levels. */
export interface InputConfig extends LinePlace {
  readonly bias: "as-is" | "disabled" | "pull-up" | "pull-down"
  readonly debounceMs: number
  readonly states: { readonly low: string; readonly high: string }
  /** The state that says that the enclosure was opened; null for other inputs. */
  readonly tamper: string | null
}

/** An output, and what it shows. */
export interface OutputConfig extends LinePlace {
  readonly activeLow: boolean
  readonly safe: "on" | "off"
  readonly shows: "fault" | "island" | "running" | "tamper"
}

/** Bounds on what peers can make the gateway hold and do. */
export interface Limits extends LoadLimits {
  /** Of each conduit. */
  readonly maxConnections: number
  /** For the TLS handshake, and again from there to the CONNACK. */
  readonly connectTimeoutMs: number
  /** Whole PUBLISH packet, both directions. */
  readonly maxPacketBytes: number
  /** Any other packet, and the part of a PUBLISH before its payload. */
  readonly maxControlBytes: number
  readonly maxTopicAliases: number
}

/** What a line is where the board file says nothing. */
export const DEFAULT_LINE: Omit<LineSettings, "device"> = {
  baud: 19_200,
  frame: "8E1",
  rs485: "none",
  echo: false,
  timeoutMs: 1_000,
  turnaroundMs: 100,
  retries: 1,
  repeat: "reads",
  queue: 64,
  waitMs: 5_000,
}

export const DEFAULT_LIMITS: Limits = {
  maxConnections: 1000,
  connectTimeoutMs: 10_000,
  maxPacketBytes: 16 * 1024 * 1024,
  maxControlBytes: 128 * 1024,
  maxTopicAliases: 32,
  ...DEFAULT_LOAD_LIMITS,
}
