/**
 * Preloaded into a gateway's process (`--import`): writes down what each of its threads loads, a line `thread path` each, to the file
 * that `LOADED_MODULES` names.
 */
import { appendFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { isMainThread, threadName } from "node:worker_threads"

const file = process.env["LOADED_MODULES"]
const seen = new Set<string>()
if (file !== undefined)
  registerHooks({
    load(url, context, next) {
      if (!seen.has(url)) appendFileSync(file, `${isMainThread ? "main" : threadName} ${url}\n`)
      seen.add(url)
      return next(url, context)
    },
  })
