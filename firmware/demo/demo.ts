import { LockgateError } from "../../policy/base/errors.ts"
import { auditTail } from "../cli/audit-tail.ts"
import { readArguments } from "../cli/handler.ts"
import type { CliIo } from "../cli/handler.ts"
import { emptyModel, withCounters, withEntry, type LiveModel } from "../console/live-model.ts"
import { renderLive, renderPlain } from "../console/live-view.ts"
import { openScreen, wantsColour } from "../console/terminal.ts"
import { callLocal } from "../management/local-client.ts"
import type { StatusReport } from "../management/status-report.ts"
import { startChild, type Child } from "./child.ts"
import { openConsole, type ConsoleScene } from "./console-scene.ts"
import { createExplainer } from "./explained.ts"
import { demoHints } from "./hints.ts"
import { playIsland } from "./island-scene.ts"
import { playPolicyChange } from "./policy-change.ts"
import { prepareDemo, type DemoPaths } from "./material.ts"
import { parsePlantLine } from "./plant-report.ts"
import { startWitness, type WitnessScene, witnessedWords, witnessStory } from "./witness-scene.ts"
import { playTwoPeople } from "./two-people-scene.ts"

const USAGE = "lockgate demo [--folder <path>] [--seconds <n>]"
/** Whose denials are explained: the name in its certificate. */
const ROGUE = "rogue"
const REFRESH_MS = 500
/** When the key switch is turned, and how long it stays so. */
const ISLAND = { afterMs: 10_000, heldMs: 5_000 }
/** How long after that two people come, and how long each of their lines stands alone. */
const PEOPLE = { afterMs: 2_000, stepMs: 2_500 }
/** How long after that the policy change is played, and how long its trial lasts. */
const CHANGE = { afterMs: 6_000, trialSeconds: 12 }
/** Without a terminal, this often a line is printed. */
const PLAIN_MS = 2_000

/**
 * `lockgate demo`: a whole gateway on the simulated board, and beside it, in its own process, a small plant.
 *
 * Runs until Ctrl-C (or for `--seconds`). The folder (default `.demo`) keeps keys and state for the next time.
 */
export async function demo(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { folder: { type: "string" }, seconds: { type: "string" } }, 0, USAGE, io)
  if (read === null) return 2
  const seconds = read.values.seconds === undefined ? null : Number(read.values.seconds)
  if (seconds !== null && !(seconds > 0)) {
    io.err(`--seconds takes a number above 0\nusage: ${USAGE}\n`)
    return 2
  }
  try {
    const startedMs = performance.now()
    const paths = await prepareDemo(read.values.folder ?? ".demo")
    const signal = seconds === null ? io.signal : AbortSignal.any([io.signal, AbortSignal.timeout(seconds * 1000)])
    return await play(paths, { ...io, signal }, startedMs)
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    io.err(`lockgate demo: ${error.message} (${String(error.code)})\n`)
    return 1
  }
}

async function play(paths: DemoPaths, io: CliIo, startedMs: number): Promise<number> {
  const over = new AbortController()
  const signal = AbortSignal.any([io.signal, over.signal])
  let model: LiveModel = { ...emptyModel(paths.gatewayName), hints: demoHints(paths, process.cwd()) }
  const explainer = createExplainer(paths.stateFolder, ROGUE)
  const first: { afterMs: number | null } = { afterMs: null }

  const tell = (line: string): void => {
    model = { ...model, story: [...model.story, line].slice(-3) }
    if (!io.isTTY) io.out(`>> ${line}\n`)
  }
  let viewerPort: number | null = null
  let page: ConsoleScene | null = null
  let witness: WitnessScene | null = null
  let isWitnessDue = false
  const plant = startChild("plant.ts", [paths.plant], (line) => {
    const said = parsePlantLine(line)
    if (said.kind === "ready") viewerPort = said.viewerPort
    if (said.kind !== "report") return
    model = { ...model, plant: said }
    if (said.broker.arrived > 0) first.afterMs ??= performance.now() - startedMs
  })
  const scene = startChild("modbus-scene.ts", [paths.modbusScene], (line) => tell(line))
  const gateway = startChild("../cli.ts", ["run", "--config", paths.gatewayConfig], () => undefined)
  const watch = (child: Child): Promise<Child> => child.ended.then(() => child)
  const dead = Promise.race([watch(plant), watch(gateway)])

  const show = io.isTTY ? onScreen(() => model) : inLines(() => model, io)
  const entries = auditTail(["--state", paths.stateFolder, "-f", "-n", "12", "--json"], {
    ...io,
    out: (text) => {
      for (const line of text.split("\n")) {
        if (line === "") continue
        model = withEntry(model, line)
        explainer.note(line)
      }
    },
    // The folder is not there before the gateway's first start; what is wrong later shows in the status.
    err: () => undefined,
    signal,
  })
  const look = async (): Promise<void> => {
    const status = await statusOf(paths)
    if (status !== null) {
      model = withStatus(model, status)
      const words = witnessedWords(status)
      const story = witnessStory(status)
      if (story !== null && model.witnessed === null) tell(story)
      model = { ...model, witnessed: words }
    }
    model = { ...model, explained: await explainer.lines(performance.now()) }
  }
  const hint = (...lines: readonly string[]): void => {
    model = { ...model, hints: [...lines, ...model.hints] }
    if (!io.isTTY) for (const line of lines) io.out(`${line}\n`)
  }
  /** The page, once the broker is there and the gateway has a key for its log. */
  const showPage = async (): Promise<void> => {
    if (page !== null || viewerPort === null || signal.aborted) return
    const port = viewerPort
    viewerPort = null
    page = await openConsole(paths, port)
    if (page === null) viewerPort = port
    else {
      hint(`# the log, verified in your browser: ${page.url}`)
    }
  }
  /** The log's witness, after the first message: what guards the plant starts first. */
  const showWitness = async (): Promise<void> => {
    if (isWitnessDue || first.afterMs === null || signal.aborted) return
    isWitnessDue = true
    const scene = await startWitness(paths)
    if (scene === null) isWitnessDue = false
    else {
      const { child } = (witness = scene)
      void child.ended.then(() => signal.aborted || tell(`the witness ended by itself: ${child.errors()}`))
      hint("# the witness's copy of the log, verified:", scene.hint)
    }
  }
  const timer = setInterval(() => {
    void showWitness().catch(unplayed("the witness"))
    void showPage().catch(unplayed("the console"))
    void look().then(() => show.update())
  }, REFRESH_MS)
  const unplayed = (what: string) => (error: unknown) => {
    if (signal.aborted) return
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    tell(`${what} could not be played: ${error.message}`)
  }
  const story = playIsland(paths, ISLAND, tell, signal)
    .catch(unplayed("island mode"))
    .then(() => playTwoPeople(paths.folder, PEOPLE, tell, signal))
    .catch(unplayed("two people"))
    .then(() => playPolicyChange(paths, CHANGE, tell, signal))
    .catch(unplayed("the policy change"))
  const fallen = await Promise.race([dead, aborted(signal).then(() => null)])
  clearInterval(timer)
  over.abort()
  await Promise.all([entries, story])
  show.close()
  await (witness as WitnessScene | null)?.child.stop()
  await Promise.all([gateway.stop(), plant.stop(), scene.stop()])
  await (page as ConsoleScene | null)?.stop()
  if (fallen === null) {
    const after = first.afterMs === null ? "" : `; first message forwarded after ${(first.afterMs / 1000).toFixed(1)} s`
    io.out(`lockgate demo: stopped${after}\n`)
    return 0
  }
  const which = fallen === gateway ? "gateway" : "plant"
  io.err(`lockgate demo: the ${which} ended by itself\n${fallen.errors()}\n`)
  return 1
}

async function statusOf(paths: DemoPaths): Promise<StatusReport | null> {
  try {
    const answer = await callLocal(paths.commandSocket, { command: "status", arguments: {} }, 2_000)
    return answer.ok ? (answer.result as StatusReport) : null
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "state") return null
    throw error
  }
}

function withStatus(model: LiveModel, status: StatusReport): LiveModel {
  const { inForce, trial } = status.policy
  const state = trial === null ? (inForce?.state ?? "") : `on trial, ${Math.ceil(trial.endsInMs / 1000)} s left`
  const counters = status.conduits.flatMap((conduit) => (conduit.counters === null ? [] : [conduit.counters]))
  return {
    ...withCounters(model, counters, performance.now()),
    policy: inForce === null ? "none" : `${inForce.name}, version ${inForce.version}, ${state}`,
    posture: status.island ? "island" : status.posture.normal,
    upMs: Date.now() - status.startedAt,
  }
}

interface Show {
  update(): void
  close(): void
}

function onScreen(model: () => LiveModel): Show {
  const colour = wantsColour(true, process.env)
  const update = (): void => screen.draw(renderLive(model(), { ...screen.size(), colour }))
  const screen = openScreen(process.stdout, process, () => update())
  return { update, close: () => screen.close() }
}

function inLines(model: () => LiveModel, io: CliIo): Show {
  let previous: LiveModel | null = null
  let dueMs = 0
  /** The rogue repeats itself; what was explained once needs no second time in a log. */
  const explained = new Set<string>()
  for (const hint of model().hints) io.out(`${hint}\n`)
  return {
    update: () => {
      if (performance.now() < dueMs) return
      dueMs = performance.now() + PLAIN_MS
      const now = model()
      const why = now.explained.join("\n")
      const fresh = explained.has(why) ? { ...now, explained: [] } : now
      explained.add(why)
      for (const line of renderPlain(fresh, previous)) io.out(`${line}\n`)
      previous = now
    },
    close: () => undefined,
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
}
