import type { OWN, Permission } from "./permission.ts"
import { MAX_CHUNK_LENGTH, MAX_TRANSFER_BYTES } from "./transfer.ts"

/** One argument: what values it takes. */
export type ArgumentKind = (
  | { readonly kind: "string"; readonly maxLength: number }
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  | { readonly kind: "choice"; readonly of: readonly string[] }
) & {
  /** Whether the value must never be kept: a request that has it leaves neither its bytes nor their hash. To be said of
   * every argument that is named like a secret. */
  readonly secret?: boolean
}

/** One command: what it takes, and what it takes to give it. */
export interface CommandRow {
  readonly summary: string
  /** Null: of anybody who reached the door, who still has to sign in. `own`: of every person, for their own account. */
  readonly permission: Permission | typeof OWN | null
  /** Whether the command changes anything: `command.executed` or `command.read` in the log. */
  readonly changes: boolean
  /** True for what is asked many times in a row: answered without an entry in the log; refusals are logged. */
  readonly quiet?: true
  readonly arguments: Readonly<Record<string, ArgumentKind & { readonly optional?: true }>>
}

/** Every command there is. What is not in this table does not exist. */
export const COMMANDS = {
  status: { summary: "what the gateway does now", permission: "read", changes: false, quiet: true, arguments: {} },
  "policy.activate": {
    summary: "put a signed policy bundle, given or sent before and named by its hash, in force on trial",
    permission: "policy",
    changes: true,
    arguments: {
      bundle: { kind: "string", maxLength: 4 * 1024 * 1024, optional: true },
      hash: { kind: "string", maxLength: 64, optional: true },
      trialSeconds: { kind: "integer", min: 5, max: 86_400, optional: true },
    },
  },
  "bundle.offer": {
    summary: "begin, or go on with, sending a large bundle in pieces",
    permission: "policy",
    changes: true,
    arguments: {
      hash: { kind: "string", maxLength: 64 },
      length: { kind: "integer", min: 1, max: MAX_TRANSFER_BYTES },
    },
  },
  // Part of an offer that is in the log, and nothing that anybody acts on before its hash was checked.
  "bundle.chunk": {
    summary: "a piece of a bundle that was offered",
    permission: "policy",
    changes: false,
    quiet: true,
    arguments: {
      hash: { kind: "string", maxLength: 64 },
      offset: { kind: "integer", min: 0, max: MAX_TRANSFER_BYTES },
      data: { kind: "string", maxLength: MAX_CHUNK_LENGTH },
    },
  },
  "policy.confirm": {
    summary: "keep the policy that is on trial",
    permission: "policy",
    changes: true,
    arguments: { version: { kind: "integer", min: 1, max: 2 ** 31 } },
  },
  "policy.rollback": {
    summary: "drop the policy that is on trial",
    permission: "policy",
    changes: true,
    arguments: {},
  },
  island: {
    summary: "close or reopen all normal conduits",
    permission: "island",
    changes: true,
    arguments: { state: { kind: "choice", of: ["on", "off"] } },
  },
  "recording.start": {
    summary: "record what passes and what is denied, without payloads, for a time",
    permission: "record",
    changes: true,
    arguments: { minutes: { kind: "integer", min: 1, max: 1_440 } },
  },
  "recording.stop": { summary: "end the recording now", permission: "record", changes: true, arguments: {} },
  "recording.status": {
    summary: "whether a recording runs, and what the last one holds",
    permission: "record",
    changes: false,
    arguments: {},
  },
  "recording.read": {
    summary: "a piece of the recording on disk",
    permission: "record",
    changes: false,
    arguments: { offset: { kind: "integer", min: 0, max: 8 * 1024 * 1024 } },
  },
  "override.start": {
    summary: "switch on an emergency of the policy for a time",
    permission: "override",
    changes: true,
    arguments: {
      emergency: { kind: "string", maxLength: 64 },
      minutes: { kind: "integer", min: 1, max: 480 },
      reason: { kind: "string", maxLength: 120 },
    },
  },
  "override.end": {
    summary: "switch it off again",
    permission: "override",
    changes: true,
    arguments: { emergency: { kind: "string", maxLength: 64 } },
  },
  "trust.status": {
    summary: "authorities, lists of revoked certificates and the gateway's own certificates",
    permission: "read",
    changes: false,
    arguments: {},
  },
  "trust.reload": {
    summary: "read credentials, authorities and lists of revoked certificates anew from their files",
    permission: "trust",
    changes: true,
    arguments: {},
  },
  "trust.crl": {
    summary: "take a newer list of revoked certificates",
    permission: "trust",
    changes: true,
    arguments: { list: { kind: "string", maxLength: 2 * 1024 * 1024 } },
  },
  "tamper.clear": {
    summary: "clear the tamper alarm, once the enclosure was looked at and is shut",
    permission: "board",
    changes: true,
    arguments: { reason: { kind: "string", maxLength: 120 } },
  },
  "board.input": {
    summary: "set an input of the simulated board, as its wire would",
    permission: "board",
    changes: true,
    arguments: { input: { kind: "string", maxLength: 64 }, state: { kind: "string", maxLength: 64 } },
  },
  "access.grant": {
    summary: "approve a way in from an untrusted zone for a time",
    permission: "access",
    changes: true,
    arguments: {
      conduit: { kind: "string", maxLength: 64 },
      minutes: { kind: "integer", min: 1, max: 480 },
      reason: { kind: "string", maxLength: 120 },
    },
  },
  "access.end": {
    summary: "end the approval of a way in",
    permission: "access",
    changes: true,
    arguments: { conduit: { kind: "string", maxLength: 64 } },
  },
  "access.end-all": {
    summary: "switch off every way in that was approved",
    permission: "access",
    changes: true,
    arguments: {},
  },
  "conduit.restore": {
    summary: "open a conduit again that a fault had closed",
    permission: "island",
    changes: true,
    arguments: { conduit: { kind: "string", maxLength: 64 } },
  },
  "alarm.list": {
    summary: "the alarms that nobody has acknowledged yet",
    permission: "read",
    changes: false,
    arguments: {},
  },
  "alarm.acknowledge": {
    summary: "close an alarm: somebody has seen to it",
    permission: "alarm",
    changes: true,
    arguments: { alarm: { kind: "string", maxLength: 64 }, note: { kind: "string", maxLength: 120, optional: true } },
  },
  "audit.rotate-key": {
    summary: "hand the audit log over to a new key",
    permission: "policy",
    changes: true,
    arguments: {},
  },
  "time.nonce": {
    summary: "a number for somebody to answer with a signed time",
    permission: "time",
    changes: false,
    arguments: {},
  },
  "time.set": {
    summary: "take a signed time that answers a nonce, or set back the earliest time that is believed in",
    permission: "time",
    changes: true,
    arguments: { statement: { kind: "string", maxLength: 16_384 } },
  },
  "account.list": {
    summary: "who has an account, with roles, end, keys and whether there is a password",
    permission: "people",
    changes: false,
    arguments: {},
  },
  "account.create": {
    summary: "make an account; the first of all needs a key and a role that may manage people",
    permission: "people",
    changes: true,
    arguments: {
      name: { kind: "string", maxLength: 32 },
      roles: { kind: "string", maxLength: 512 },
      key: { kind: "string", maxLength: 2_048, secret: false, optional: true },
      onToken: { kind: "choice", of: ["yes", "no"], secret: false, optional: true },
      expires: { kind: "string", maxLength: 32, optional: true },
    },
  },
  "account.change": {
    summary: "change roles or end of an account, disable or enable it",
    permission: "people",
    changes: true,
    arguments: {
      name: { kind: "string", maxLength: 32 },
      roles: { kind: "string", maxLength: 512, optional: true },
      enabled: { kind: "choice", of: ["yes", "no"], optional: true },
      expires: { kind: "string", maxLength: 32, optional: true },
    },
  },
  "account.remove": {
    summary: "remove an account for ever; its name is never given again",
    permission: "people",
    changes: true,
    arguments: { name: { kind: "string", maxLength: 32 } },
  },
  "account.key-add": {
    summary: "give an account one more public key",
    permission: "people",
    changes: true,
    arguments: {
      name: { kind: "string", maxLength: 32 },
      key: { kind: "string", maxLength: 2_048, secret: false },
      onToken: { kind: "choice", of: ["yes", "no"], secret: false, optional: true },
    },
  },
  "account.key-remove": {
    summary: "take a key from an account",
    permission: "people",
    changes: true,
    arguments: { name: { kind: "string", maxLength: 32 }, thumbprint: { kind: "string", maxLength: 64 } },
  },
  // Whoever must change the password has no permission until it is done.
  "account.password": {
    summary: "change one's own password, with the present one or after a signature by key",
    permission: "own",
    changes: true,
    arguments: {
      password: { kind: "string", maxLength: 256, secret: true },
      current: { kind: "string", maxLength: 256, secret: true, optional: true },
    },
  },
  "account.password-set": {
    summary: "give somebody else a password that must be changed at its first use, or none",
    permission: "people",
    changes: true,
    arguments: {
      name: { kind: "string", maxLength: 32 },
      password: { kind: "string", maxLength: 256, secret: true, optional: true },
    },
  },
  notice: {
    summary: "what people read before they sign in",
    permission: null,
    changes: false,
    quiet: true,
    arguments: {},
  },
  // Signing in goes on while the log cannot be written: that is when somebody must look. Each has events of its own.
  "session.challenge": {
    summary: "a number for an account to sign, or to bring in a token of the identity provider, to sign in",
    permission: null,
    changes: false,
    quiet: true,
    arguments: { account: { kind: "string", maxLength: 32 } },
  },
  "session.open": {
    summary: "sign in, with a password, a signature by key, a token of the identity provider, or several of them",
    permission: null,
    changes: false,
    quiet: true,
    arguments: {
      account: { kind: "string", maxLength: 32 },
      password: { kind: "string", maxLength: 256, secret: true, optional: true },
      proof: { kind: "string", maxLength: 2_048, secret: false, optional: true },
      identity: { kind: "string", maxLength: 8_192, secret: true, optional: true },
    },
  },
  "session.unlock": {
    summary: "sign in again, to go on with one's own locked session",
    permission: null,
    changes: false,
    quiet: true,
    arguments: {
      password: { kind: "string", maxLength: 256, secret: true, optional: true },
      proof: { kind: "string", maxLength: 2_048, secret: false, optional: true },
      identity: { kind: "string", maxLength: 8_192, secret: true, optional: true },
    },
  },
  // Of whoever shows its token, also while it is locked.
  "session.close": { summary: "sign out", permission: null, changes: false, quiet: true, arguments: {} },
  "session.lock": {
    summary: "lock one's own session until one signs in again",
    permission: "own",
    changes: false,
    quiet: true,
    arguments: {},
  },
  "session.list": {
    summary: "who is signed in, since when, and on which way",
    permission: "read",
    changes: false,
    arguments: {},
  },
  "session.end": {
    summary: "end somebody's session, at once",
    permission: "people",
    changes: true,
    arguments: { id: { kind: "string", maxLength: 32 } },
  },
  "approval.list": {
    summary: "the commands that wait for a second person",
    permission: "read",
    changes: false,
    arguments: {},
  },
  "approval.needed": {
    summary: "whether one may give a command now, and what it would wait for; nothing is asked",
    permission: "read",
    changes: false,
    arguments: { command: { kind: "string", maxLength: 64 } },
  },
  // Whoever approves needs the permission of what waits: that is asked for when it is known what it is.
  "approval.give": {
    summary: "let a command run that another person gave and that waits under this hash",
    permission: "own",
    changes: true,
    arguments: { hash: { kind: "string", maxLength: 64 } },
  },
  "approval.withdraw": {
    summary: "take back a command that waits: one's own, or with the permission people any",
    permission: "own",
    changes: true,
    arguments: { hash: { kind: "string", maxLength: 64 } },
  },
  assess: {
    summary: "run the probes and answer the requirement rows",
    permission: "assess",
    changes: false,
    arguments: {},
  },
} as const satisfies Record<string, CommandRow>

/** Whether a request for this command with these arguments holds anything that must never be kept, nor a hash of it. */
export function holdsSecret(row: CommandRow, given: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(row.arguments).some(([name, kind]) => kind.secret === true && Object.hasOwn(given, name))
}

export type CommandId = keyof typeof COMMANDS
