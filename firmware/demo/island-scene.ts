import { setTimeout as wait } from "node:timers/promises"
import { callLocal } from "../management/local-client.ts"
import type { StatusReport } from "../management/status-report.ts"
import type { CommandAnswer, CommandRequest } from "../../policy/command/port.ts"
import type { DemoPaths } from "./material.ts"
import { KEY_SWITCH } from "./policy-text.ts"

/** When the key is turned, and how long it stays turned. */
export interface IslandTimes {
  readonly afterMs: number
  readonly heldMs: number
}

/** How long the gateway may take to do what an input or a command asked for. */
const PATIENCE_MS = 5_000
const LOOK_MS = 20
const SETTLED_MS = 700

/**
 * Plays somebody at the gateway's door who turns the key switch to island and back, and a person who then lifts island
 * mode: the switch closes, only a command opens. Resolves when that has happened or `signal` says so; `tell` gets one line
 * at each step, made of what the gateway itself answers meanwhile. Island mode that somebody else ordered is left in peace.
 *
 * @throws LockgateError if the gateway cannot be asked
 * @see IEC 62443-4-2 NDR 5.2 RE(2)
 */
export async function playIsland(
  paths: DemoPaths,
  times: IslandTimes,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const ask = (request: CommandRequest): Promise<CommandAnswer> =>
    callLocal(paths.commandSocket, request, PATIENCE_MS, signal)
  const look = async (): Promise<StatusReport | null> => {
    const answer = await ask({ command: "status", arguments: {} })
    return answer.ok ? (answer.result as StatusReport) : null
  }
  /** The first status of which `is` holds, or the last one when patience ends; null if the gateway refuses to say. */
  const until = async (is: (status: StatusReport) => boolean): Promise<StatusReport | null> => {
    const endMs = performance.now() + PATIENCE_MS
    for (;;) {
      const status = await look()
      if (status === null || is(status) || performance.now() > endMs) return status
      await wait(LOOK_MS, undefined, { signal })
    }
  }
  const turn = (state: string): Promise<CommandAnswer> =>
    ask({ command: "board.input", arguments: { input: KEY_SWITCH, state } })

  if (!(await slept(times.afterMs, signal))) return
  const before = await look()
  if (before === null || before.island || switchIn(before) !== "run") return

  const turnedMs = performance.now()
  const turned = await turn("island")
  if (!turned.ok) {
    tell(`the key switch could not be turned: ${turned.code}`)
    return
  }
  const shut = await until((status) => status.island && status.posture.normal === "closed")
  if (shut?.island !== true) {
    tell("the key switch is at island, and the gateway is NOT an island")
    return
  }
  const tookMs = Math.round(performance.now() - turnedMs)
  // What the engine says of its listeners arrives a little later than what it did.
  if (!(await slept(SETTLED_MS, signal))) return
  const settled = (await look()) ?? shut
  tell(`key switch to island: normal flows closed ${tookMs} ms later, 50 of them debounce`)
  tell(`island: ${flowsIn(settled)}${outputsSince(before, settled)}; management goes on`)

  if (!(await slept(times.heldMs, signal))) return
  const early = await ask({ command: "island", arguments: { state: "off" } })
  tell(`"lockgate island off" meanwhile: ${early.ok ? "WAS DONE" : "refused, for the key says island"}`)
  await turn("run")
  const back = await until((status) => switchIn(status) === "run")
  tell(`key switch back to run: ${back?.island === true ? "still an island, for only a person opens again" : "OPENED"}`)

  if (!(await slept(times.heldMs / 2, signal))) return
  const lifted = await ask({ command: "island", arguments: { state: "off" } })
  const after = await until((status) => status.posture.normal === "open")
  const listening = after?.conduits.filter((conduit) => conduit.listening !== null).length ?? 0
  tell(
    lifted.ok
      ? `"lockgate island off" now: done; ${listening} of ${after?.conduits.length ?? 0} conduits open`
      : `"lockgate island off" now: refused, ${lifted.code}`,
  )
}

/** False if the demo ended meanwhile. */
async function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await wait(ms, undefined, { signal })
    return true
  } catch {
    return false
  }
}

function switchIn(status: StatusReport): string | null {
  return status.lines?.inputs.find(({ name }) => name === KEY_SWITCH)?.state ?? null
}

/** What of each conduit is left. */
function flowsIn(status: StatusReport): string {
  const left = status.conduits.map(({ name, listening }) => `${name} ${listening === null ? "shut" : "essential only"}`)
  return left.join(", ")
}

/** Which outputs have switched since. */
function outputsSince(before: StatusReport, after: StatusReport): string {
  const was = new Map(before.lines?.outputs.map(({ name, on }) => [name, on]))
  const changed = (after.lines?.outputs ?? []).filter(({ name, on }) => on !== null && was.get(name) !== on)
  return changed.map(({ name, on }) => `, ${name} ${on === true ? "on" : "off"}`).join("")
}
