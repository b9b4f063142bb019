import type { StatusReport } from "../management/status-report.ts"
import { localTime, thousands } from "./text.ts"

/** Who vouches for the log, in a line each; and whose logs this gateway vouches for. Nothing where the board file names nobody. */
export function witnessLines(witnesses: StatusReport["audit"]["witnesses"], nowAt: number): readonly string[] {
  if (witnesses === undefined) return []
  const by = witnesses.by.map((one) => {
    const { name, kind, size, at, behind, silent, putBack, refused } = one
    const word = kind === "witness" ? "witnessed by" : "collected by"
    if (size === null || at === null)
      return `${word} ${name}: NOT YET${putBack ? ", AND IT KNOWS ANOTHER LOG OF THIS NAME" : ""}`
    const late = behind === 0 ? "" : `, ${thousands(behind)} entries behind`
    const bad = putBack
      ? ": IT HAS SEEN MORE, OR ANOTHER LOG: THIS GATEWAY WAS PUT BACK OR COPIED"
      : refused !== null
        ? `: IT REFUSES WHAT CAME AFTER (${refused})`
        : silent
          ? ": SILENT SINCE"
          : ""
    return `${word} ${name} at size ${thousands(size)}, ${localTime(at, nowAt)}${late}${bad}`
  })
  const of = witnesses.of.map(({ gateway, size }) =>
    size === null
      ? `witness of ${gateway}: nothing seen of it yet`
      : `witness of ${gateway}, to size ${thousands(size)}`,
  )
  return [...by, ...of].map((line) => `          ${line}`)
}
