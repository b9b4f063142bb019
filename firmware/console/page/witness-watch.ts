/**
 * What others say of one gateway's log: witnesses and collectors, at the broker, each under its own name.
 *
 *     | what is there                                        | what the page makes of it                          |
 *     |------------------------------------------------------|----------------------------------------------------|
 *     | a line by a key that the reader gave                 | who, which size, when                              |
 *     | the same, of another tree than the one that is shown | wrong: fork                                        |
 *     | the same, larger than the log that is shown          | wrong once it lasts: the broker shows an older log |
 *     | a refusal by such a key: rewind, fork                | wrong                                              |
 *     | a refusal for another reason                         | said beside its name                               |
 *     | the line of such a key, and it does not verify       | wrong: somebody altered it                         |
 *     | what is by no key that was given                     | its name, and that nothing of it is verified       |
 *
 * What the log's own key signed counts whoever hands it on: in the notes of cosigners, and in the evidence of a refusal.
 *
 * @see IEC 62443-4-2 CR 3.9; C2SP tlog-cosignature
 */
import { InputError } from "../../../policy/base/errors.ts"
import type { KeyChain } from "../../../policy/audit/key-chain.ts"
import { originOf } from "../../../policy/audit/tlog/checkpoint.ts"
import { parseNote, type NoteKey } from "../../../policy/audit/tlog/note.ts"
import { readCosigned } from "../../../policy/audit/witness/cosignature.ts"
import { isAccusation, openFollowed, type NoteFunctions } from "../../../policy/audit/witness/cosigner.ts"
import { witnessAt } from "../../../policy/audit/witness/place.ts"
import { parseRefusal, readRefusal } from "../../../policy/audit/witness/refusal.ts"
import type { FaultBook } from "./fault-book.ts"
import type { LogTree, Seen } from "./log-tree.ts"
import type { WitnessReport } from "./messages.ts"

/** What cosigners are judged by. */
export interface WitnessDeps extends NoteFunctions {
  readonly gateway: string
  /** Of witnesses and collectors; the reader gave them. */
  readonly cosigners: readonly NoteKey[]
  readonly now: () => number
}

const MAX_COSIGNERS = 64
const MAX_NOTE_BYTES = 64 * 1024
/** The edge is written anew at most every 10 s, and a cosigner may be told of it before this page. */
const LATE_MS = 20_000

interface Said {
  cosigned: string | null
  refused: string | null
}

/** A tree that somebody trusted has signed, and what it takes for this log to be it. */
interface Sighting extends Seen {
  readonly slot: string
  readonly by: string
  readonly since: number
}

/** Follows what cosigners say of one gateway. */
export class WitnessWatch {
  readonly #deps: WitnessDeps
  readonly #faults: FaultBook
  readonly #said = new Map<string, Said>()
  readonly #reports = new Map<string, WitnessReport>()
  #sightings: readonly Sighting[] = []
  #read: KeyChain | null = null

  constructor(deps: WitnessDeps, faults: FaultBook) {
    this.#deps = deps
    this.#faults = faults
  }

  /** Take what came at a cosigner's place; empty: it was taken back. Never throws. */
  take(topic: string, payload: Uint8Array): void {
    const at = witnessAt(this.#deps.gateway, topic)
    if (at === null) return
    const { cosigner, says } = at
    const before = this.#said.get(cosigner)
    if (before === undefined && this.#said.size >= MAX_COSIGNERS) return
    const text = payload.length === 0 ? null : new TextDecoder().decode(payload.subarray(0, MAX_NOTE_BYTES))
    const said = { ...(before ?? { cosigned: null, refused: null }), [says]: text }
    if (said.cosigned === null && said.refused === null) this.#said.delete(cosigner)
    else this.#said.set(cosigner, said)
    this.#read = null
  }

  /** Judge what came: by the keys that are known by now, and against the tree as it stands. */
  async place(chain: KeyChain, tree: LogTree): Promise<void> {
    if (this.#read !== chain) {
      this.#read = chain
      for (const name of this.#reports.keys()) this.#clear(name)
      this.#reports.clear()
      const before = this.#sightings
      const sightings: Sighting[] = []
      for (const [name, said] of this.#said) sightings.push(...(await this.#readOne(name, said, chain)))
      // Since when it is ahead does not begin anew because it says more.
      this.#sightings = sightings.map((one) => ({
        ...one,
        since:
          before.find(({ slot, size }) => slot === one.slot && size > (tree.edge?.said.size ?? 0))?.since ?? one.since,
      }))
    }
    await this.hold(tree)
  }

  /** Hold what was signed against the tree as it stands now. */
  async hold(tree: LogTree): Promise<void> {
    for (const one of this.#sightings) await this.#hold(one, tree)
  }

  /** Everybody who says something, by name. */
  report(): readonly WitnessReport[] {
    return [...this.#reports.values()].sort((one, other) => one.name.localeCompare(other.name))
  }

  #clear(name: string): void {
    for (const slot of [
      `witness/${name}`,
      `witness/${name}/refused`,
      `witness/${name}/log`,
      `witness/${name}/known`,
      `witness/${name}/shown`,
    ])
      // prettier-ignore
      this.#faults.mend(slot)
  }

  async #readOne(name: string, said: Said, chain: KeyChain): Promise<readonly Sighting[]> {
    const { gateway, cosigners, now } = this.#deps
    const origin = originOf(gateway)
    const key = cosigners.find((one) => one.name === name) ?? null
    const sightings: Sighting[] = []
    const sees = (slot: string, by: string, { size, root }: Seen): void =>
      void sightings.push({ slot: `witness/${name}${slot}`, by, size, root, since: now() })
    const byLog = async (slot: string, by: string, text: string): Promise<void> => {
      const opened = await openFollowed(this.#deps, { origin, chain }, text)
      if ("checkpoint" in opened) sees(slot, by, opened.checkpoint)
    }
    const cosigned = key === null || said.cosigned === null ? null : await this.#guard(`witness/${name}`, () => readCosigned(this.#deps, origin, key, said.cosigned ?? "")) // prettier-ignore
    if (cosigned !== null) sees("", `${name} has cosigned`, cosigned.checkpoint)
    else if (said.cosigned !== null) await byLog("/log", `the log itself has signed, as ${name} shows,`, said.cosigned)
    const refused = key === null || said.refused === null ? null : await this.#guard(`witness/${name}/refused`, () => readRefusal(this.#deps, origin, key, said.refused ?? "")) // prettier-ignore
    if (refused !== null && isAccusation(refused.reason)) {
      const what = refused.reason === "fork" ? "two logs that do not go together" : "a log that is older than it was"
      const text = `${name} refuses this log, since ${new Date(refused.at).toISOString().slice(0, 19).replace("T", " ")} UTC: it was shown ${what}`
      this.#faults.say(
        `witness/${name}/refused`,
        `witness/${name}`,
        `ERR_WITNESS_${refused.reason.toUpperCase()}`,
        text,
      )
    }
    const evidence = said.refused === null ? null : (refused ?? readable(said.refused))?.evidence
    for (const side of ["known", "shown"] as const)
      if (evidence) await byLog(`/${side}`, `the log itself has signed, as ${name} shows,`, evidence[side])
    this.#reports.set(name, {
      name,
      hasKey: key !== null,
      cosigned: cosigned === null ? null : { size: cosigned.checkpoint.size, at: cosigned.at },
      refused: refused === null ? null : { reason: refused.reason, at: refused.at },
    })
    return sightings
  }

  /** What `read` reads; null, and a fault, where the line of a key that was given does not verify. */
  async #guard<Read>(slot: string, read: () => Promise<Read | null>): Promise<Read | null> {
    try {
      const found = await read()
      if (found !== null) return found
      this.#faults.say(
        slot,
        slot,
        "ERR_NOTE_SIGNATURE",
        "what stands there is not signed by the key that was given for that name",
      )
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      this.#faults.say(slot, slot, String(error.code), `what stands there was altered: ${error.message}`)
    }
    return null
  }

  /** A tree that was signed must be the beginning of the one that is shown; a larger one for long is not. */
  async #hold({ slot, by, size, root, since }: Sighting, tree: LogTree): Promise<void> {
    const shown = tree.edge?.said.size ?? null
    if (shown === null) return
    const where = slot.split("/", 2).join("/")
    if (size > shown) {
      const text = `${by} ${size} entries, and the broker shows only ${shown}: an older log, or a cut one`
      if (this.#deps.now() - since > LATE_MS) this.#faults.say(slot, where, "ERR_LOG_REWOUND", text)
      return
    }
    const fits = await tree.beginsWith({ size, root })
    if (fits === false) {
      this.#faults.say(slot, where, "ERR_LOG_FORKED", `${by} another tree of ${size} entries than the one shown here`)
    } else if (fits) this.#faults.mend(slot)
  }
}

/** A refusal that nobody vouches for: only the log's own words in it count. */
function readable(text: string): ReturnType<typeof parseRefusal> | null {
  try {
    return parseRefusal(parseNote(text).text)
  } catch (error) {
    if (error instanceof InputError) return null
    throw error
  }
}
