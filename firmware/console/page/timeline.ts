/** Events and denials over time. Dragging over it narrows the table to that time. */
import uPlot from "uplot"
import { timelineOf, type Row } from "./rows.ts"

const HEIGHT = 120
const MAX_BARS = 160

/** The picture on the page. */
export interface TimelineView {
  show(rows: readonly Row[]): void
}

/** Builds the picture in `parent`; `pick` is called with a time that was dragged over, in milliseconds. */
export function createTimeline(parent: HTMLElement, pick: (range: readonly [number, number]) => void): TimelineView {
  let plot: uPlot | null = null
  let shown: readonly Row[] = []
  const render = (): void => {
    const { at, others, denials, spanSeconds } = timelineOf(shown, MAX_BARS)
    const total = others.map((count, k) => count + (denials[k] ?? 0))
    parent.setAttribute(
      "aria-label",
      wordsFor(
        shown,
        denials.reduce((sum, n) => sum + n, 0),
      ),
    )
    if (at.length === 0) {
      plot?.destroy()
      plot = null
      return
    }
    const data: uPlot.AlignedData = [[...at], total, [...denials]]
    // A fresh picture: colours follow the scheme, bars their span.
    plot?.destroy()
    plot = new uPlot(options(parent, spanSeconds, at, pick), data, parent)
  }
  let frame = 0
  const later = (): void => {
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(render)
  }
  let width = 0
  new ResizeObserver(() => {
    if (parent.clientWidth === width) return
    width = parent.clientWidth
    later()
  }).observe(parent)
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", later)
  return {
    show(rows) {
      shown = rows
      later()
    },
  }
}

function options(
  parent: HTMLElement,
  spanSeconds: number,
  at: readonly number[],
  pick: (range: readonly [number, number]) => void,
): uPlot.Options {
  const colour = (name: string): string => getComputedStyle(parent).getPropertyValue(name).trim()
  const bars = uPlot.paths.bars?.({ size: [0.85, 40, 1], align: 1 })
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } }
  const series = (label: string, fill: string): uPlot.Series => ({
    label,
    fill,
    stroke: fill,
    width: 0,
    points: { show: false },
    ...(bars === undefined ? {} : { paths: bars }),
  })
  return {
    width: Math.max(200, parent.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    // As the table: all gateways in one time, whoever looks from where.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC"),
    cursor: { y: false, drag: { x: true, y: false, setScale: false } },
    scales: {
      x: { range: () => [at[0] ?? 0, (at.at(-1) ?? 0) + spanSeconds] },
      y: { range: (_, __, max) => [0, Math.max(4, Math.ceil(max * 1.1))] },
    },
    axes: [
      { ...axis, size: 28, values: (_, ticks, __, ___, step) => ticks.map((at) => tickText(at, step)) },
      {
        ...axis,
        size: 40,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000],
        space: 28,
      },
    ],
    series: [{}, series("events", colour("--bar")), series("denials", colour("--denied"))],
    hooks: {
      setSelect: [
        (self) => {
          const { left, width } = self.select
          if (width < 4) return
          pick([self.posToVal(left, "x") * 1_000, self.posToVal(left + width, "x") * 1_000])
        },
      ],
    },
  }
}

function tickText(at: number, stepSeconds: number): string {
  const text = new Date(at * 1_000).toISOString()
  if (stepSeconds >= 86_400) return text.slice(0, 10)
  if (stepSeconds >= 3_600) return `${text.slice(5, 10)} ${text.slice(11, 16)}`
  return text.slice(11, stepSeconds >= 60 ? 16 : 19)
}

function wordsFor(rows: readonly Row[], denials: number): string {
  const [newest, oldest] = [rows[0], rows.at(-1)]
  if (newest === undefined || oldest === undefined) return "Timeline: no entries."
  const when = (at: number): string => (Number.isNaN(at) ? "an unknown time" : new Date(at).toISOString())
  return `Timeline: ${rows.length} entries, ${denials} of them denials, from ${when(oldest.at)} to ${when(newest.at)}.`
}
