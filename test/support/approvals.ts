import { randomBytes } from "node:crypto"
import { createManagement, type Handlers } from "../../firmware/management/pipeline.ts"
import { accountHandlers } from "../../firmware/people/account-handlers.ts"
import type { Accounts } from "../../firmware/people/accounts.ts"
import { approvalHandlers } from "../../firmware/people/approval-handlers.ts"
import { createApprovals, type Approvals } from "../../firmware/people/approvals.ts"
import { createGatekeeper } from "../../firmware/people/gatekeeper.ts"
import { MemoryClock } from "../../hal/memory/clock.ts"
import type { CommandAnswer, Principal } from "../../policy/command/port.ts"
import type { Inputs } from "../../policy/filter/inputs.ts"
import type { Factor } from "../../policy/people/gate.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import { AccountsWorld, makeAccountKey } from "./accounts.ts"
import { recordingHandlers } from "./commands.ts"

/** The command door with its gates, over accounts and approvals in memory; handlers note what was executed. */
export class GatedDoor {
  readonly world: AccountsWorld
  readonly accounts: Accounts
  readonly approvals: Approvals
  readonly clock = new MemoryClock()
  readonly executed: string[] = []
  inputs: Inputs = new Map()
  readonly #commands: ReturnType<typeof createManagement>

  private constructor(world: AccountsWorld, accounts: Accounts, act: (id: string) => unknown) {
    this.world = world
    this.accounts = accounts
    const rules = (): PeopleRules => this.world.rules
    const { audit } = world.log
    const gatekeeper = createGatekeeper({ rules, inputs: () => this.inputs })
    const { clock } = this
    const random = (n: number): Uint8Array => randomBytes(n)
    this.approvals = createApprovals({ clock, rules, gatekeeper, accounts, audit, random })
    const handlers: Handlers = {
      ...recordingHandlers(this.executed, act),
      "account.change": accountHandlers({ accounts, rules, interval: () => world.now })["account.change"],
      ...approvalHandlers({
        approvals: this.approvals,
        judge: gatekeeper.judge,
        carryOut: (approved) => this.#commands.carryOut(approved),
      }),
    }
    this.#commands = createManagement({
      handlers,
      audit,
      gates: { judge: gatekeeper.judge, wait: this.approvals.wait },
    })
  }

  /** With anna (security-admin) and those in `others`, each with a key and one role. */
  static async open(
    rules: Partial<PeopleRules>,
    others: Readonly<Record<string, string>> = {},
    act: (id: string) => unknown = () => undefined,
  ): Promise<GatedDoor> {
    const world = new AccountsWorld()
    world.rules = { ...world.rules, ...rules }
    const accounts = await world.withAnna()
    for (const [name, role] of Object.entries(others)) {
      await accounts.create({ name, roles: [role], expiresAt: null, key: makeAccountKey() }, "anna")
    }
    world.log.events.length = 0
    return new GatedDoor(world, accounts, act)
  }

  give(
    who: Principal | string | null,
    command: string,
    given: object = {},
    factors: readonly Factor[] = ["key"],
  ): Promise<CommandAnswer> {
    const principal = typeof who === "string" ? this.accounts.principal(who, factors, "local") : who
    return this.#commands.execute(principal, { command, arguments: given }, randomBytes(8))
  }

  /** The hash under which what was just answered waits. */
  static hash(answer: CommandAnswer): string {
    return answer.ok ? "" : (answer.waits ?? "")
  }

  /** Ids, who and why of the entries since the last call. */
  entries(): unknown[] {
    const { events } = this.world.log
    return events
      .splice(0)
      .map(({ id, subject, object, reason }) => [id, subject, object, reason].filter(Boolean).join(" "))
  }
}
