import { InputError } from "../../policy/base/errors.ts"
import type { Alarms } from "../audit/alarms.ts"
import type { LogKeyRotation } from "../audit/key-rotation.ts"
import type { PolicyActivation } from "../bundles/activation-port.ts"
import type { Incoming } from "../bundles/incoming.ts"
import type { GpioLines } from "../gpio/lines.ts"
import type { RecordingKeeper } from "../recording/keeper.ts"
import type { SignedTimes } from "../time/signed-time.ts"
import type { TrustKeeper } from "../trust/keeper.ts"
import type { FailedConduits } from "../boundary/failed-conduits.ts"
import { moment } from "../time/time-events.ts"
import { accountHandlers, type AccountHandlerDeps } from "../people/account-handlers.ts"
import { sessionHandlers, type SessionHandlerDeps } from "../people/session-handlers.ts"
import { approvalHandlers, type ApprovalHandlerDeps } from "../people/approval-handlers.ts"
import type { Access } from "./access.ts"
import type { Island } from "./island.ts"
import type { Overrides } from "./overrides.ts"
import type { Handlers } from "./pipeline.ts"
import type { StatusReport } from "./status-report.ts"

/** The parts that commands act on. */
export interface HandlerDeps {
  readonly policy: PolicyActivation
  readonly incoming: Incoming
  readonly island: Island
  readonly recording: Pick<RecordingKeeper, "start" | "stop" | "status" | "read">
  readonly overrides: Overrides
  readonly trust: Pick<TrustKeeper, "reload" | "offer" | "report">
  readonly lines: Pick<GpioLines, "inputs" | "tamper">
  readonly access: Access
  readonly signedTimes: Pick<SignedTimes, "nonce" | "set">
  readonly failures: Pick<FailedConduits, "restore">
  readonly alarms: Pick<Alarms, "list" | "acknowledge">
  readonly logKey: LogKeyRotation
  readonly people: AccountHandlerDeps
  readonly signingIn: SessionHandlerDeps
  readonly approvals: ApprovalHandlerDeps
  readonly status: () => StatusReport | Promise<StatusReport>
  readonly assess: () => Promise<unknown>
  /** How long a policy is on trial when the command does not say. */
  readonly trialSeconds: number
}

/** A handler for each command: turns arguments into a call of the part that owns the matter, nothing more. */
export function createHandlers(deps: HandlerDeps): Handlers {
  const { policy, incoming, island, recording, overrides, lines, access } = deps
  return {
    status: async () => ({ result: await deps.status() }),
    ...accountHandlers(deps.people),
    ...sessionHandlers(deps.signingIn),
    ...approvalHandlers(deps.approvals),
    "bundle.offer": async ({ hash, length }) => {
      const result = await incoming.offer(hash, length)
      return { result, detail: { hash, length, have: result.have } }
    },
    "bundle.chunk": async ({ hash, offset, data }, { name }) => ({
      result: await incoming.chunk(hash, offset, data, name),
    }),
    "policy.activate": async ({ bundle, hash, trialSeconds = deps.trialSeconds }, { name }) => {
      if ((bundle === undefined) === (hash === undefined)) {
        throw new InputError("ERR_BUNDLE_SOURCE", "a bundle is needed, or the hash of one that was sent, and not both")
      }
      const text = bundle ?? (await incoming.take(hash ?? ""))
      const result = await policy.activate(text, trialSeconds * 1000, name)
      if (hash !== undefined) await incoming.done(hash)
      return { result, detail: { before: result.previous ?? 0, after: result.version, trialSeconds } }
    },
    "policy.confirm": async ({ version }, { name }) => {
      const { before } = await policy.confirm(version, name)
      return { result: { version, before }, detail: { before: before ?? 0, after: version } }
    },
    "policy.rollback": async (_, { name }) => {
      const result = await policy.rollback("command", name)
      return { result, detail: { before: result.dropped, after: result.inForce ?? 0 } }
    },
    island: async ({ state }, { name }) => {
      const { before, durable } = await island.set(state === "on", name)
      const was = before ? "on" : "off"
      return { result: { state, before: was, durable }, detail: { before: was, after: state, durable } }
    },
    "recording.start": async ({ minutes }, { name }) => {
      return { result: await recording.start(minutes, name), detail: { minutes } }
    },
    "recording.stop": async (_, { name }) => ({ result: await recording.stop(name) }),
    "recording.status": async () => ({ result: await recording.status() }),
    "recording.read": async ({ offset }) => ({ result: await recording.read(offset), detail: { offset } }),
    "override.start": async ({ emergency, minutes, reason }, { name }) => {
      const before = await overrides.start(emergency, minutes, reason, name)
      return { result: { emergency, minutes, before }, detail: { emergency, minutes } }
    },
    "override.end": async ({ emergency }, { name }) => {
      const before = await overrides.end(emergency, name)
      return { result: { emergency, before }, detail: { emergency, wasOn: before !== null } }
    },
    "trust.status": async () => ({ result: deps.trust.report() }),
    "trust.reload": async () => {
      const result = await deps.trust.reload()
      const { certificates, authorities, lists } = result
      return {
        result,
        detail: { certificates: certificates.length, authorities: authorities.length, lists: lists.length },
      }
    },
    "trust.crl": async ({ list }) => {
      const lists = await deps.trust.offer(list)
      return { result: { lists }, detail: { lists: lists.length, number: lists[0]?.number ?? "" } }
    },
    "tamper.clear": async ({ reason }, { name }) => {
      const before = await lines.tamper.clear(reason, name)
      return { result: { before }, detail: { before: before.join(" ") } }
    },
    "board.input": async ({ input, state }) => {
      const before = await lines.inputs.simulate(input, state)
      return { result: { input, state, before }, detail: { input, before: before ?? "unknown", after: state } }
    },
    "access.grant": async ({ conduit, minutes, reason }, { name }) => {
      const before = await access.grant(conduit, minutes, reason, name)
      return { result: { conduit, minutes, before }, detail: { conduit, minutes } }
    },
    "access.end": async ({ conduit }, { name }) => {
      const before = await access.end(conduit, name)
      return { result: { conduit, before }, detail: { conduit, wasOn: before !== null } }
    },
    "access.end-all": async (_, { name }) => {
      const ended = await access.endAll(name)
      return { result: { ended }, detail: { ended: ended.join(" ") } }
    },
    "conduit.restore": async ({ conduit }, { name }) => {
      const fault = await deps.failures.restore(conduit, name)
      return { result: { conduit, fault }, detail: { conduit, fault } }
    },
    "alarm.list": async () => ({ result: { alarms: deps.alarms.list() } }),
    "alarm.acknowledge": async ({ alarm, note = "" }, { name }) => {
      const result = await deps.alarms.acknowledge(alarm, name, note)
      return { result, detail: { alarm, entry: result.seq, count: result.count } }
    },
    "audit.rotate-key": async () => {
      const { before, after, size } = await deps.logKey.rotate()
      return { result: { before, after, size }, detail: { before, after, size } }
    },
    "time.nonce": async () => ({ result: deps.signedTimes.nonce() }),
    "time.set": async ({ statement }, { name }) => {
      const result = await deps.signedTimes.set(statement, name)
      const { before, after } = result
      return { result, detail: { before: moment(before.latestAt), after: moment(after.latestAt) } }
    },
    assess: async () => ({ result: await deps.assess() }),
  }
}
