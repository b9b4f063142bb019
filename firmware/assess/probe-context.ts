import type { CosignerStatus } from "../audit/witnessed.ts"
import type { NetworkInterfaces } from "../../hal/network-interfaces.ts"
import type { FilterState } from "../../hal/packet-filter.ts"
import type { Storage } from "../../hal/storage.ts"
import type { Entry } from "../../policy/audit/entry.ts"
import type { AuditLog } from "../audit/log.ts"
import type { CommandPort } from "../../policy/command/port.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import type { Policy } from "../../policy/language/policy.ts"
import type { PasswordRules } from "../../policy/people/rules.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Accounts } from "../people/accounts.ts"
import type { Probe } from "../../policy/requirements/control.ts"
import type { Retention } from "../audit/retention.ts"
import type { LoadRehearsal } from "../conduits/load/rehearse-load.ts"
import type { Limits } from "../config/gateway-config.ts"
import type { FlowPosture, Listening, Rehearsal, RehearsalResult } from "../conduits/messages.ts"
import type { GpioStatus } from "../gpio/lines.ts"
import type { EmergencyStatus } from "../management/overrides.ts"
import type { OverrideRehearsal } from "../management/rehearse-override.ts"
import type { Gatekeeper } from "../people/gatekeeper.ts"
import type { Attempts } from "../people/attempts.ts"
import type { ApprovalRehearsal } from "../people/rehearse-approval.ts"
import type { SigningInRehearsal } from "../people/rehearse-signing-in.ts"
import type { Sessions } from "../people/sessions.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import type { AccessStatus } from "../management/access.ts"
import type { InspectorState } from "../inspector.ts"
import type { Interface } from "../interfaces.ts"
import type { TimeKeeper } from "../time-keeper.ts"
import type { SignedTimes } from "../time/signed-time.ts"
import type { Spool } from "../spool/store.ts"
import type { ListeningSocket } from "./open-sockets.ts"

/** The boundary beside the conduits, as a probe sees it. */
export interface BoundaryView {
  readonly mode: "apply" | "off"
  /** True where no packet is filtered at all. */
  readonly simulated: boolean
  /** Digest of the rules that the gateway put in force; null while it knows of none. */
  readonly digest: string | null
  /** What the kernel has in force now. */
  read(): Promise<FilterState>
  /** Try to send a datagram past the rules. */
  tryAround(address: string): Promise<"stopped" | "left" | "unreachable">
  /** The board's interfaces; `list` says what they are now. */
  readonly interfaces: NetworkInterfaces
}

/** What lies on the disk, as a probe sees it. */
export interface AtRestView {
  /** The live spool; a probe has a queue of its own in it. */
  readonly spool: Pick<Spool, "put" | "batch" | "settle" | "forget">
  /** The raw files of the state folder. */
  readonly files: Pick<Storage, "read" | "list">
}

/** Clocks, and what the log makes of them, as a probe sees it. */
export interface TimeView extends Pick<TimeKeeper, "report" | "rehearseStep">, Pick<SignedTimes, "examine"> {
  /** Names this run of the gateway in the log. */
  readonly bootId: string
  monotonicMs(): number
  /** The newest entry on disk; null if there is none. */
  newestEntry(): Promise<Entry | null>
}

/** The audit trail, as a probe sees it. */
export interface TrailView extends Pick<AuditLog, "append" | "read" | "size"> {
  /** The request that is kept under this SHA-256; null if it is not. @throws IntegrityError `ERR_REQUEST_DAMAGED` */
  keptRequest(hash: string): Promise<Uint8Array | null>
  /** The first entry that the alarm rules have not looked at. */
  alarmsLookedAt(): number
  /** The first entry that the operators' broker has not acknowledged; null if there is no broker for the log. */
  published(): number | null
}

/** The audit log on its way to its readers, as a probe sees it. */
export interface AuditView {
  /** The gateway's name in its topics. */
  readonly gateway: string
  /** Whether the broker, asked just now, shows the edge of the log as it was published last. */
  readBack(): Promise<"shown" | "not-shown" | "offline" | "off">
  /** Those who cosign the log, by the board file. */
  witnesses(): readonly CosignerStatus[]
}

/** The gates of the command door, as a probe sees them. */
export interface GatesView {
  /** What the policy in force says of people. */
  rules(): PeopleRules
  /** What the live door would say now; nothing waits for it. */
  readonly judge: Gatekeeper["judge"]
  /** The door's own code under these rules, with people and a log of the rehearsal alone. */
  rehearse(rules: PeopleRules): Promise<ApprovalRehearsal>
}

/** People who sign in, as a probe sees them: nobody is signed in or out, nothing is counted. */
export interface SigningInView {
  readonly attempts: Pick<Attempts, "rehearse">
  readonly sessions: Pick<Sessions, "rehearse" | "list">
  /** The door's own code under these rules, with people, a clock and a log of the rehearsal alone. */
  rehearse(rules: PeopleRules): Promise<SigningInRehearsal>
}

/** Emergencies, as a probe sees them. */
export interface OverridesView {
  status(): readonly EmergencyStatus[]
  rehearse(): Promise<OverrideRehearsal>
}

/** What a probe may touch of the live gateway. */
export interface ProbeContext {
  /** The policy in force; null when there is none. */
  policy(): Policy | null
  /** Whether a policy is on trial, and whether island mode is on: what a probe must not disturb. */
  trialRunning(): boolean
  islandOn(): boolean
  /** Whether only essential rules are open now. */
  essentialOnly(): boolean
  /** Conduits that listen now. */
  listening(): readonly Listening[]
  /** Conduits that the live engine would have open under another posture, or if these had failed; nothing changes. */
  openUnder(posture: FlowPosture, failed: readonly string[]): Promise<readonly string[]>
  /** Every way in from an untrusted zone, approved or not. */
  access(): readonly AccessStatus[]
  /** Run client bytes through the live session and filter, without a socket. */
  rehearse(rehearsal: Rehearsal): Promise<RehearsalResult | null>
  /** What the live limits make of a flood that never happens. */
  rehearseLoad(): Promise<LoadRehearsal | null>
  /** The limits of the board file. */
  readonly limits: Limits
  /** The bundle in force as it came; null when there is none. */
  bundleInForce(): string | null
  /** Why the live verification would refuse this bundle as a new one, or null if it would not. Nothing changes, nothing is logged. */
  offerBundle(text: string): Promise<string | null>
  /** Why the live reader refuses each of these policy documents, or null where it takes one; in order. Nothing changes. */
  readPolicies(documents: readonly string[]): Promise<readonly (string | null)[]>
  /** Whether the gateway's thread, and the engine's, made code of a text when tried just now. */
  codeFromText(): Promise<{ readonly gateway: boolean; readonly engine: boolean }>
  /** Flags of the runtime that this process was started with. */
  readonly execArgv: readonly string[]
  /** The runtime's inspector, now. */
  inspector(): InspectorState
  /** The one door for changes. */
  readonly commands: CommandPort
  /** Path of the local command socket. */
  readonly commandSocket: string
  readonly boundary: BoundaryView
  /** What may be open. */
  readonly interfaces: readonly Interface[]
  /** What the kernel says is open. */
  openSockets(): Promise<readonly ListeningSocket[]>
  /** What an authority, and those below it, have revoked by the lists that are kept. */
  revocations(authority: string): readonly { readonly issuerDer: string; readonly serials: readonly string[] }[]
  /** Whether this conduit's thread would refuse that certificate as revoked; null when the conduit is not in force. */
  isRevoked(conduit: string, issuerDer: string, serial: string): Promise<boolean | null>
  /** Leaf certificates that the gateway shows, by use: `conduit/<name>`, `upstream/<name>`, `management/mqtt`. */
  readonly ownCertificates: ReadonlyMap<string, CertificateFacts>
  readonly atRest: AtRestView
  readonly time: TimeView
  /** The room of the audit log, and what would be done with it. */
  readonly auditRoom: Pick<Retention, "status" | "fill" | "rehearse" | "measure">
  readonly trail: TrailView
  readonly audit: AuditView
  /** Everybody who may be somebody here; asked, never changed. */
  readonly accounts: Pick<
    Accounts,
    "people" | "unclaimed" | "fault" | "examine" | "examinePassword" | "principal" | "checkPassword"
  >
  /** The time as an interval. */
  now(): TimeInterval
  /** What the policy in force says of passwords. */
  passwords(): PasswordRules
  readonly gates: GatesView
  readonly signingIn: SigningInView
  readonly overrides: OverridesView
  /** The lines of the board as they are now. */
  lines(): GpioStatus
}

export type GatewayProbe = Probe<ProbeContext>
