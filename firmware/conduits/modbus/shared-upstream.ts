import { InvariantError } from "../../../policy/base/errors.ts"
import type { EngineContext } from "../engine-context.ts"
import type { EngineConduit } from "../messages.ts"
import { backedOff } from "../load/dial-backoff.ts"
import { createUpstreamDial } from "../upstream-dial.ts"
import { fitsRequest } from "./response.ts"
import { createTcpUpstream } from "./tcp-upstream.ts"
import type { ModbusUpstream } from "./upstream.ts"

/** From a request to its answer, unless the board file says otherwise; masters wait a second as a rule, and are better told. */
const TIMEOUT_MS = 1_000
/** Between two entries about an upstream that breaks the protocol. */
const BROKEN_MS = 10_000

/** One way to the units for all masters of a conduit: there while one of them is. */
export interface SharedUpstream {
  join(): ModbusUpstream
  /** Once for each `join`. With the last one the connection is closed. */
  leave(): void
  /** Note that the units' end broke the protocol. */
  broken(how: string): void
}

/** The way that the board file names: a connection, or a line. */
export function createSharedUpstream(conduit: EngineConduit, context: EngineContext): SharedUpstream {
  let current: ModbusUpstream | null = null
  let joined = 0
  let toldMs = -Infinity
  let untold = 0
  const random = () => parseInt(context.randomSuffix().slice(0, 6), 16) / 0x1000000
  // For the conduit, not for one way: masters that come back, each after the last one has gone, do not dial each time.
  const dial = conduit.upstream === null ? null : backedOff(createUpstreamDial(conduit, context), { nowMs: context.nowMs, random }) // prettier-ignore

  function open(): ModbusUpstream {
    if (dial !== null) {
      const timeoutMs = conduit.modbus?.timeoutMs ?? TIMEOUT_MS
      return createTcpUpstream({ dial, after: context.after, random, timeoutMs, fits: fitsRequest, broken })
    }
    const line = conduit.modbus?.line ?? null
    if (context.openLine === undefined || line === null) {
      throw new InvariantError("ERR_NO_LINE", "this engine has no serial lines")
    }
    return context.openLine(line)
  }

  function broken(how: string): void {
    untold++
    if (context.nowMs() - toldMs < BROKEN_MS) return
    toldMs = context.nowMs()
    context.report({
      id: "conduit.protocol-error",
      outcome: "failure",
      source: `upstream/${conduit.name}`,
      subject: null,
      conduit: conduit.name,
      object: endOf(conduit),
      reason: how,
      count: untold,
    })
    untold = 0
  }

  return {
    join() {
      joined++
      current ??= open()
      return current
    },
    leave() {
      if (--joined > 0) return
      current?.close()
      current = null
    },
    broken,
  }
}

function endOf({ upstream, modbus }: EngineConduit): string {
  return upstream === null ? (modbus?.line ?? "") : `${upstream.host}:${upstream.port}`
}
