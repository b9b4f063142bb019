/** A requirement row that some room of the gateway owns. Exported as a list by the room that enforces it. */
export interface Control {
  /** Id in the catalogue, e.g. `CR 2.1` or `NDR 5.2 RE(1)`. */
  readonly requirement: string
  /** What the gateway does, in one or two sentences of our own. */
  readonly claim: string
  /** Files that enforce it. */
  readonly enforcedIn: readonly string[]
  /** Ids of the probes that bear on it; at least one. */
  readonly probes: readonly string[]
}

/** From where a probe looks: a control that shows outside is `met` only by an outside vantage (later issues add them). */
export type Vantage = "inside" | "field-side" | "control-side" | "wire" | "flash-image"

/** What one run of a probe found. `failed` says what was expected and what was seen. */
export type ProbeResult =
  | { readonly outcome: "passed"; readonly evidence: string }
  | { readonly outcome: "failed"; readonly expected: string; readonly seen: string }
  | { readonly outcome: "not-tested"; readonly why: string }

/** A check of the live gateway that can fail. `context` gives it what it may touch. Throwing counts as failed. */
export interface Probe<Context> {
  readonly id: string
  readonly summary: string
  readonly safety: "passive" | "active-safe" | "maintenance"
  readonly vantage: Vantage
  run(context: Context): Promise<ProbeResult>
}
