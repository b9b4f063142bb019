/** One section of a Markdown file, replaced as a whole. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"

/** Put `lines` under `## title` in `file`, in place of what stood there; the other sections stay. */
export function writeSection(file: string, title: string, lines: readonly string[]): void {
  const before = existsSync(file) ? readFileSync(file, "utf8") : "# Results\n"
  const section = `## ${title}\n\n${lines.join("\n").trim()}\n`
  const parts = before.split(/^(?=## )/m)
  const at = parts.findIndex((part) => part.startsWith(`## ${title}\n`))
  if (at === -1) parts.push(section)
  else parts[at] = section
  writeFileSync(file, parts.map((part) => part.trim()).join("\n\n") + "\n")
}
