/** Who else vouches for the chosen log, and who refuses to. */
import { make, show, type Part } from "./dom.ts"
import type { GatewayReport, WitnessReport } from "./messages.ts"
import { spanOf } from "./span.ts"

/** Reasons that say that the log has signed two things that do not go together. */
const ACCUSATIONS = ["fork", "rewind"]

/** Shows what witnesses and collectors say of the chosen gateway's log. */
export function showWitnesses(list: HTMLElement, chosen: GatewayReport | null): void {
  const shown = chosen?.checkpoint?.size ?? 0
  const none = make("li", { class: "none" }, "none: nobody but the gateway vouches for this log")
  const items = (chosen?.witnesses ?? []).map((one) => itemOf(one, shown, chosen?.faults ?? []))
  show(list, ...(items.length === 0 ? [none] : items))
}

function itemOf(said: WitnessReport, shown: number, faults: GatewayReport["faults"]): HTMLElement {
  const isWrong = faults.some(({ where }) => where.split("/", 2).join("/") === `witness/${said.name}`)
  const isAccused = ACCUSATIONS.includes(said.refused?.reason ?? "")
  const state = isWrong || isAccused ? "wrong" : said.cosigned !== null && said.refused === null ? "verified" : "unverified" // prettier-ignore
  const words: Part[] = [make("strong", {}, said.name), " ", ...wordsFor(said, shown)]
  if (isWrong && !isAccused) words.push(make("span", { class: "refusal" }, "Does not fit: see above."))
  return make("li", { "data-witness": said.name, "data-state": state }, ...words)
}

function wordsFor({ hasKey, cosigned, refused }: WitnessReport, shown: number): readonly Part[] {
  if (!hasKey) return ["says something of this log; its key was not given, so nothing of it is verified"]
  const words: Part[] = []
  if (cosigned === null) words.push("has cosigned nothing that verifies")
  else {
    const behind = shown > cosigned.size ? `, ${shown - cosigned.size} behind` : ""
    const ago = Date.now() - cosigned.at
    const at = new Date(cosigned.at).toISOString().slice(0, 19).replace("T", " ")
    words.push(`cosigned ${cosigned.size} entries${behind}`)
    words.push(", ", make("time", { datetime: new Date(cosigned.at).toISOString(), title: `${at} UTC` }, ago < 5_000 ? "just now" : `${spanOf(ago)} ago`)) // prettier-ignore
  }
  if (refused !== null) words.push(make("span", { class: "refusal" }, refusalText(refused.reason)))
  return words
}

function refusalText(reason: string): string {
  if (reason === "fork") return "REFUSES: the log has signed two histories"
  if (reason === "rewind") return "REFUSES: the log was put back to an earlier state"
  return `does not cosign what came after: ${reason}`
}
