import { LockgateError } from "../../policy/base/errors.ts"
import { childrenOf, expectTag, readElement, readOid, TAG, type Element } from "./der.ts"

const MODBUS_ROLE = "1.3.6.1.4.1.50316.802.1"

/** Longest role that is read, in bytes. */
const MAX_ROLE_BYTES = 256

/**
 * The role that a certificate bears for Modbus/TCP Security, or null: it bears none, or not one UTF-8 text of 1..256 bytes
 * without control characters. `der` has been read by `certificateFacts`.
 *
 * @see MODBUS/TCP Security Protocol Specification section 8.4
 */
export function modbusRoleOf(der: Uint8Array): string | null {
  try {
    const whole = expectTag(readElement(der, 0, der.length), TAG.sequence, "the outermost sequence")
    const [body] = childrenOf(der, whole)
    const holder = childrenOf(der, expectTag(body, TAG.sequence, "the signed part")).find(({ tag }) => tag === 0xa3)
    const [list] = holder === undefined ? [] : childrenOf(der, holder)
    for (const extension of list === undefined ? [] : childrenOf(der, list)) {
      const parts = childrenOf(der, extension)
      if (readOid(der, parts[0]) === MODBUS_ROLE) return readRole(der, parts.at(-1))
    }
    return null
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "input") return null
    throw error
  }
}

function readRole(der: Uint8Array, holder: Element | undefined): string | null {
  const value = expectTag(holder, TAG.octetString, "the value of an extension")
  const text = expectTag(readElement(der, value.from, value.to), TAG.utf8, "a Modbus role")
  if (text.to !== value.to || text.to === text.from || text.to - text.from > MAX_ROLE_BYTES) return null
  const role = new TextDecoder("utf-8", { ignoreBOM: true }).decode(der.subarray(text.from, text.to))
  return /[\p{Cc}\ufffd]/u.test(role) ? null : role
}
