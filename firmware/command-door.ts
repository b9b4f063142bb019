import type { Board } from "../hal/board.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import type { CommandPort } from "../policy/command/port.ts"
import type { TimeInterval } from "../policy/time/interval.ts"
import type { Retention } from "./audit/retention.ts"
import type { Policy } from "../policy/language/policy.ts"
import { peopleRulesOf } from "../policy/people/rules.ts"
import type { Alarms } from "./audit/alarms.ts"
import { createLogKeyRotation } from "./audit/key-rotation.ts"
import type { AuditLog } from "./audit/log.ts"
import { readKeptRequest, type KeptRequests } from "./audit/requests.ts"
import type { FailedConduits } from "./boundary/failed-conduits.ts"
import type { Boundary } from "./boundary/keeper.ts"
import type { TimeView } from "./assess/probe-context.ts"
import type { RowResult } from "./assess/run.ts"
import { canMakeCode } from "./code-from-text.ts"
import type { PolicyActivation } from "./bundles/activation-port.ts"
import { createQueue } from "./bundles/queue.ts"
import type { Incoming } from "./bundles/incoming.ts"
import type { RunningConduits } from "./running-conduits.ts"
import type { GatewayConfig } from "./config/gateway-config.ts"
import { inspectorIsOpen } from "./inspector.ts"
import { interfaceTable } from "./interfaces.ts"
import { createHandlers } from "./management/handlers.ts"
import type { GpioLines } from "./gpio/lines.ts"
import type { Access } from "./management/access.ts"
import type { Island } from "./management/island.ts"
import type { Overrides } from "./management/overrides.ts"
import { createManagement } from "./management/pipeline.ts"
import type { StatusReport } from "./management/status-report.ts"
import type { Accounts } from "./people/accounts.ts"
import type { SigningIn } from "./people/at-the-door.ts"
import type { Approvals } from "./people/approvals.ts"
import type { Gatekeeper } from "./people/gatekeeper.ts"
import type { PostureKeeper } from "./posture-keeper.ts"
import { ROOMS } from "./rooms.ts"
import type { Publishing } from "./publishing.ts"
import type { Spool } from "./spool/store.ts"
import type { SignedTimes } from "./time/signed-time.ts"
import type { TrustKeeper } from "./trust/keeper.ts"
import type { RecordingKeeper } from "./recording/keeper.ts"

/** The parts that commands act on. */
export interface CommandDoorDeps {
  readonly config: GatewayConfig
  readonly audit: (event: AuditEvent) => Promise<number>
  readonly requests: KeptRequests
  readonly alarms: Alarms
  readonly log: AuditLog
  readonly policy: PolicyActivation
  readonly incoming: Incoming
  readonly boundary: Boundary
  readonly auditRoom: Retention
  readonly access: Access
  readonly accounts: Accounts
  readonly signingIn: SigningIn
  readonly approvals: Approvals
  readonly gatekeeper: Gatekeeper
  readonly interval: () => TimeInterval
  readonly failures: FailedConduits
  readonly board: Board
  readonly posture: PostureKeeper
  readonly island: Island
  readonly recording: RecordingKeeper
  readonly overrides: Overrides
  readonly lines: GpioLines
  readonly conduits: RunningConduits
  readonly spool: Spool
  readonly publishing: Pick<Publishing, "readBack" | "next">
  readonly status: () => StatusReport
  readonly trust: TrustKeeper
  readonly signedTimes: SignedTimes
  /** The clocks as a probe sees them. */
  readonly clocks: Omit<TimeView, "examine">
  /** Why the live reader refuses each of these as a policy, or null. */
  readonly readPolicies: (documents: readonly string[]) => Promise<readonly (string | null)[]>
  /** The policy in force, or null. */
  readonly inForce: () => Policy | null
}

/** The one door for every change, with a handler for each command of the table. */
export function createCommandDoor(deps: CommandDoorDeps): CommandPort {
  const { config, audit, policy, posture, island, conduits } = deps
  /** One assessment at a time: what a probe makes is its own while it runs. */
  const assessing = createQueue()

  /** A change of policy may lift a condition or set one: it is done when the conduits have followed that, too. */
  async function followed<T>(change: Promise<T>): Promise<T> {
    const result = await change
    await posture.settled()
    return result
  }

  async function runAssessment(): Promise<readonly RowResult[]> {
    const [
      controls,
      { assess },
      { listeningSockets },
      { rehearseApproval },
      { rehearseOverride },
      { rehearseSigningIn },
    ] = await ROOMS.assessment()
    const { CONTROLS, PROBES } = controls
    const rows = await assess(CONTROLS, PROBES, {
      policy: deps.inForce,
      trialRunning: () => policy.status().trial !== null,
      islandOn: () => island.on,
      essentialOnly: () => posture.posture.normal === "closed",
      listening: () => conduits.listening,
      openUnder: (other, failed) => conduits.engine.openUnder(other, failed),
      access: () => deps.access.status(),
      rehearse: (rehearsal) => conduits.engine.rehearse(rehearsal),
      rehearseLoad: () => conduits.engine.rehearseLoad(),
      limits: config.limits,
      bundleInForce: () => policy.bundle(),
      offerBundle: (text) => policy.examine(text),
      readPolicies: deps.readPolicies,
      codeFromText: async () => ({ gateway: canMakeCode(), engine: await conduits.engine.makesCode() }),
      execArgv: process.execArgv,
      inspector: () => ({ allowed: config.inspector === "allow", open: inspectorIsOpen() }),
      commands,
      commandSocket: config.management.socket,
      boundary: {
        mode: config.packetFilter,
        simulated: deps.board.packetFilter.simulated,
        digest: deps.boundary.digest,
        read: () => deps.board.packetFilter.read(),
        tryAround: (address) => deps.board.packetFilter.tryAround(address),
        interfaces: deps.board.interfaces,
      },
      interfaces: interfaceTable(config),
      openSockets: listeningSockets,
      revocations: (authority) => deps.trust.engineTrust().revoked[authority] ?? [],
      isRevoked: (...asked) => conduits.engine.isRevoked(...asked),
      ownCertificates: deps.trust.material.ownCertificates,
      atRest: { spool: deps.spool, files: deps.board.storage },
      audit: {
        gateway: config.gateway,
        readBack: () => deps.publishing.readBack(),
        witnesses: () => deps.status().audit.witnesses?.by ?? [],
      },
      lines: () => deps.lines.status(),
      accounts: deps.accounts,
      now: deps.interval,
      passwords: () => peopleRulesOf(deps.inForce()).passwords,
      gates: { rules: () => peopleRulesOf(deps.inForce()), judge: commands.judge, rehearse: rehearseApproval },
      signingIn: { attempts: deps.signingIn.attempts, sessions: deps.signingIn.sessions, rehearse: rehearseSigningIn },
      overrides: { status: () => deps.overrides.status(), rehearse: rehearseOverride },
      time: { ...deps.clocks, examine: (text) => deps.signedTimes.examine(text) },
      auditRoom: deps.auditRoom,
      trail: {
        append: (event) => deps.log.append(event),
        read: (from, max) => deps.log.read(from, max),
        get size() {
          return deps.log.size
        },
        keptRequest: (hash) => readKeptRequest(deps.board.storage, hash),
        alarmsLookedAt: () => deps.alarms.next,
        published: () => deps.publishing.next,
      },
    })
    const count = (result: RowResult["result"]): number => rows.filter((row) => row.result === result).length
    await audit({
      id: "assess.run",
      outcome: count("not met") === 0 ? "success" : "failure",
      source: "assess",
      detail: { met: count("met"), notMet: count("not met"), notTested: count("not tested") },
    })
    return rows
  }

  const commands = createManagement({
    audit,
    requests: deps.requests,
    gates: { judge: deps.gatekeeper.judge, wait: deps.approvals.wait },
    handlers: createHandlers({
      policy: {
        ...policy,
        activate: (...given) => followed(policy.activate(...given)),
        confirm: (...given) => followed(policy.confirm(...given)),
        rollback: (...given) => followed(policy.rollback(...given)),
      },
      incoming: deps.incoming,
      island,
      recording: deps.recording,
      overrides: deps.overrides,
      trust: deps.trust,
      lines: deps.lines,
      access: deps.access,
      people: { accounts: deps.accounts, rules: () => peopleRulesOf(deps.inForce()), interval: deps.interval },
      signingIn: deps.signingIn,
      approvals: {
        approvals: deps.approvals,
        judge: deps.gatekeeper.judge,
        carryOut: (approved) => commands.carryOut(approved),
      },
      signedTimes: deps.signedTimes,
      failures: deps.failures,
      alarms: deps.alarms,
      logKey: createLogKeyRotation(deps.log),
      status: deps.status,
      trialSeconds: config.trialSeconds,
      assess: () => assessing(runAssessment),
    }),
  })
  return commands
}
