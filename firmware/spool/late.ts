import { once } from "../once.ts"
import type { Storage } from "../../hal/storage.ts"
import type { Spool } from "./store.ts"

/**
 * A spool that is opened when something is first put in or asked of it, and at once if an earlier run left something.
 *
 * @throws what `open` throws, if something was left
 */
export async function spoolWhenNeeded(storage: Storage, open: () => Promise<Spool>): Promise<Spool> {
  const spool = once(open)
  if ((await storage.list("spool")).length > 0) await spool.get()
  return {
    put: async (...given) => (await spool.get()).put(...given),
    batch: async (...given) => (await spool.get()).batch(...given),
    settle: async (...given) => (await spool.get()).settle(...given),
    forget: async (...given) => (await spool.get()).forget(...given),
    backlog: () => spool.now?.backlog() ?? [],
    close: async () => (await spool.settled())?.close(),
  }
}
