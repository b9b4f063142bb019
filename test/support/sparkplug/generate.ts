/**
 * Writes `sparkplug-b.generated.js` and `.d.ts` from `sparkplug-b.proto` with pbjs: `make generate`. Static code, because
 * protobufjs makes its coders with `Function(...)` otherwise, which is off in this project. With an argument: into that folder.
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const here = fileURLToPath(new URL(".", import.meta.url))
const pbjs = fileURLToPath(new URL("../../../node_modules/protobufjs-cli/bin/pbjs", import.meta.url))
const out = `${process.argv[2] ?? here.replace(/\/$/, "")}/sparkplug-b.generated.js`
const leaveOut = ["verify", "convert", "delimited", "typeurl", "service"].map((x) => `--no-${x}`)
const options = ["-t", "static-module", "-w", "esm", "--force-long", ...leaveOut, "--dts", "-o", out]
const { status } = spawnSync(process.execPath, [pbjs, ...options, `${here}sparkplug-b.proto`], { stdio: "inherit" })
process.exitCode = status ?? 1
