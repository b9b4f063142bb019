import type { BoundaryStatus } from "../boundary/keeper.ts"
import type { ConduitCounters } from "../conduits/messages.ts"
import type { GpioStatus } from "../gpio/lines.ts"
import type { LogRoom } from "../audit/retention.ts"
import type { Backlog } from "../spool/store.ts"
import type { TimeReport } from "../time-keeper.ts"
import type { WitnessingStatus } from "../witnessing.ts"
import type { AccessStatus } from "./access.ts"
import type { EmergencyStatus } from "./overrides.ts"
import type { PolicyStatus } from "../bundles/activation-port.ts"

/** What `status` answers: what the gateway does now. Plain JSON; times in milliseconds since 1970. */
export interface StatusReport {
  readonly gateway: string
  readonly startedAt: number
  readonly posture: {
    readonly normal: "open" | "closed"
    readonly essential: "open" | "closed"
    /** Conditions that closed something. */
    readonly because: readonly string[]
  }
  readonly island: boolean
  readonly policy: PolicyStatus
  /** What keeps packets from going beside the conduits, and radios that are up and that the policy does not name. */
  readonly boundary: BoundaryStatus & { readonly radios: readonly string[] }
  /** Every emergency that the policy in force names, on or off. */
  readonly emergencies: readonly EmergencyStatus[]
  /** The lines of the board; absent in answers of a gateway before this. */
  readonly lines?: GpioStatus
  /** What waits on disk for brokers that are lost, by subject; absent in answers of a gateway before this. */
  readonly buffered?: readonly Backlog[]
  /** Alarms that nobody has acknowledged; absent in answers of a gateway before this. */
  readonly alarms?: number
  /** Every way in from an untrusted zone, approved or not. */
  readonly access: readonly AccessStatus[]
  readonly conduits: readonly ConduitStatus[]
  /** What is known of the time; absent in answers of a gateway before this. */
  readonly time?: TimeReport
  readonly audit: {
    /** Entries in the log. */
    readonly entries: number
    /** `off`: no upstream for the log is configured. */
    readonly publishing: "yes" | "no" | "off"
    /** How the log is kept at the broker, `live-waits` if it does not even take live entries: older gateways do not say. */
    readonly kept?: "whole" | "small-parts" | "nothing" | "live-waits"
    /** How full it is; absent in answers of a gateway before this. */
    readonly room?: LogRoom
    /** Who cosigns the log, and whose logs this gateway cosigns; absent in answers of a gateway before this. */
    readonly witnesses?: WitnessingStatus
  }
}

/** One conduit of the board file. */
export interface ConduitStatus {
  readonly name: string
  /** `address:port`, or null while it is closed. */
  readonly listening: string | null
  /** Ends without TLS, if any: towards its peers (`from`), towards the broker or units (`to`). */
  readonly clearText?: readonly ("from" | "to")[]
  /** The fault of the gateway itself that closed it until it is restored, or null. */
  readonly failed: string | null
  readonly connections: number
  readonly allowed: number
  readonly denied: number
  /** The same in full; null until the engine has counted for the first time. */
  readonly counters: ConduitCounters | null
}
