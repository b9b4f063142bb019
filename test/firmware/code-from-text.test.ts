import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { canMakeCode } from "../../firmware/code-from-text.ts"

const test = suite("firmware/code-from-text")
const file = new URL("../../firmware/code-from-text.ts", import.meta.url)
const script = `import { canMakeCode } from ${JSON.stringify(file.href)}\n`

test("[NDR 2.4] no code comes from text under the gateway's flags, in no thread", async () => {
  assert.is(canMakeCode(), false)
  const text = `${script}import { parentPort } from "node:worker_threads"\nparentPort.postMessage(canMakeCode())`
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`))
  assert.is(await new Promise((resolve) => thread.once("message", resolve)), false)
})

test("[NDR 2.4] without that flag it is found out", () => {
  const args = ["--input-type=module", "-e", `${script}console.log(canMakeCode())`]
  assert.is(
    execFileSync(process.execPath, args, { cwd: fileURLToPath(new URL("../..", import.meta.url)) }).toString(),
    "true\n",
  )
})

test.run()
