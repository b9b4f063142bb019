import type { PayloadForm } from "../language/payload-form.ts"

/** True if the payload is of the form. */
export function fitsForm(form: PayloadForm, payload: Uint8Array): boolean {
  switch (form.kind) {
    case "any":
      return true
    case "utf8":
      return isUtf8(payload)
    case "json":
    case "sparkplug-b":
      return isUtf8(payload)
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}
