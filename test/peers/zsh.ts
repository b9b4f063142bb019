import { spawnSync } from "node:child_process"

/** Runs a script in a zsh that reads no files of its user. */
export function runZsh(script: string): { readonly stdout: string; readonly stderr: string } {
  return spawnSync("zsh", ["-f", "-c", script], { encoding: "utf8" })
}
