import { StateError } from "../../policy/base/errors.ts"

/**
 * What makes the runtime write down session keys or what TLS carries, and files in which its options could hide: those are not
 * looked into, they are refused.
 */
const OPTIONS = [
  "--tls-keylog",
  "--trace-tls",
  "--experimental-config-file",
  "--experimental-default-config-file",
] as const

/** Where a process or a thread has its options from. */
export interface RuntimeOptions {
  /** As in `process.execArgv`. */
  readonly execArgv: readonly string[]
  /** As in the environment. */
  readonly nodeOptions: string | undefined
}

/** The options, each once, that would tell others what is encrypted. Spelt as the runtime takes them: `_` for `-`, quotes and escapes. */
export function keyLogOptions({ execArgv, nodeOptions = "" }: RuntimeOptions): readonly string[] {
  // In quotes a backslash stands for nothing, and so hides nothing here.
  const fromEnvironment = nodeOptions.replaceAll(/["'\\]/g, "").split(/\s+/)
  const names = [...execArgv, ...fromEnvironment].map((word) => word.replaceAll("_", "-").split("=", 1)[0])
  return OPTIONS.filter((option) => names.includes(option))
}

/**
 * Do nothing, unless this process or thread was started with an option that gives away what is encrypted.
 *
 * @throws ERR_TLS_KEY_LOG, before anything listens or is dialled.
 * @see IEC 62443-4-2 CR 4.1
 */
export function refuseKeyLog(options: RuntimeOptions): void {
  const [found] = keyLogOptions(options)
  if (found === undefined) return
  const message = `${found} gives away what TLS protects: start without it, also in NODE_OPTIONS`
  throw new StateError("ERR_TLS_KEY_LOG", message, { detail: { option: found } })
}
