/** What a storm has to show. The runner collects these lines and writes `test/STORMS.md` from them. */
export type StormKind =
  "process kill" | "power cut (model)" | "failing disk (model)" | "dead thread" | "random cases" | "attack mix"

/** One line of figures that a storm leaves behind. */
export interface StormLine {
  readonly kind: StormKind
  /** What was stormed. */
  readonly name: string
  readonly figures: Readonly<Record<string, number>>
}

/** True in `make storm`: the long form is wanted. */
export const STORM = process.env["LOCKGATE_STORM"] === "1"

const MARK = "STORM "

/** Print the figures of a storm for the runner; says nothing in an ordinary test run. */
export function tellStorm(kind: StormKind, name: string, figures: object): void {
  if (STORM) console.log(`\n${MARK}${JSON.stringify({ kind, name, figures })}`)
}

/** The lines that `tellStorm` has printed into `output`. */
export function stormLines(output: string): StormLine[] {
  const lines = output.split("\n").filter((line) => line.startsWith(MARK))
  return lines.map((line) => JSON.parse(line.slice(MARK.length)) as StormLine)
}
