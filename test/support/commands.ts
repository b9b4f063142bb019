import type { Handlers } from "../../firmware/management/pipeline.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { HardwareError } from "../../policy/base/errors.ts"
import { COMMANDS } from "../../policy/command/table.ts"
import type { CommandId, CommandRequest } from "../../policy/command/port.ts"

/** A valid request for every command. */
export const REQUESTS: Readonly<Record<CommandId, CommandRequest>> = {
  status: { command: "status", arguments: {} },
  "policy.activate": { command: "policy.activate", arguments: { bundle: "text", trialSeconds: 60 } },
  "bundle.offer": { command: "bundle.offer", arguments: { hash: "0".repeat(64), length: 1 } },
  "bundle.chunk": { command: "bundle.chunk", arguments: { hash: "0".repeat(64), offset: 0, data: "eA==" } },
  "policy.confirm": { command: "policy.confirm", arguments: { version: 7 } },
  "policy.rollback": { command: "policy.rollback", arguments: {} },
  island: { command: "island", arguments: { state: "on" } },
  "recording.start": { command: "recording.start", arguments: { minutes: 60 } },
  "recording.stop": { command: "recording.stop", arguments: {} },
  "recording.status": { command: "recording.status", arguments: {} },
  "recording.read": { command: "recording.read", arguments: { offset: 0 } },
  "override.start": { command: "override.start", arguments: { emergency: "fire", minutes: 30, reason: "smoke" } },
  "override.end": { command: "override.end", arguments: { emergency: "fire" } },
  "trust.status": { command: "trust.status", arguments: {} },
  "trust.reload": { command: "trust.reload", arguments: {} },
  "trust.crl": { command: "trust.crl", arguments: { list: "text" } },
  "tamper.clear": { command: "tamper.clear", arguments: { reason: "looked at" } },
  "board.input": { command: "board.input", arguments: { input: "key-switch", state: "run" } },
  "access.grant": { command: "access.grant", arguments: { conduit: "remote", minutes: 30, reason: "repair" } },
  "access.end": { command: "access.end", arguments: { conduit: "remote" } },
  "access.end-all": { command: "access.end-all", arguments: {} },
  "conduit.restore": { command: "conduit.restore", arguments: { conduit: "remote" } },
  "alarm.list": { command: "alarm.list", arguments: {} },
  "alarm.acknowledge": { command: "alarm.acknowledge", arguments: { alarm: "grave", note: "looked at" } },
  "audit.rotate-key": { command: "audit.rotate-key", arguments: {} },
  "time.nonce": { command: "time.nonce", arguments: {} },
  "time.set": { command: "time.set", arguments: { statement: "text" } },
  "account.list": { command: "account.list", arguments: {} },
  "account.create": { command: "account.create", arguments: { name: "anna", roles: "viewer" } },
  "account.change": { command: "account.change", arguments: { name: "anna", enabled: "no" } },
  "account.remove": { command: "account.remove", arguments: { name: "anna" } },
  "account.key-add": { command: "account.key-add", arguments: { name: "anna", key: "text" } },
  "account.key-remove": { command: "account.key-remove", arguments: { name: "anna", thumbprint: "text" } },
  "account.password": { command: "account.password", arguments: { password: "seven grey herons stand" } },
  "account.password-set": { command: "account.password-set", arguments: { name: "anna" } },
  notice: { command: "notice", arguments: {} },
  "session.challenge": { command: "session.challenge", arguments: { account: "anna" } },
  "session.open": { command: "session.open", arguments: { account: "anna", password: "seven grey herons stand" } },
  "session.unlock": { command: "session.unlock", arguments: { password: "seven grey herons stand" } },
  "session.close": { command: "session.close", arguments: {} },
  "session.lock": { command: "session.lock", arguments: {} },
  "session.list": { command: "session.list", arguments: {} },
  "session.end": { command: "session.end", arguments: { id: "0011" } },
  "approval.list": { command: "approval.list", arguments: {} },
  "approval.needed": { command: "approval.needed", arguments: { command: "island" } },
  "approval.give": { command: "approval.give", arguments: { hash: "0".repeat(64) } },
  "approval.withdraw": { command: "approval.withdraw", arguments: { hash: "0".repeat(64) } },
  assess: { command: "assess", arguments: {} },
}

export const IDS = Object.keys(COMMANDS) as CommandId[]

/** Handlers that note what was executed and answer with the command's id; `act` may do something first. */
export function recordingHandlers(executed: string[], act: (id: CommandId) => unknown = () => undefined): Handlers {
  const handler = (id: CommandId) => async () => {
    executed.push(id)
    await act(id)
    return { result: id, detail: { before: 1, after: 2 } }
  }
  return {
    status: handler("status"),
    "policy.activate": handler("policy.activate"),
    "bundle.offer": handler("bundle.offer"),
    "bundle.chunk": handler("bundle.chunk"),
    "policy.confirm": handler("policy.confirm"),
    "policy.rollback": handler("policy.rollback"),
    island: handler("island"),
    "recording.start": handler("recording.start"),
    "recording.stop": handler("recording.stop"),
    "recording.status": handler("recording.status"),
    "recording.read": handler("recording.read"),
    "override.start": handler("override.start"),
    "override.end": handler("override.end"),
    "trust.status": handler("trust.status"),
    "trust.reload": handler("trust.reload"),
    "trust.crl": handler("trust.crl"),
    "tamper.clear": handler("tamper.clear"),
    "board.input": handler("board.input"),
    "access.grant": handler("access.grant"),
    "access.end": handler("access.end"),
    "access.end-all": handler("access.end-all"),
    "conduit.restore": handler("conduit.restore"),
    "alarm.list": handler("alarm.list"),
    "alarm.acknowledge": handler("alarm.acknowledge"),
    "audit.rotate-key": handler("audit.rotate-key"),
    "time.nonce": handler("time.nonce"),
    "time.set": handler("time.set"),
    "account.list": handler("account.list"),
    "account.create": handler("account.create"),
    "account.change": handler("account.change"),
    "account.remove": handler("account.remove"),
    "account.key-add": handler("account.key-add"),
    "account.key-remove": handler("account.key-remove"),
    "account.password": handler("account.password"),
    "account.password-set": handler("account.password-set"),
    notice: handler("notice"),
    "session.challenge": handler("session.challenge"),
    "session.open": handler("session.open"),
    "session.unlock": handler("session.unlock"),
    "session.close": handler("session.close"),
    "session.lock": handler("session.lock"),
    "session.list": handler("session.list"),
    "session.end": handler("session.end"),
    "approval.list": handler("approval.list"),
    "approval.needed": handler("approval.needed"),
    "approval.give": handler("approval.give"),
    "approval.withdraw": handler("approval.withdraw"),
    assess: handler("assess"),
  }
}

/** A log in memory that fails for as long as it is told to. */
export class MemoryLog {
  readonly events: AuditEvent[] = []
  /** Fails from the entry with this index on. */
  failsFrom = Infinity
  readonly audit = async (event: AuditEvent): Promise<number> => {
    if (this.events.length >= this.failsFrom) throw new HardwareError("ERR_IO", "the log is on a dead disk")
    return this.events.push(event) - 1
  }
}
