import type { Storage } from "../../hal/storage.ts"
import type { RecordedPolicy } from "../../policy/recording/recording.ts"
import { once } from "../once.ts"
import type { RecordingKeeper } from "./keeper.ts"

/**
 * A keeper that is opened when a recording is first started or asked for, and at once if an earlier run left one.
 *
 * @throws what `open` throws, if one was left
 */
export async function recordingWhenNeeded(
  storage: Storage,
  open: () => Promise<RecordingKeeper>,
): Promise<RecordingKeeper> {
  let policy: RecordedPolicy | null = null
  const keeper = once(async () => {
    const opened = await open()
    opened.policyInForce(policy)
    return opened
  })
  if ((await storage.list("recording")).length > 0) await keeper.get()
  return {
    start: async (...given) => (await keeper.get()).start(...given),
    stop: async (...given) => (await keeper.get()).stop(...given),
    status: async () => (await keeper.get()).status(),
    read: async (...given) => (await keeper.get()).read(...given),
    policyInForce: (next) => {
      policy = next
      keeper.now?.policyInForce(next)
    },
    close: async () => (await keeper.settled())?.close(),
  }
}
