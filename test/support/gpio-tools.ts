import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A chip in a folder, and tools of one version that work on it: `<chip>-<line>` holds the level of a line. */
export interface StandInTools {
  readonly tools: string
  readonly pidFile: string
  /** What the wire of an input is from now on; whoever watches hears of the edge. */
  drive(line: number, level: 0 | 1): void
  /** `1`, `0`, or `free` once nobody drives the line; null if nobody ever did. */
  output(line: number): string | null
  /** Every level that an interactive gpioset gave the line, and `free` when it let go. */
  history(line: number): string[]
  /** While true an interactive gpioset takes 50 ms for an order. */
  slow(slow: boolean): void
  /** Of the interactive gpioset that was started last. */
  interactivePid(): number
  /** While true every tool fails, as without a chip. */
  breakChip(broken: boolean): void
  /** A program in a file of its own. */
  script(text: string): string
  remove(): void
}

/** Write stand-ins for gpioget, gpiomon and gpioset of libgpiod 1.6 or 2.2; strict: other arguments are an error. */
export function standInTools(version: 1 | 2): StandInTools {
  const folder = mkdtempSync(join(tmpdir(), `lockgate-gpio-${version}-`))
  const tools = join(folder, "bin")
  mkdirSync(tools)
  const said = version === 1 ? "v1.6.3" : "v2.2.1"
  const tool = (name: string, body: string): void => {
    const file = join(tools, name)
    const head = `#!/bin/sh\n[ "$1" = --version ] && { echo "${name} (libgpiod) ${said}"; exit 0; }\n[ -e ${folder}/broken ] && exit 1\n`
    writeFileSync(file, head + body)
    chmodSync(file, 0o755)
  }
  const chip = (first: string): string =>
    version === 1
      ? `${first}case "$1" in --bias=*) shift;; esac; chip=$1; shift`
      : `${first}case "$1" in --bias=*) shift;; esac; [ "$1" = --chip ] || exit 2; chip=$2; shift 2`
  const numeric = version === 2 ? '[ "$1" = --numeric ] || exit 2; shift; ' : ""
  tool(
    "gpioget",
    `${chip(numeric)}\nfor l in "$@"; do printf '%s ' "$(cat ${folder}/$chip-$l 2>/dev/null || echo 0)"; done; echo\n`,
  )
  const mode =
    version === 1 ? '[ "$1" = --line-buffered ] || exit 2; shift; ' : '[ "$1" = --edges=both ] || exit 2; shift; '
  const format = `${mode}[ "$1" = "--format=%o %e" ] || exit 2; shift; `
  tool("gpiomon", `${chip(format)}\nexec tail -n 0 -s 0.02 -f ${folder}/edges\n`)
  const set =
    version === 1 ? '[ "$1" = --mode=signal ] || exit 2; chip=$2; v=$3' : '[ "$1" = --chip ] || exit 2; chip=$2; v=$3'
  // As the real one does: at the end of its input it goes on for ever, with the level that it has.
  const interactive = `if [ "$1" = --interactive ]; then
[ "$2" = --chip ] || exit 2
f=${folder}/$3-\${4%=*}
put() { echo $1 > $f; echo $1 >> $f.history; }
trap 'put free; exit 0' TERM INT
put \${4#*=}
echo $$ > ${folder}/interactive.pid
printf 'gpioset> '
while read -r word what; do
[ -e ${folder}/slow ] && sleep 0.05
case "$word $what" in "set "*=[01]) put \${what#*=};; *) echo "unknown command: '$word'";; esac
printf 'gpioset> '
done
while :; do sleep 0.02; done
fi
`
  // Held until a signal, then nobody's.
  tool(
    "gpioset",
    `${version === 2 ? interactive : ""}${set}\nf=${folder}/$chip-\${v%=*}\necho \${v#*=} > $f\ntrap 'echo free > '$f'; kill $s; exit 0' TERM INT\nsleep 600 & s=$!\nwait $s\n`,
  )
  writeFileSync(join(folder, "edges"), "")
  return {
    tools,
    pidFile: join(folder, "keeper.pid"),
    drive(line, level) {
      writeFileSync(join(folder, `gpiochip0-${line}`), `${level}\n`)
      const edge = level === 1 ? 1 : version === 1 ? 0 : 2
      appendFileSync(join(folder, "edges"), `${line} ${edge}\n`)
    },
    output(line) {
      const file = join(folder, `gpiochip0-${line}`)
      return existsSync(file) ? readFileSync(file, "latin1").trim() : null
    },
    history: (line) => {
      const file = join(folder, `gpiochip0-${line}.history`)
      return existsSync(file) ? readFileSync(file, "latin1").trim().split("\n") : []
    },
    slow(slow) {
      if (slow) writeFileSync(join(folder, "slow"), "")
      else rmSync(join(folder, "slow"), { force: true })
    },
    interactivePid: () => Number(readFileSync(join(folder, "interactive.pid"), "latin1")),
    breakChip(broken) {
      if (broken) writeFileSync(join(folder, "broken"), "")
      else rmSync(join(folder, "broken"), { force: true })
    },
    script(text) {
      const file = join(folder, "gateway.ts")
      writeFileSync(file, text)
      return file
    },
    remove() {
      try {
        process.kill(Number(readFileSync(join(folder, "keeper.pid"), "latin1")), "SIGTERM")
      } catch {
        // There was none, or it has ended.
      }
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
    },
  }
}
