import type { NetworkInterfaces } from "../../hal/network-interfaces.ts"
import type { FilterState } from "../../hal/packet-filter.ts"
import type { CommandPort } from "../../policy/command/port.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import type { Policy } from "../../policy/language/policy.ts"
import type { Probe } from "../../policy/requirements/control.ts"
import type { Listening, Rehearsal, RehearsalResult } from "../conduits/messages.ts"
import type { Interface } from "../interfaces.ts"
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
  /** Run client bytes through the live session and filter, without a socket. */
  rehearse(rehearsal: Rehearsal): Promise<RehearsalResult | null>
  /** The bundle in force as it came; null when there is none. */
  bundleInForce(): string | null
  /** Why the live verification would refuse this bundle as a new one, or null if it would not. Nothing changes, nothing is logged. */
  offerBundle(text: string): Promise<string | null>
  /** Why the live reader refuses this policy document, or null if it takes it. Nothing changes. */
  readPolicy(text: string): Promise<string | null>
  /** Whether the gateway's thread, and the engine's, made code of a text when tried just now. */
  codeFromText(): Promise<{ readonly gateway: boolean; readonly engine: boolean }>
  /** Flags of the runtime that this process was started with. */
  readonly execArgv: readonly string[]
  /** The one door for changes. */
  readonly commands: CommandPort
  /** Path of the local command socket. */
  readonly commandSocket: string
  readonly boundary: BoundaryView
  /** What may be open. */
  readonly interfaces: readonly Interface[]
  /** What the kernel says is open. */
  openSockets(): Promise<readonly ListeningSocket[]>
  /** Leaf certificates that the gateway shows, by use: `conduit/<name>`, `upstream/<name>`, `management/mqtt`. */
  readonly ownCertificates: ReadonlyMap<string, CertificateFacts>
}

export type GatewayProbe = Probe<ProbeContext>
