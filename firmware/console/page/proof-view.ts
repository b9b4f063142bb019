/** Where proof files are dropped or chosen, and what was found of one. */
import { byId, elementOf, make, show, type Part } from "./dom.ts"
import type { CheckedProof, Verdict } from "./messages.ts"
import { sign } from "./verdict.ts"

const MAX_FILE_BYTES = 65_536

/** What each result is, as a colour and in words. */
const RESULTS: Readonly<Record<CheckedProof["state"], readonly [Verdict, string, string]>> = {
  proved: ["verified", "PROVED", "The entry is in the log of this gateway, signed by the key that you gave."],
  unvouched: [
    "unverified",
    "NOT VOUCHED FOR",
    "The file fits together, but anybody can make such a file. Nobody says whose key this is: put the log key of the gateway into the form above and check again.",
  ],
  wrong: ["wrong", "WRONG", "This proves nothing: do not rely on the entry."],
  unable: ["unverified", "CANNOT VERIFY", "This browser cannot verify Ed25519 signatures, so nothing was checked."],
}

/** What a good proof does not say. */
const LIMITS = [
  "That the log goes on: it speaks of the moment of its checkpoint, not of now.",
  "That what the entry says is true: only that the gateway wrote it, in this place.",
  "That others are shown the same log: that takes witnesses, or the live log.",
]

/** Makes the place; `check` is called with the name and text of a file that came. */
export function createProofView(check: (name: string, text: string) => void): { show(found: CheckedProof): void } {
  const take = (file: File | undefined): void => {
    if (file === undefined) return
    // The first bytes of one that is too long are enough to say so.
    void file.slice(0, MAX_FILE_BYTES + 1).text().then((text) => check(file.name, text)) // prettier-ignore
  }
  const input = elementOf("proof-file", HTMLInputElement)
  input.addEventListener("change", () => {
    take(input.files?.[0])
    // The same file may be chosen again, after another key was given.
    input.value = ""
  })
  const isFile = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") === true
  document.addEventListener("dragover", (event) => {
    if (!isFile(event)) return
    event.preventDefault()
    document.body.classList.add("dropping")
  })
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping")
  })
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dropping")
    if (!isFile(event)) return
    event.preventDefault()
    take(event.dataTransfer?.files[0])
  })
  return {
    show(found) {
      const result = byId("proof-result")
      result.hidden = false
      show(result, ...partsOf(found))
      result.scrollIntoView({ block: "nearest" })
      result.focus({ preventScroll: true })
    },
  }
}

function partsOf({ name, state, faults, seq, line, gateway, size, key }: CheckedProof): readonly Part[] {
  const [verdict, word, text] = RESULTS[state]
  const head = make(
    "p",
    { class: "proof-verdict", "data-verdict": verdict },
    sign(verdict),
    make("span", {}, make("strong", {}, word), ` ${text}`),
  )
  const what =
    seq === null ? name : `${name}: entry ${seq} of ${gateway ?? "an unknown gateway"}, in a log of ${size ?? "?"}`
  const parts: Part[] = [head, make("p", {}, what)]
  if (faults.length > 0) parts.push(make("ul", { class: "plain-list" }, ...faults.map((one) => make("li", {}, one))))
  if (line !== null) parts.push(make("pre", { class: "raw", tabindex: 0 }, line))
  if (key !== null) parts.push(make("p", { class: "hint" }, "Signed by ", make("code", {}, key)))
  if (state === "proved" || state === "unvouched")
    parts.push(
      make("p", { class: "hint" }, "What this does not prove:"),
      make("ul", { class: "plain-list hint" }, ...LIMITS.map((one) => make("li", {}, one))),
    )
  return parts
}
