import { spawnSync } from "node:child_process"
import { globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { randomBytes } from "node:crypto"
import { commandPath } from "./packages.ts"

/** A token in software, in a folder of its own, with a PIN that is made here. */
export interface SoftToken {
  readonly module: string
  readonly token: string
  readonly pin: string
  /** What a process needs to find it. */
  readonly env: Readonly<Record<string, string>>
  readonly folder: string
  remove(): void
}

/** A fresh SoftHSM token. */
export function makeSoftToken(token = "lockgate-test"): SoftToken {
  const util = commandPath("softhsm2-util")
  const module = globSync("/usr/lib/{softhsm,*/softhsm}/libsofthsm2.so")[0]
  if (util === null || module === undefined) throw new Error("SoftHSM is not installed: see debian-packages.txt")
  const folder = mkdtempSync(join(tmpdir(), "lockgate-softhsm-"))
  mkdirSync(join(folder, "tokens"))
  const conf = join(folder, "softhsm2.conf")
  writeFileSync(
    conf,
    `directories.tokendir = ${join(folder, "tokens")}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  )
  const env = { PATH: process.env["PATH"] ?? "", SOFTHSM2_CONF: conf }
  const pin = randomBytes(6).toString("hex")
  const soPin = randomBytes(6).toString("hex")
  const args = ["--init-token", "--free", "--label", token, "--so-pin", soPin, "--pin", pin]
  const made = spawnSync(util, args, { env, encoding: "utf8" })
  if (made.status !== 0) throw new Error(`softhsm2-util: ${made.stderr}`)
  return { module, token, pin, env, folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
