import { suite } from "uvu"
import * as assert from "uvu/assert"
import { completion } from "../../../firmware/cli/completion.ts"
import { runCli } from "../../support/cli-io.ts"
import { runZsh } from "../../peers/zsh.ts"

const test = suite("firmware/cli/completion-zsh")

test("a real zsh reads the script and proposes from the same table, and keeps its own PATH", async () => {
  const { out } = await runCli((io) => completion(["zsh"], io))
  const ask = `compdef() { : }
${out}
print -- \${=$(_lockgate_words account "" gateway account)}
print -- \${=$(_lockgate_words add --d gateway account add)}
print -- $PATH`
  const { stdout, stderr } = runZsh(ask)
  const [words = "", options = "", path = ""] = stdout.split("\n")
  assert.is(stderr, "")
  assert.match(words, "add change disable")
  assert.match(options, "--dry-run")
  assert.is(path, process.env["PATH"])
})

test.run()
