/**
 * The only way this page makes elements. Texts become text nodes: nothing that an entry says is ever read as markup.
 */

/** A part of an element: a node, or a text that is shown as it stands. */
export type Part = Node | string

/** An element with attributes and parts; an attribute of null is left out. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string | number | null>> = {},
  ...parts: readonly Part[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(key, String(value))
  element.append(...parts)
  return element
}

/** The same for pictures. */
export function draw<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string | number>> = {},
  ...parts: readonly Part[]
): SVGElementTagNameMap[Name] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value))
  element.append(...parts)
  return element
}

/** An element of `console.html`. */
export function byId(id: string): HTMLElement {
  return elementOf(id, HTMLElement)
}

/** An element of `console.html` of this kind. */
export function elementOf<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const element = document.getElementById(id)
  if (!(element instanceof kind)) throw new TypeError(`the page has no such #${id}`)
  return element
}

/** Put `parts` in place of what is there, unless it is the same text and form: a reader's place is not lost to a redraw. */
export function show(parent: Element, ...parts: readonly Part[]): void {
  const next = make("div", {}, ...parts)
  if (next.childNodes.length === parent.childNodes.length) {
    const same = [...next.childNodes].every((node, k) => parent.childNodes[k]?.isEqualNode(node) === true)
    if (same) return
  }
  parent.replaceChildren(...next.childNodes)
}
