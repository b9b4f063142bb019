import { encodeNoteKey } from "../../policy/audit/tlog/note.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { nodeSha256 } from "../audit/note-functions.ts"
import { ownLogKey } from "../cli/audit-log-key.ts"
import { thousands } from "../cli/text.ts"
import type { StatusReport } from "../management/status-report.ts"
import { startChild, type Child } from "./child.ts"
import { witnessHint } from "./hints.ts"
import type { DemoPaths } from "./material.ts"

/** This machine's clock is its own judge here: the demo has nobody to ask. */
const CLOCK_BOUND_S = 60

/** The witness, running. */
export interface WitnessScene {
  readonly child: Child
  /** How to verify its copy. */
  readonly hint: string
}

/**
 * Starts the plant's log server, a process of its own: it keeps a verified copy of the gateway's log, which it reads from the broker
 * alone, and cosigns it. Null while the gateway has no key for its log yet.
 *
 * @see IEC 62443-4-2 CR 3.9
 */
export async function startWitness(paths: DemoPaths): Promise<WitnessScene | null> {
  const { witness } = paths
  const key = await ownLogKey(paths.stateFolder, originOf(paths.gatewayName))
  if (key === null) return null
  const logKey = encodeNoteKey(nodeSha256, key)
  const args = [
    ...["audit", "collect", "--broker", `mqtts://127.0.0.1:${paths.brokerPort}`, "--ca", paths.controlAuthority],
    ...["--cert", witness.certificate, "--cert-key", witness.key, "--key", witness.cosignerKey],
    ...["--store", witness.store, "--gateway", `${paths.gatewayName}=${logKey}`],
    ...["--clock-bound", String(CLOCK_BOUND_S)],
  ]
  return { child: startChild("../cli.ts", args, () => undefined), hint: witnessHint(paths, logKey, process.cwd()) }
}

/** Who vouches for the log, and how far, in a few words; null while nobody does. As the gateway itself has verified it. */
export function witnessedWords(status: StatusReport): string | null {
  const [by] = status.audit.witnesses?.by ?? []
  if (by === undefined || by.size === null) return null
  const behind = by.behind === 0 ? "" : `, ${thousands(by.behind)} behind`
  const bad = by.putBack ? ": IT KNOWS ANOTHER LOG" : by.refused === null ? "" : `: IT REFUSES (${by.refused})`
  return `cosigned by ${by.name} to entry ${thousands(by.size)}${behind}${bad}`
}

/** What is told once, at the first line of the witness; null before it. */
export function witnessStory(status: StatusReport): string | null {
  const [by] = status.audit.witnesses?.by ?? []
  if (by === undefined || by.size === null) return null
  return `the witness, ${by.name}, another process, cosigned the log up to entry ${thousands(by.size)}: rewriting it is noticed from here on`
}
