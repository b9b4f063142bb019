/** One entry in full, with its proof as a path through the tree. */
import { byId, draw, make, show, type Part } from "./dom.ts"
import type { EntryProof } from "./messages.ts"
import { sign } from "./verdict.ts"

const STEP = 46
const WIDTH = 340

/** Fills and opens the panel. */
export function showDetail(panel: HTMLElement, gateway: string, proof: EntryProof, close: () => void): void {
  const title = make("h2", { id: "detail-title" }, `Entry ${proof.seq} of ${gateway}`)
  const closing = make("button", { type: "button", id: "detail-close", "aria-keyshortcuts": "Escape" }, "Close")
  const wasOpen = !panel.hidden
  show(
    panel,
    make("div", { class: "bar" }, title, closing),
    ...verdictOf(proof),
    factsOf(proof.line),
    ...pictureOf(proof),
    raw(proof),
  )
  panel.hidden = false
  byId("detail-close").onclick = close
  if (!wasOpen) byId("detail-close").focus({ preventScroll: true })
}

function verdictOf({ tree }: EntryProof): readonly Part[] {
  const verdict = tree === null ? "unverified" : tree.holds ? "verified" : "wrong"
  const text = {
    unverified: "Not proven yet: no signed checkpoint covers it, or a piece that shows it is missing.",
    verified: `Proven: ${tree?.steps.length ?? 0} hashes lead from its very bytes to the signed root of ${tree?.size ?? 0} entries.`,
    wrong: "The proof does not lead to the signed root.",
  }[verdict]
  return [make("p", { class: "proof-verdict", "data-verdict": verdict }, sign(verdict), make("span", {}, text))]
}

/** Every key of the entry as it stands, nested facts with a dot. */
function factsOf(line: string): HTMLElement {
  let found: unknown
  try {
    found = JSON.parse(line)
  } catch {
    found = null
  }
  const list = make("dl", { class: "entry-facts" })
  const add = (key: string, value: unknown): void => {
    if (typeof value === "object" && value !== null)
      for (const [inner, fact] of Object.entries(value)) add(`${key}.${inner}`, fact)
    else list.append(make("dt", {}, key), make("dd", {}, wordFor(key, value)))
  }
  if (typeof found === "object" && found !== null) for (const [key, value] of Object.entries(found)) add(key, value)
  return list
}

function wordFor(key: string, value: unknown): string {
  if (value === null) return key === "latest" ? "unknown" : "-"
  const isTime = (key === "earliest" || key === "latest") && typeof value === "number" && value <= 8.64e15
  if (isTime) return new Date(value).toISOString()
  return `${value as string | number | boolean}`
}

/** From the leaf at the bottom to the root at the top; beside each step the hash that it is joined with. */
function pictureOf({ leaf, tree, seq }: EntryProof): readonly Part[] {
  if (tree === null) return []
  const height = tree.steps.length * STEP + 48
  const svg = draw("svg", {
    viewBox: `0 0 ${WIDTH} ${height}`,
    class: "proof",
    role: "img",
    "aria-labelledby": "proof-title",
  })
  svg.append(
    draw("title", { id: "proof-title" }, `Path of entry ${seq} through ${tree.steps.length} hashes to the root`),
  )
  let [x, y] = [WIDTH / 2, height - 18]
  const nodes: Part[] = [node(x, y, leaf, "leaf", `entry ${seq}`)]
  for (const [k, step] of tree.steps.entries()) {
    const beside = step.side === "left" ? x - 150 : x + 150
    const [besideX, nextY] = [Math.max(58, Math.min(WIDTH - 58, beside)), y - STEP]
    const isTop = k === tree.steps.length - 1
    svg.append(edge(x, y, WIDTH / 2, nextY, "path"), edge(besideX, y - STEP / 2, WIDTH / 2, nextY, "beside"))
    nodes.push(node(besideX, y - STEP / 2, step.hash, "beside", ""))
    ;[x, y] = [WIDTH / 2, nextY]
    nodes.push(node(x, y, step.result, isTop ? (tree.holds ? "root" : "root bad") : "path", isTop ? "root" : ""))
  }
  svg.append(...nodes)
  const matches = tree.holds ? "the signed root" : "not the signed root"
  const said = make("p", { class: "hint" }, `The root is ${matches}: `, make("code", {}, tree.root))
  return [make("h3", {}, "Proof"), svg, said]
}

function node(x: number, y: number, hash: string, kind: string, label: string): SVGElement {
  const group = draw("g", { class: `node ${kind}`, transform: `translate(${x} ${y})` })
  group.append(draw("rect", { x: -52, y: -12, width: 104, height: 24, rx: 6 }))
  group.append(
    draw(
      "text",
      { y: 4, "text-anchor": "middle" },
      label === "" ? `${hash.slice(0, 12)}…` : `${label} ${hash.slice(0, 4)}…`,
    ),
  )
  group.append(draw("title", {}, hash))
  return group
}

function edge(x1: number, y1: number, x2: number, y2: number, kind: string): SVGElement {
  const middle = (y1 + y2) / 2
  return draw("path", { d: `M${x1} ${y1} C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`, class: `edge ${kind}` })
}

function raw({ line, leaf }: EntryProof): HTMLElement {
  const told = make("details", {}, make("summary", {}, "The bytes that are hashed"))
  told.append(
    make("pre", { class: "raw", tabindex: 0 }, line),
    make("p", { class: "hint" }, "Leaf hash ", make("code", {}, leaf)),
  )
  return told
}
