import { MemoryClock } from "../../hal/memory/clock.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import type { Unsynced } from "../../hal/memory/fault-plan.ts"
import { createPolicyActivation } from "../../firmware/bundles/activation.ts"
import type { PolicyActivation, PolicyInForce } from "../../firmware/bundles/activation-port.ts"
import type { CandidateParts } from "../../firmware/bundles/candidate.ts"
import { preparePolicy, type PrepareParts } from "../../firmware/bundles/prepare.ts"
import type { VerifiedBundle, VerifyBundle } from "../../firmware/bundles/verify.ts"
import { HardwareError, InputError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { compileModbus } from "../../policy/compile/modbus.ts"
import type { CompiledPolicy } from "../../policy/filter/table.ts"
import type { Parsed } from "../../policy/language/fault.ts"
import type { Policy } from "../../policy/language/policy.ts"
import type { Statement } from "../../policy/bundle/statement.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import { aStatement } from "./bundles.ts"

/** A bundle that `plainVerify` takes: no signature, so that a sweep of thousands of runs is quick. */
export function plainBundle(change: Partial<Statement> = {}, signers: readonly string[] = ["anna"]): string {
  return JSON.stringify({ statement: aStatement(change), signers })
}

const plainVerify: VerifyBundle = async (text) => {
  try {
    const { statement, signers } = JSON.parse(text) as VerifiedBundle
    return { statement, signers, statementHash: `hash of ${JSON.stringify(statement)}` }
  } catch {
    throw new InputError("ERR_BUNDLE_MALFORMED", "not a plain bundle")
  }
}

/** The policy text rules what happens: `fault` has faults, `compiler` and `engine` are refused there. */
function parsePolicy(text: string, file: string): Parsed<Policy> {
  if (text.includes("fault")) {
    const fault = { file, line: 3, column: 5, path: "rules[0]", message: "expected a rule", hint: null }
    return { ok: false, faults: [fault, fault] }
  }
  return {
    ok: true,
    value: { format: 1, name: text, zones: [], roles: [], subjects: [], conduits: [], rules: [], radios: [] },
  }
}

function compile(policy: Policy): CompiledPolicy {
  if (policy.name.includes("compiler")) throw new InputError("ERR_POLICY_TOO_LARGE", "the table does not fit")
  const table = {
    words: new Uint32Array(),
    scratch: new Int32Array(),
    numbers: new Float64Array(),
    rateCount: 0,
    gates: [],
    gateStates: new Uint8Array(),
    forms: [],
  }
  return { classes: [], ruleIds: [], records: new Uint8Array(), table, modbus: compileModbus(policy, []) }
}

/** A line of the cases that begins with `wrong` fails. */
function testCases(_policy: Policy, _compiled: CompiledPolicy, text: string): readonly string[] {
  return text.split("\n").filter((line) => line.startsWith("wrong"))
}

/** A gateway's policy side on a board in memory, with an engine and a log that record. */
export class PolicyWorld {
  readonly storage: MemoryStorage
  readonly clock = new MemoryClock()
  readonly events: AuditEvent[] = []
  /** What the engine judges by now; undefined before anything was applied. */
  engine: PolicyInForce | null | undefined = undefined
  conditions: readonly string[] = []
  interval: TimeInterval = { earliestAt: Date.UTC(2030, 0, 1), latestAt: Date.UTC(2030, 0, 1) }
  auditFails = false
  /** Versions that the engine refuses; null stands for no policy. */
  readonly engineRefuses = new Set<number | null>()
  readonly activation: PolicyActivation

  constructor(storage = new MemoryStorage(), parts: Partial<CandidateParts & PrepareParts> = {}) {
    this.storage = storage
    const prepared = { parsePolicy, compile, testCases, ...parts }
    this.activation = createPolicyActivation({
      storage,
      clock: this.clock,
      verify: plainVerify,
      prepare: (source) => preparePolicy(source, prepared),
      gateway: "press-hall",
      threshold: 1,
      ...parts,
      interval: () => this.interval,
      audit: async (event) => {
        if (this.auditFails) throw new HardwareError("ERR_IO", "the log is on a dead disk")
        return this.events.push(event)
      },
      apply: async (policy) => {
        if (this.engineRefuses.has(policy?.version ?? null) || policy?.policy.name.includes("engine") === true) {
          throw new InputError("ERR_ENGINE_REFUSED", "the engine refuses")
        }
        this.engine = policy
      },
      conditionsChanged: (conditions) => {
        this.conditions = [...conditions].sort()
      },
    })
  }

  /** The version in the engine, 0 for none. */
  get version(): number {
    return this.engine?.version ?? 0
  }

  /** The next boot after a power cut, started. */
  async reboot(unsynced: Unsynced = "lost"): Promise<PolicyWorld> {
    this.activation.stop()
    const next = new PolicyWorld(this.storage.powerCut(unsynced))
    await next.activation.start()
    return next
  }

  /** Let time pass, and everything that it sets off. */
  async advance(ms: number): Promise<void> {
    this.clock.advance(ms)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  said(id: AuditEvent["id"]): readonly AuditEvent[] {
    return this.events.filter((event) => event.id === id)
  }
}

/** A started world in which `versions` were activated and confirmed, one after the other. */
export async function worldWith(...versions: readonly number[]): Promise<PolicyWorld> {
  const world = new PolicyWorld()
  await world.activation.start()
  for (const version of versions) {
    await world.activation.activate(plainBundle({ version }), 60_000, "local:owner")
    await world.activation.confirm(version, "local:owner")
  }
  return world
}
