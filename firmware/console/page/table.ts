/** The table: only the rows that can be seen exist, so that its length costs nothing. */
import { make } from "./dom.ts"
import type { Row } from "./rows.ts"

const COLUMNS = [
  ["seq", "Entry"],
  ["time", "Time (UTC)"],
  ["severity", "Severity"],
  ["event", "Event"],
  ["outcome", "Outcome"],
  ["subject", "Subject"],
  ["conduit", "Conduit"],
  ["about", "About"],
] as const
/** Rows beyond the edges, so that fast scrolling shows no holes. */
const SPARE = 6

/** The table on the page. */
export interface Table {
  /** Show these, newest first; the active one stays where it can. */
  show(rows: readonly Row[]): void
  /** Whether the reader stands at the top, where new entries come in. */
  focus(): void
}

/** Builds the table in `parent`; `open` is called with the row that is picked. */
export function createTable(parent: HTMLElement, open: (row: Row) => void): Table {
  const space = make("div", { class: "space", role: "rowgroup" })
  const head = make("div", { class: "row head", role: "row", "aria-rowindex": 1 })
  head.append(...COLUMNS.map(([key, title]) => make("span", { class: key, role: "columnheader" }, title)))
  const grid = make("div", { role: "grid", tabindex: 0, "aria-labelledby": "log-title", class: "grid" })
  grid.append(make("div", { role: "rowgroup", class: "heads" }, head), space)
  parent.append(grid)
  let rows: readonly Row[] = []
  let active: number | null = null
  let drawn = ""

  const rowHeight = (): number => parseFloat(getComputedStyle(grid).getPropertyValue("--row")) || 36
  const draw = (): void => {
    const height = rowHeight()
    const first = Math.max(0, Math.floor(grid.scrollTop / height) - SPARE)
    const last = Math.min(rows.length, Math.ceil((grid.scrollTop + grid.clientHeight) / height) + SPARE)
    const seen = rows.slice(first, last)
    const form = `${first} ${rows.length} ${active ?? "-"} ${height} ${seen.map(({ seq, proven }) => `${seq}${proven}`).join()}`
    if (form === drawn) return
    drawn = form
    space.style.height = `${rows.length * height}px`
    grid.setAttribute("aria-rowcount", String(rows.length + 1))
    space.replaceChildren(
      ...seen.map((row, k) => {
        const element = rowElement(row, first + k + 2, row.seq === active)
        element.style.transform = `translateY(${(first + k) * height}px)`
        return element
      }),
    )
    const isSeen = active !== null && seen.some(({ seq }) => seq === active)
    if (isSeen) grid.setAttribute("aria-activedescendant", `row-${active ?? ""}`)
    else grid.removeAttribute("aria-activedescendant")
  }
  const reveal = (at: number): void => {
    const [height, heads] = [rowHeight(), head.offsetHeight]
    if (at * height < grid.scrollTop) grid.scrollTop = at * height
    const below = (at + 1) * height + heads - grid.clientHeight
    if (below > grid.scrollTop) grid.scrollTop = below
  }
  const move = (by: number): void => {
    if (rows.length === 0) return
    const at = rows.findIndex(({ seq }) => seq === active)
    const next = at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + by))
    active = rows[next]?.seq ?? null
    reveal(next)
    draw()
  }
  const page = (): number => Math.max(1, Math.floor(grid.clientHeight / rowHeight()) - 2)
  const KEYS: Readonly<Record<string, () => void>> = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    PageDown: () => move(page()),
    PageUp: () => move(-page()),
    Home: () => move(-rows.length),
    End: () => move(rows.length),
    Enter: () => {
      const row = rows.find(({ seq }) => seq === active)
      if (row !== undefined) open(row)
    },
  }
  grid.addEventListener("keydown", (event) => {
    const act = event.ctrlKey || event.altKey || event.metaKey ? undefined : KEYS[event.key]
    if (act === undefined) return
    event.preventDefault()
    act()
  })
  grid.addEventListener("click", (event) => {
    const element = event.target instanceof Element ? event.target.closest("[data-seq]") : null
    const row = rows.find(({ seq }) => String(seq) === element?.getAttribute("data-seq"))
    if (row === undefined) return
    active = row.seq
    draw()
    open(row)
  })
  grid.addEventListener("scroll", draw, { passive: true })
  new ResizeObserver(draw).observe(grid)
  return {
    show(next) {
      // Who reads further down keeps the place while new entries come in above.
      const top = Math.floor(grid.scrollTop / rowHeight())
      const anchor = grid.scrollTop > 0 ? rows[top]?.seq : undefined
      rows = next
      const at = anchor === undefined ? -1 : rows.findIndex(({ seq }) => seq === anchor)
      space.style.height = `${rows.length * rowHeight()}px`
      if (at >= 0 && at !== top) grid.scrollTop += (at - top) * rowHeight()
      draw()
    },
    focus: () => grid.focus(),
  }
}

function rowElement(row: Row, place: number, isActive: boolean): HTMLElement {
  const cell = (key: string, text: string, extra: Readonly<Record<string, string>> = {}): HTMLElement =>
    make("span", { class: key, role: "gridcell", title: text, ...extra }, text)
  const attributes = {
    class: "row",
    role: "row",
    id: `row-${row.seq}`,
    "data-seq": row.seq,
    "data-severity": row.severity,
    "data-outcome": row.outcome,
    "data-proven": String(row.proven),
    "aria-rowindex": place,
    "aria-selected": String(isActive),
  }
  const mark = row.proven ? "✓" : "…"
  const proof = row.proven ? "proven" : "not proven yet"
  const seq = make("span", { class: "seq", role: "gridcell" })
  seq.append(make("span", { class: "mark", title: proof, role: "img", "aria-label": proof }, mark), String(row.seq))
  return make(
    "div",
    attributes,
    seq,
    cell("time", timeOf(row.at)),
    cell("severity", row.severity),
    cell("event", row.event),
    cell("outcome", row.outcome),
    cell("subject", row.subject),
    cell("conduit", row.conduit),
    cell("about", row.about),
  )
}

function timeOf(at: number): string {
  if (Number.isNaN(at)) return "-"
  return new Date(at).toISOString().replace("T", " ").slice(0, 19)
}
