/** Pieces of SVG as text: every text and attribute goes through `escaped`, so that no name in a policy is markup. */

type Attributes = Readonly<Record<string, string | number>>

/** `text` as XML holds it; characters that XML 1.0 has no place for become U+FFFD. */
export function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

/** An element; `inner` is markup already. */
export function element(name: string, attributes: Attributes, ...inner: readonly string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`)
  return inner.length === 0
    ? `<${name}${written.join("")}/>`
    : `<${name}${written.join("")}>${inner.join("")}</${name}>`
}

/** Widest characters of the fonts named in `STYLE`, in parts of the size: what is cut by them fits. */
const WIDTH = { mono: 0.61, sans: 0.6 } as const

/** Characters of that size that fit into `width`; at least 4. */
export function charactersIn(width: number, size: number, font: keyof typeof WIDTH): number {
  return Math.max(4, Math.floor(width / (size * WIDTH[font])))
}

/** At most `length` characters, the last one an ellipsis if some were cut. */
export function cut(text: string, length: number): string {
  const characters = Array.from(text)
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`
}

/** `text` in lines of at most `length` characters, broken behind a space, comma or slash where there is one; at most `lines`. */
export function wrapped(text: string, length: number, lines: number): readonly string[] {
  const made: string[] = []
  let rest = Array.from(text)
  while (rest.length > length && made.length < lines - 1) {
    let at = length
    while (at > length / 2 && !/[ ,/]/.test(rest[at - 1] ?? "")) at--
    if (at <= length / 2) at = length
    made.push(rest.slice(0, at).join("").trimEnd())
    rest = Array.from(` ${rest.slice(at).join("").trimStart()}`)
  }
  return [...made, rest.join("")]
}

/** A line of text at its baseline, cut to `width`; the whole text is shown under the pointer if it was. */
export function line(
  at: { readonly x: number; readonly y: number; readonly width: number },
  look: { readonly class: string; readonly size: number; readonly anchor?: "start" | "middle" | "end" },
  text: string,
): string {
  const font = look.class.includes("mono") ? "mono" : "sans"
  const shown = cut(text, charactersIn(at.width, look.size, font))
  const attributes = {
    x: at.x,
    y: at.y,
    class: look.class,
    "font-size": look.size,
    "text-anchor": look.anchor ?? "start",
  }
  const title = shown === text ? [] : [element("title", {}, escaped(text))]
  return element("text", attributes, ...title, escaped(shown))
}

/** Colours for a light and a dark page, in one place; no script, nothing loaded from elsewhere. */
export const STYLE = `
text { font-family: system-ui, "DejaVu Sans", Arial, sans-serif; fill: #1c2733; white-space: pre }
.mono { font-family: "DejaVu Sans Mono", ui-monospace, Menlo, Consolas, monospace }
.bold { font-weight: 600 }
.soft { fill: #5b6b7b }
.bad { fill: #b3261e }
.page { fill: #ffffff }
.zone { fill: #eef3f8; stroke: #9fb3c6 }
.untrusted { fill: #fdf1ee; stroke: #d69a8c; stroke-dasharray: 6 4 }
.card { fill: #f8fafc; stroke: #c4d0dc }
.rule { stroke: #dbe3ea }
.way { stroke: #2a5d8f; stroke-width: 2.5; fill: none }
.over { stroke-width: 1; stroke-dasharray: 2 5 }
.clear { stroke: #b3261e }
.head { fill: #2a5d8f }
.gate { fill: #ffffff; stroke: #2a5d8f; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e4ebf2 }
.soft { fill: #9fb0c0 }
.bad { fill: #ff9e91 }
.page { fill: #12181f }
.zone { fill: #1c2733; stroke: #47596b }
.untrusted { fill: #2c1f1d; stroke: #8c5a4e }
.card { fill: #182029; stroke: #38475a }
.rule { stroke: #2c3947 }
.way { stroke: #7fb4e6 }
.clear { stroke: #ff9e91 }
.head { fill: #7fb4e6 }
.gate { fill: #12181f; stroke: #7fb4e6 }
}
`
