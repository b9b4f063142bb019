/**
 * The word or sentence of an entry's `detail` without which its line says nothing: what an input, an output or the posture
 * came to be, or the text of a failure. Empty if there is none. Foreign text: print it with care.
 */
export function detailWords(event: unknown, detail: unknown): string {
  if (typeof detail !== "object" || detail === null) return ""
  if (event === "input.changed" && "state" in detail) return textOf(detail.state)
  if (event === "output.changed" && "on" in detail) return detail.on === true ? "on" : "off"
  if (event === "gateway.posture" && "normal" in detail) return `flows ${textOf(detail.normal)}`
  return "text" in detail ? textOf(detail.text) : ""
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : ""
}
