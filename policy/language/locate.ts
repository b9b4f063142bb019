import type { DocNode } from "./document.ts"
import type { Report } from "./report.ts"
import { itemPath, memberPath } from "./report.ts"

/** One step down in a document: a key, or the position of an item. */
export type Step = string | number

/** The node that `steps` lead to, or null where the document has none. */
export function find(root: DocNode, steps: readonly Step[]): DocNode | null {
  let node: DocNode | undefined = root
  for (const step of steps) {
    if (typeof step === "number") node = node?.kind === "list" ? node.items[step] : undefined
    else node = node?.kind === "map" ? node.entries.find(({ key }) => key === step)?.value : undefined
  }
  return node ?? null
}

/** The keys of the map that `steps` lead to; faulty values count, for what is declared badly is still declared. */
export function declaredNames(root: DocNode, steps: readonly string[]): ReadonlySet<string> {
  const node = find(root, steps)
  return new Set(node?.kind === "map" ? node.entries.map(({ key }) => key) : [])
}

/** Adds a fault at the place where `steps` lead, or as near as the document goes. A walk: made for faults, not for every value. */
export function faultAt(
  report: Report,
  place: { readonly node: DocNode; readonly path: string },
  steps: readonly Step[],
  message: string,
  hint: string | null = null,
): void {
  let { node, path } = place
  for (const step of steps) {
    node = find(node, [step]) ?? node
    path = typeof step === "number" ? itemPath(path, step) : memberPath(path, step)
  }
  report.add(node.at, path, message, hint)
}
