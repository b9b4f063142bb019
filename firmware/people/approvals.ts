import { createHash } from "node:crypto"
import type { Clock } from "../../hal/clock.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { StateError } from "../../policy/base/errors.ts"
import type { CheckedRequest } from "../../policy/command/check.ts"
import { gatedPermission } from "../../policy/command/gated.ts"
import type { Permission } from "../../policy/command/permission.ts"
import type { Principal } from "../../policy/command/port.ts"
import { COMMANDS, holdsSecret, type CommandRow } from "../../policy/command/table.ts"
import { approvedBy, samePerson, stillWaiting, waitingText, withWaiting } from "../../policy/people/approval.ts"
import type { Waiting } from "../../policy/people/approval.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import { survivable } from "../bundles/refusal.ts"
import type { Accounts } from "./accounts.ts"
import type { Gatekeeper } from "./gatekeeper.ts"

/** A command somebody gave that cannot run before a second person agrees. */
export interface AskedCommand {
  readonly principal: Principal
  readonly request: CheckedRequest
  /** The request's bytes as the person sent them; null if they came from nowhere. */
  readonly received: Uint8Array | null
}

/** A command that a second person let run. */
export interface ApprovedCommand {
  readonly hash: string
  readonly request: CheckedRequest
  readonly received: Uint8Array | null
  /** Name of who asked, and how. */
  readonly askedBy: string
  readonly via: Principal["via"]
  /** Who asked, with the rights of this moment; null: nobody any more. */
  readonly asker: Principal | null
  readonly approvedBy: string
}

/** One of them, as it is shown. */
export interface ShownWaiting {
  readonly hash: string
  readonly command: string
  /** Secrets are left out; of a long text there is its SHA-256. */
  readonly arguments: Readonly<Record<string, string | number>>
  readonly by: string
  readonly permission: Permission
  readonly secondsLeft: number
  /** With it, the account and the arguments the hash can be made again; null where that would help to guess a secret. */
  readonly number: string | null
  readonly account: string
}

/** The commands that wait for a second person. They are in memory alone: a restart forgets them. */
export interface Approvals {
  /**
   * Let it wait; resolves when that is written down. The same asked again by the same person is one, and its time begins anew.
   * @throws StateError `ERR_TOO_MANY_WAITING`
   * @throws HardwareError if it could not be written down: then it does not wait
   */
  readonly wait: (asked: AskedCommand) => Promise<{ readonly hash: string; readonly entry: number }>
  list(): readonly ShownWaiting[]
  /**
   * Take out what waits under `hash`: it can be taken once, and resolves when that is written down.
   * @throws StateError `ERR_APPROVAL_UNKNOWN`, `ERR_APPROVAL_SAME_PERSON`, `ERR_NOT_PERMITTED`, or why the approver's own way is shut:
   *   `ERR_SECOND_FACTOR`, `ERR_NOT_PRESENT`; it waits on then
   * @throws HardwareError if it could not be written down: then it waits no longer, and does not run
   */
  take(hash: string, approver: Principal): Promise<ApprovedCommand>
  /** @throws StateError `ERR_APPROVAL_UNKNOWN`, `ERR_NOT_PERMITTED` */
  withdraw(hash: string, by: Principal): Promise<ShownWaiting>
  /** Forget all of them; nothing is written. */
  stop(): void
}

/** What approvals stand on. */
export interface ApprovalsDeps {
  readonly clock: Clock
  readonly rules: () => PeopleRules
  readonly gatekeeper: Gatekeeper
  /** Who somebody is now. */
  readonly accounts: Pick<Accounts, "principal">
  readonly audit: (event: AuditEvent) => Promise<number>
  readonly random: (bytes: number) => Uint8Array
}

interface Kept extends AskedCommand {
  readonly number: string
  readonly text: string
}

/** Bytes of all that waits: sixteen policies would be more than a small board has room for. */
const MAX_BYTES = 16 * 1024 * 1024
/** Longer texts are shown by their SHA-256. */
const SHOWN_LENGTH = 256
/** A timer of a board that sleeps may come late: the clock is looked at this often. */
const LOOK_MS = 10_000

/** Commands that wait for a second person; none yet. @see IEC 62443-4-2 CR 2.1 RE(4) */
export function createApprovals(deps: ApprovalsDeps): Approvals {
  const { clock, rules, audit } = deps
  let all: readonly Waiting<Kept>[] = []
  let cancel = (): void => undefined

  const without = (hash: string): void => {
    all = all.filter((one) => one.hash !== hash)
  }
  const about = (one: Waiting<Kept>, subject: string): Omit<AuditEvent, "id"> => ({
    outcome: "success",
    source: "people",
    subject,
    object: one.request.request.command,
    detail: { hash: one.hash, askedBy: one.by.name },
  })
  const lookLater = (): void => {
    cancel()
    if (all.length === 0) return
    const next = Math.min(...all.map(({ untilMs }) => untilMs)) - clock.monotonicMs()
    cancel = clock.after(Math.min(Math.max(next, 0), LOOK_MS), look)
  }
  /** Each that was not approved in its time is told once. */
  function look(): void {
    const left = stillWaiting(all, clock.monotonicMs())
    const over = all.filter((one) => !left.includes(one))
    all = left
    for (const one of over) void audit({ id: "command.lapsed", ...about(one, one.by.name) }).catch(survivable)
    lookLater()
  }
  const found = (hash: string): Waiting<Kept> => {
    const one = stillWaiting(all, clock.monotonicMs()).find((waiting) => waiting.hash === hash)
    if (one !== undefined) return one
    throw new StateError("ERR_APPROVAL_UNKNOWN", "nothing waits under that hash, or no longer")
  }
  const shown = ({ hash, by, permission, untilMs, request: kept }: Waiting<Kept>): ShownWaiting => {
    const { command, arguments: given } = kept.request
    const row: CommandRow = COMMANDS[command]
    return {
      hash,
      command,
      arguments: shownArguments(row, given),
      by: by.name,
      permission,
      secondsLeft: Math.ceil((untilMs - clock.monotonicMs()) / 1000),
      number: holdsSecret(row, given) ? null : kept.number,
      account: by.account,
    }
  }

  return {
    async wait({ principal, request, received }) {
      look()
      const { person, name } = principal
      const permission = gatedPermission(request)
      if (person === undefined || permission === null) {
        throw new StateError("ERR_APPROVAL_UNKNOWN", "only a person's command waits for a second person")
      }
      const asked = { command: request.command, arguments: request.arguments, account: person.account }
      const same = all.find(({ request: kept }) => waitingText({ ...asked, number: kept.number }) === kept.text)
      const number = same?.request.number ?? Buffer.from(deps.random(16)).toString("hex")
      const text = waitingText({ ...asked, number })
      const waiting: Waiting<Kept> = {
        hash: createHash("sha256").update(text).digest("hex"),
        permission,
        by: { ...person, name },
        untilMs: clock.monotonicMs() + rules().approvalMs,
        request: { principal, request, received, number, text },
      }
      const before = all
      all = withWaiting(all, waiting, clock.monotonicMs())
      if (bytesOf(all) > MAX_BYTES) {
        all = before
        throw new StateError(
          "ERR_TOO_MANY_WAITING",
          "what waits for approval is too much: withdraw one, or send it in pieces",
        )
      }
      try {
        const base = about(waiting, name)
        const detail = { ...base.detail, via: principal.via, seconds: Math.round(rules().approvalMs / 1000) }
        const secret = holdsSecret(COMMANDS[request.command], request.arguments)
        const proof =
          received === null || secret ? {} : { request: createHash("sha256").update(received).digest("hex") }
        const entry = await audit({ id: "command.waiting", ...base, ...proof, detail })
        lookLater()
        return { hash: waiting.hash, entry }
      } catch (error) {
        without(waiting.hash)
        throw error
      }
    },
    list: () => stillWaiting(all, clock.monotonicMs()).map(shown),
    async take(hash, approver) {
      look()
      const { person } = approver
      if (person === undefined) throw notPermitted("a command is approved by a person who has an account")
      const waiting = approvedBy(all, hash, person, clock.monotonicMs())
      const { by, permission, request: kept } = waiting
      const asker = deps.accounts.principal(by.name, by.factors, kept.principal.via)
      // A key that was given to another account since must not make one person two.
      if (asker?.person !== undefined && samePerson(asker.person, person)) {
        throw new StateError("ERR_APPROVAL_SAME_PERSON", "whoever asked cannot approve: a second person must")
      }
      if (!approver.permissions.includes(permission)) {
        throw notPermitted(`to approve this asks for the permission ${permission}`)
      }
      const shut = deps.gatekeeper.judge(kept.request, person, true)
      if (shut !== null) throw new StateError(shut, "who approves passes the same gates as who asked")
      // Before anything else is awaited: of two who approve at once one finds nothing.
      without(hash)
      lookLater()
      await audit({ id: "command.approved", ...about(waiting, approver.name) })
      return {
        hash,
        request: kept.request,
        received: kept.received,
        askedBy: by.name,
        via: kept.principal.via,
        asker: asker?.person?.account === by.account ? asker : null,
        approvedBy: approver.name,
      }
    },
    async withdraw(hash, by) {
      look()
      const waiting = found(hash)
      const isOwn = by.person?.account === waiting.by.account
      if (!isOwn && !by.permissions.includes("people")) throw notPermitted("that command is somebody else's")
      without(hash)
      lookLater()
      await audit({ id: "command.withdrawn", ...about(waiting, by.name) }).catch(survivable)
      return shown(waiting)
    },
    stop() {
      cancel()
      all = []
    },
  }
}

function bytesOf(all: readonly Waiting<Kept>[]): number {
  return all.reduce((sum, { request }) => sum + request.text.length + (request.received?.length ?? 0), 0)
}

function shownArguments(row: CommandRow, given: Readonly<Record<string, unknown>>): Record<string, string | number> {
  const entries = Object.entries(given).map(([name, value]): [string, string | number] => {
    if (row.arguments[name]?.secret === true) return [name, "(not shown)"]
    if (typeof value === "number") return [name, value]
    const text = String(value)
    if (text.length <= SHOWN_LENGTH) return [name, text]
    return [name, `${text.length} characters, SHA-256 ${createHash("sha256").update(text).digest("hex")}`]
  })
  return Object.fromEntries(entries)
}

function notPermitted(message: string): StateError {
  return new StateError("ERR_NOT_PERMITTED", message)
}
