import type { Storage } from "../../hal/storage.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { InputError, StateError } from "../../policy/base/errors.ts"
import type { Inputs } from "../../policy/filter/inputs.ts"
import { createQueue } from "../bundles/queue.ts"
import { survivable } from "../bundles/refusal.ts"
import type { InputConfig } from "../config/gateway-config.ts"

/** What the tamper alarm stands on. */
export interface TamperDeps {
  readonly storage: Storage
  readonly audit: (event: AuditEvent) => Promise<number>
  readonly inputs: readonly InputConfig[]
}

/** The tamper alarm: latched by an input, cleared by a person, kept over restarts. It closes nothing by itself. */
export interface Tamper {
  /** Inputs that latched it, by name; `unknown` if what was kept cannot be read. */
  readonly latched: readonly string[]
  /** What the inputs are now. */
  look(inputs: Inputs): void
  /**
   * Cleared, once that is written down. Resolves to what was latched.
   * @throws StateError `ERR_TAMPER_OPEN` while an input still says so
   * @throws InputError `ERR_TAMPER_REASON` if the reason says nothing
   * @throws HardwareError `ERR_IO`: it stays latched
   */
  clear(reason: string, by: string): Promise<readonly string[]>
}

const FILE = "tamper.json"

/**
 * Open the record of the tamper alarm. One that is there and cannot be read is an alarm.
 *
 * @see IEC 62443-4-2 NDR 3.11, NDR 3.11 RE(1)
 */
export async function openTamper(deps: TamperDeps): Promise<Tamper> {
  let latched = await readLatched(deps.storage)
  let now: readonly string[] = []
  const inTurn = createQueue()
  const write = (names: readonly string[]): Promise<void> =>
    inTurn(() =>
      deps.storage.write(FILE, new TextEncoder().encode(JSON.stringify({ format: 1, latched: names }) + "\n")),
    )

  return {
    get latched() {
      return latched
    },
    look(inputs) {
      const before = now
      now = deps.inputs.flatMap(({ name, tamper }) =>
        tamper !== null && inputs.get(name)?.state === tamper ? [name] : [],
      )
      for (const name of now) {
        if (before.includes(name)) continue
        // Each opening is an entry of its own, latched already or not.
        void deps.audit({ id: "tamper.detected", outcome: "failure", source: "gpio", object: name }).catch(survivable)
        if (latched.includes(name)) continue
        latched = [...latched, name]
        void write(latched).catch(survivable)
      }
    },
    async clear(reason, by) {
      if (!/\S/.test(reason)) throw new InputError("ERR_TAMPER_REASON", "say what was found at the enclosure")
      const open = (): void => {
        if (now.length > 0)
          throw new StateError("ERR_TAMPER_OPEN", `${now.join(", ")} still says that the enclosure is open`)
      }
      open()
      const before = latched
      await write([])
      open()
      latched = []
      const detail = { why: reason, inputs: before.join(" ").slice(0, 200) }
      await deps.audit({ id: "tamper.cleared", outcome: "success", source: "management", subject: by, detail })
      return before
    },
  }
}

async function readLatched(storage: Storage): Promise<readonly string[]> {
  try {
    const bytes = await storage.read(FILE)
    if (bytes === null) return []
    const value = JSON.parse(new TextDecoder().decode(bytes)) as { readonly latched?: unknown } | null
    const names = Array.isArray(value?.latched) ? (value.latched as unknown[]) : ["unknown"]
    return names.map((name) => (typeof name === "string" && /^[\w.-]{1,64}$/.test(name) ? name : "unknown"))
  } catch (error) {
    if (!(error instanceof SyntaxError)) survivable(error)
    return ["unknown"]
  }
}
