import { StateError } from "../../policy/base/errors.ts"
import { optionNames, type RuntimeOptions } from "../runtime-options.ts"

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

/** The options, each once, that would tell others what is encrypted. */
export function keyLogOptions(options: RuntimeOptions): readonly string[] {
  const names = optionNames(options)
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
