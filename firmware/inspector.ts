/**
 * The runtime's inspector, which reads and changes everything in the process, keys included: no gateway runs with one.
 *
 * It comes by an option, or by a signal (SIGUSR1) while the process runs. The launcher's `--disable-sigusr1` is against the latter.
 */
import { url } from "node:inspector"
import { StateError } from "../policy/base/errors.ts"
import { optionNames, type RuntimeOptions } from "./runtime-options.ts"

/** Without it the signal SIGUSR1 opens an inspector in a process that runs. */
export const NO_SIGNAL_FLAG = "--disable-sigusr1"

/** What is to be known about the inspector, for a probe. */
export interface InspectorState {
  /** The board file says `inspector: allow`. */
  readonly allowed: boolean
  /** One is open in this process now. */
  readonly open: boolean
}

/** Options by which the runtime opens an inspector, or says where one would be; each once. */
export function inspectorOptions(options: RuntimeOptions): readonly string[] {
  const names = optionNames(options)
  return [...new Set(names.filter((name) => name.startsWith("--inspect") || name === "--debug-port"))]
}

/** Whether an inspector listens in this process now, however it came about. */
export function inspectorIsOpen(): boolean {
  return url() !== undefined
}

/**
 * Do nothing, unless this process has an inspector or was started with an option for one.
 *
 * @throws StateError `ERR_INSPECTOR`, before anything listens or is dialled.
 * @see IEC 62443-4-2 CR 4.1, NDR 2.4
 */
export function refuseInspector(options: RuntimeOptions): void {
  const found = inspectorOptions(options)[0] ?? (inspectorIsOpen() ? "an open inspector" : undefined)
  if (found === undefined) return
  const message = `${found} gives whoever reaches it the keys and the running code: start without it, also in NODE_OPTIONS; on a developer's desk the board file may say inspector: allow`
  throw new StateError("ERR_INSPECTOR", message, { detail: { option: found } })
}
