import { explainEntry, isDenial } from "../../policy/analysis/explain-entry.ts"
import { parseEntry, type Entry } from "../../policy/audit/entry.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import { readPolicyInForce } from "../cli/policy-source.ts"

/** A reader needs this long for one explanation before the next one takes its place. */
const SHOWN_MS = 4_000

/** Explains the last denial of one subject by the policy in force, as `lockgate policy explain --last` does. */
export interface Explainer {
  /** Take a line of the log into account; it need not be a denial, nor whole. */
  note(line: string): void
  /** The lines to show, after `nowMs` (monotonic); the same for some seconds, however many denials there are. */
  lines(nowMs: number): Promise<readonly string[]>
}

/** An explainer for `subject`, over the state folder of a gateway on this machine. */
export function createExplainer(stateFolder: string, subject: string): Explainer {
  let last: Entry | null = null
  let shown: readonly string[] = []
  let dueMs = 0
  return {
    note(line) {
      const entry = entryOf(line)
      if (entry !== null && isDenial(entry) && entry.subject === subject) last = entry
    },
    async lines(nowMs) {
      const entry = last
      if (entry === null || nowMs < dueMs) return shown
      dueMs = nowMs + SHOWN_MS
      last = null
      const silent = { out: () => undefined, err: () => undefined, signal: new AbortController().signal, isTTY: false }
      const inForce = await readPolicyInForce(stateFolder, silent)
      const explained = inForce === null ? null : explainEntry(inForce.policy, entry)
      if (explained?.ok === true) shown = explained.value.lines
      return shown
    },
  }
}

function entryOf(line: string): Entry | null {
  try {
    return parseEntry(new TextEncoder().encode(line))
  } catch (error) {
    if (error instanceof LockgateError && error.kind !== "invariant") return null
    throw error
  }
}
