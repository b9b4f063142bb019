import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { commandPath } from "./packages.ts"

/** What the real nft made of a ruleset. */
export interface NftResult {
  readonly ok: boolean
  /** What it said, or after loading the ruleset as the kernel has it. */
  readonly output: string
}

/**
 * `nft -c -f` on the text, in a network namespace of its own: nft talks to the kernel even to check a file. Where that is
 * not permitted the runner leaves the test out (`debian-packages.txt`).
 */
export function checkRuleset(text: string): NftResult {
  return inNamespace(text, (nft, file) => `${nft} -c -f ${file}`)
}

/** Load the text, twice, into a network namespace that is gone afterwards, and read it back. */
export function loadRuleset(text: string): NftResult {
  return inNamespace(text, (nft, file) => `${nft} -f ${file} && ${nft} -f ${file} && ${nft} list ruleset`)
}

function inNamespace(text: string, script: (nft: string, file: string) => string): NftResult {
  const nft = commandPath("nft")
  if (nft === null) throw new Error("nft is not installed: see test/peers/debian-packages.txt")
  const folder = mkdtempSync(join(tmpdir(), "lockgate-nft-"))
  try {
    const file = join(folder, "ruleset.nft")
    writeFileSync(file, text)
    const { status, stdout, stderr } = spawnSync("unshare", ["-n", "sh", "-c", script(nft, file)], { encoding: "utf8" })
    return { ok: status === 0, output: stdout + stderr }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
