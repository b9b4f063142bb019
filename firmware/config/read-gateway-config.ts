import { constants } from "node:fs"
import { access, stat } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import type { Parsed } from "../../policy/language/fault.ts"
import type { GatewayConfig } from "./gateway-config.ts"
import type { NamedFile } from "./gateway-checks.ts"
import { quote } from "../../policy/language/characters.ts"
import { readText, reasonOf } from "./read-text.ts"
import { GATEWAY_LIMITS, parseWithFiles } from "./parse-gateway-config.ts"

/**
 * Read a board file from disk. That it cannot be read is a fault like any other, and so is every file it names that is
 * not there or cannot be read. Paths in it are taken from its own folder. Never rejects.
 */
export async function readGatewayConfig(file: string): Promise<Parsed<GatewayConfig>> {
  const read = await readText(file, GATEWAY_LIMITS.maxJsonBytes)
  if (!read.ok) return read
  const parsed = parseWithFiles(read.value, file, dirname(resolve(file)))
  if (!parsed.ok) return parsed
  const { config, files, report } = parsed.value
  const reasons = await Promise.all(files.map((named) => reasonUnreadable(named)))
  for (const [i, { file: path, what, at, path: place }] of files.entries()) {
    const reason = reasons[i] ?? null
    if (reason !== null) report.add(at, place, `expected ${what} in ${quotePath(path)}: ${reason}`)
  }
  return report.clean ? { ok: true, value: config } : report.failure()
}

async function reasonUnreadable({ file }: NamedFile): Promise<string | null> {
  try {
    if (!(await stat(file)).isFile()) return "not a file"
    await access(file, constants.R_OK)
    return null
  } catch (error) {
    return reasonOf(error)
  }
}

function quotePath(path: string): string {
  return path.length <= 40 ? quote(path) : JSON.stringify(path)
}
