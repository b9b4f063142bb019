import type { DenialKey, RefusedPeer } from "../../policy/audit/aggregate.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { FlowCache } from "../../policy/filter/cache/flow.ts"
import type { ModbusTable } from "../../policy/filter/modbus/table.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Limits } from "../config/gateway-config.ts"
import type { FactsCache } from "../tls/certificate-facts.ts"
import type { BucketStore } from "./bucket-store.ts"
import type { LoadControl } from "./load/load-control.ts"
import type { TrustInForce } from "./trust-in-force.ts"
import type { ReadPools } from "./read-pools.ts"
import type { TrafficRecording } from "./traffic-tap.ts"
import type { createModbusProtocol } from "./modbus/protocol.ts"
import type { ModbusUpstream } from "./modbus/upstream.ts"
import type { RecordedFlow } from "./flow-recorder.ts"
import type { RightsAsk } from "./messages.ts"
import type { SpoolDesk } from "./mqtt/spool-desk.ts"
import type { Hash } from "./mqtt/recording.ts"

/** What the engine lends to each of its conduits. */
export interface EngineContext {
  /** This worker's share of what each bounds by itself. */
  readonly limits: Limits
  /** Threads that listen at the same ports, this one included. */
  readonly workers: number
  /** Who may take how much. */
  readonly load: LoadControl
  readonly buckets: BucketStore
  readonly modbusBuckets: BucketStore<ModbusTable>
  /** The way to the units on a serial line of the board; absent where the board has none. */
  readonly openLine?: (line: string) => ModbusUpstream
  /** Modbus behind a listener; absent where no conduit of the board speaks it. */
  readonly modbus?: typeof createModbusProtocol
  readonly recording: TrafficRecording
  /** Ask what a subject may do, for itself to read; `told` is called later, or never. */
  rights(ask: Omit<RightsAsk, "what">, told: (text: string) => void): void
  /** Store-and-forward. */
  readonly spool: SpoolDesk
  /** What sockets read into. */
  readonly readBuffers: ReadPools
  /** Verdicts remembered, of all conduits and policies. */
  readonly flows: FlowCache
  readonly certificates: FactsCache
  /** Credentials and revocations of this moment. */
  readonly trust: TrustInForce
  readonly time: () => TimeInterval
  readonly nowMs: () => number
  readonly after: (delayMs: number, action: () => void) => () => void
  readonly randomSuffix: () => string
  /** The certificates of a PEM text, parsed once. */
  anchorsOf(pem: string): readonly CertificateFacts[]
  report(event: AuditEvent): void
  denied(key: DenialKey, object: string): void
  /** An action was allowed by a rule that wants it recorded. */
  allowed(flow: RecordedFlow): void
  readonly newHash: () => Hash
  refusedPeer(peer: RefusedPeer): void
  /** A peer's certificate verified, and is valid from then on: a lower bound of the time. */
  certificateSeen(notBeforeAt: number): void
  /** A listener that had failed to open is open. */
  reopened(): void
  fault(conduit: string, code: string, message: string): void
  /** An exception while this conduit's bytes were handled: it closes, the others go on. */
  failed(conduit: string, error: unknown): void
  /** Run `visit` over many items in slices that do not hold up the loop. */
  sweep<T>(items: readonly T[], visit: (item: T) => void): void
}
