/**
 * Entries that have left the broker, asked of the gateway itself a few bundles at a time. What it answers is shown only once it
 * stands in the signed tree; a tile that this takes is asked for before.
 *
 * @see policy/audit/log-request.ts; IEC 62443-4-2 CR 6.1
 */
import { TILE_WIDTH, piecePath } from "../../../policy/audit/tlog/tile.ts"
import type { LogRequest } from "../../../policy/audit/log-request.ts"
import type { FaultBook } from "./fault-book.ts"
import { nameOf, type LogTree } from "./log-tree.ts"
import type { OlderReport } from "./messages.ts"
import type { PieceInbox } from "./piece-inbox.ts"

/** Bundles a go. */
const GO = 4
/** So many bundles are kept beyond what the broker holds: 65,536 entries, some 35 MB. */
const MAX_BUNDLES = 256
/** What has not come by then does not come. */
const PATIENCE_MS = 6_000

/** What older history is had by. */
export interface OlderDeps {
  /** Listens for the answer, then asks. */
  readonly ask: (request: LogRequest) => void
  /** The answer is not waited for any more. */
  readonly unask: (nonce: string) => void
  /** Nobody can guess it: 16 to 64 of A-Z a-z 0-9 _ -. */
  readonly nonce: () => string
  readonly now: () => number
}

interface Asked {
  readonly path: string
  readonly nonce: string
  readonly at: number
  /** `waiting` for an answer; it was `taken` and is to be judged; there is `none`. */
  state: "waiting" | "taken" | "none"
}

/** The older history of one log. */
export class OlderHistory {
  readonly #deps: OlderDeps
  readonly #tree: LogTree
  readonly #pieces: PieceInbox
  readonly #faults: FaultBook
  #asked: Asked | null = null
  /** Bundles still to be had in this go. */
  #left = 0
  #got = 0
  #text = ""

  constructor(deps: OlderDeps, tree: LogTree, pieces: PieceInbox, faults: FaultBook) {
    this.#deps = deps
    this.#tree = tree
    this.#pieces = pieces
    this.#faults = faults
  }

  /** Begin a go. `isOff`: the broker says that the gateway has gone; it is not asked then. */
  want(isOff: boolean): void {
    if (this.#left > 0) return
    if (isOff) this.#text = "The gateway is off: older entries can be had once it is back."
    else if (this.#got >= MAX_BUNDLES)
      this.#text =
        "This page keeps no more; lockgate audit verify --broker --ask goes further back, and a collector has copies."
    else {
      this.#text = ""
      this.#left = GO
      this.#next()
    }
  }

  /** Take what came below `log/answer/`: `<nonce>` or `<nonce>/part/<n>`. Never throws for what is in it. */
  async take(place: string, payload: Uint8Array): Promise<void> {
    const asked = this.#asked
    if (asked === null || asked.state !== "waiting" || !place.startsWith(asked.nonce)) return
    const part = /^(?:\/part\/(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-4]))?$/.exec(place.slice(asked.nonce.length))
    if (part === null) return
    const number = part[1] === undefined ? null : Number(part[1])
    if (payload.length === 0) {
      if (number === null) asked.state = "none"
      return
    }
    if (await this.#pieces.take({ path: asked.path, part: number }, payload)) asked.state = "taken"
  }

  /** Look at what was taken. To be called after the tree has judged it. */
  settle(): void {
    const asked = this.#asked
    if (asked === null || asked.state === "waiting") return
    const stands = asked.state === "taken" && this.#tree.stands(asked.path)
    this.#done(asked)
    if (stands) {
      this.#faults.mend("older")
      if (asked.path.startsWith("tile/entries/")) {
        this.#left--
        this.#got++
      }
      this.#next()
    } else if (asked.state === "none") this.#end(`The gateway does not hold ${nameOf(asked.path)} any more.`)
    else {
      const text = `what was answered for ${nameOf(asked.path)} is not what was signed; it is not shown`
      this.#faults.say("older", asked.path, "ERR_LOG_PIECE", text)
      this.#end("The answer does not fit the signed tree: it is not shown.")
    }
  }

  /** To be called about once a second. */
  tick(): void {
    const asked = this.#asked
    if (asked?.state !== "waiting" || this.#deps.now() - asked.at < PATIENCE_MS) return
    this.#done(asked)
    this.#end("No answer: the gateway is off or cannot be reached, or you may not ask it (lockgate audit acl).")
  }

  /** The connection is another: what was asked is not answered any more. */
  restart(): void {
    if (this.#asked === null) return
    this.#asked = null
    this.#end("The connection was lost meanwhile.")
  }

  report(): OlderReport {
    return { from: this.#oldest() * TILE_WIDTH, isAsking: this.#left > 0, text: this.#text }
  }

  /** The first bundle from which all is here. */
  #oldest(): number {
    let index = Math.floor((this.#tree.edge?.first ?? 0) / TILE_WIDTH)
    while (index > 0 && this.#tree.bundle(index - 1) !== null) index--
    return index
  }

  #next(): void {
    const index = this.#oldest() - 1
    if (index < 0 || this.#left === 0 || this.#tree.edge === null) return this.#end("")
    const path = this.#tree.firstNeeded(piecePath({ level: "entries", index, width: TILE_WIDTH }))
    const nonce = this.#deps.nonce()
    this.#asked = { path, nonce, at: this.#deps.now(), state: "waiting" }
    this.#deps.ask({ path, nonce })
  }

  #end(text: string): void {
    this.#left = 0
    this.#text = text
  }

  #done({ nonce }: Asked): void {
    this.#asked = null
    this.#deps.unask(nonce)
  }
}
