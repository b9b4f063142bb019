import { LockgateError, type IntegrityError } from "../../policy/base/errors.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { sameHash } from "../../policy/audit/tlog/hash.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { piecePath, TILE_WIDTH, tileHashes } from "../../policy/audit/tlog/tile.ts"
import { nodesOfTiles, rootOf } from "../../policy/audit/tlog/tree.ts"
import { consistencyOf } from "../../policy/audit/witness/consistency.ts"
import { withCosignature } from "../../policy/audit/witness/cosignature.ts"
import { decideCosigner, openSigned, type Refusal } from "../../policy/audit/witness/cosigner.ts"
import { followKeys } from "../../policy/audit/witness/handover.ts"
import { refusedTopic, witnessTopic } from "../../policy/audit/witness/place.ts"
import { encodeRefusal, signedRefusal } from "../../policy/audit/witness/refusal.ts"
import { copyStorage, openCopy, type CopyStorage, type LogCopy, type NotedCheckpoint } from "./collect-copy.ts"
import type { CosignerKey } from "./collect-key.ts"
import { openMemory } from "./collect-memory.ts"
import type { CollectSource } from "./collect-source.ts"
import { openSignedTree, tileBytes, type SignedTree } from "./collect-tiles.ts"
import { nodeSha256, verifyNoteSignature } from "./note-functions.ts"

/** Runs of older bundles that are fetched before newer entries are looked at again. */
const OLDER_RUNS = 4
/** What is known is signed again so often: a sign of life where the log is quiet. */
const SIGN_AGAIN_S = 15 * 60
const FUNCTIONS = { sha256: nodeSha256, verify: verifyNoteSignature }

/** How the copy of one gateway's log stands. */
export interface CollectStatus {
  readonly gateway: string
  /**
   * `waiting`: nothing to be had yet. `catching-up`. `current`: everything that was shown is here. `held`: something is missing or was altered on the way;
   * it is tried again. `accused`: the log has signed what does not go together, or has a hole: somebody must look.
   */
  readonly state: "waiting" | "catching-up" | "current" | "held" | "accused"
  /** The copy goes from `first` to before `size`, of `shown` entries. */
  readonly first: number
  readonly size: number
  readonly shown: number
  /** The last size that was cosigned, and with that acknowledged, by this process. */
  readonly cosigned: number | null
  /** A sentence for people. */
  readonly text: string
}

/** What a gateway's copy stands on. */
export interface CollectGatewayDeps {
  readonly gateway: string
  readonly keys: readonly NoteKey[]
  /** The store of the collector. */
  readonly storage: CopyStorage
  readonly cosigner: CosignerKey
  /** The earliest that it can be now, seconds since 1970; null while the clock is uncertain: then nothing is signed. */
  readonly now: () => Promise<number | null>
  readonly told: (status: CollectStatus) => void
}

/** The copy of one gateway's log, kept up to date. */
export interface CollectGateway {
  readonly status: CollectStatus
  /**
   * Take over what `source` shows now. True if there is more to be fetched at once. A fault of the log or of the way to it is told in
   * the status. @throws HardwareError `ERR_IO` of the store, `ERR_LINK` of the broker
   */
  round(source: CollectSource): Promise<boolean>
}

type Told = Pick<CollectStatus, "state" | "text">

/** Opens the copy in the store. @throws HardwareError `ERR_IO`, IntegrityError if what was remembered cannot be read */
export async function openCollectGateway(deps: CollectGatewayDeps): Promise<CollectGateway> {
  const { gateway, cosigner } = deps
  const memory = await openMemory(deps.storage, gateway)
  /** Those that were given, and those that the log has handed over to since. */
  const keys = [...deps.keys, ...(memory.key === null ? [] : [memory.key])]
  const copy = await openCopy(copyStorage(deps.storage, `logs/${gateway}`), keys)
  const log = { origin: originOf(gateway), keys }
  let shown = 0
  let cosigned: number | null = null
  let published = ""
  let signedAt = 0
  let isRefused = false
  let told: Told = { state: "waiting", text: "nothing of its log was seen yet" }
  /** A rewind is believed at the second look: a broker that comes back from a backup is behind for a moment. */
  let rewoundTo: string | null = null

  const status = (): CollectStatus => ({
    ...{ gateway, ...told, first: copy.first, size: copy.checkpoint?.size ?? 0, shown, cosigned },
  })
  function tell(state: CollectStatus["state"], text: string): void {
    told = { state, text }
    deps.told(status())
  }

  async function accuse(
    source: CollectSource,
    reason: Refusal,
    base: NotedCheckpoint,
    now: NotedCheckpoint,
    text: string,
  ): Promise<void> {
    // prettier-ignore
    const at = await deps.now()
    const file = await memory.convict({ reason, known: base, shown: now }, at === null ? Date.now() : at * 1000)
    tell("accused", `${text}; both checkpoints: ${file}`)
    if (at === null) return
    const evidence = { known: base.note, shown: now.note }
    const statement = encodeRefusal({ origin: log.origin, reason, known: base, shown: now, evidence })
    const note = signedRefusal(nodeSha256, statement, cosigner.key, at, cosigner.sign(statement, at))
    await source.publish(refusedTopic(gateway, cosigner.key.name), new TextEncoder().encode(note))
    isRefused = true
  }

  /** A smaller log than is known: one that was put back, or only what a broker has kept of an earlier day. */
  async function smaller(source: CollectSource, base: NotedCheckpoint, now: NotedCheckpoint): Promise<void> {
    const rootThen = await rootAt(copy, now.size)
    if (rootThen !== null && !sameHash(rootThen, now.root)) {
      await accuse(source, "fork", base, now, forkText(now))
      return
    }
    const text = `the log shown has ${now.size} entries, and had ${base.size}: it was put back, or the broker was`
    if (rewoundTo === now.note) await accuse(source, "rewind", base, now, text)
    else tell("held", `${text}; looked at once more`)
    rewoundTo = now.note
  }

  async function acknowledge(source: CollectSource, checkpoint: NotedCheckpoint): Promise<void> {
    const entries = `${checkpoint.size} entries`
    const at = await deps.now()
    if (at === null) {
      tell("current", `${entries}; not cosigned: this machine's clock is not synchronised (see --clock-bound)`)
      return
    }
    const opened = await openSigned(FUNCTIONS, log, checkpoint.note)
    if ("reason" in opened) return
    const key = await signerOf(log, checkpoint.note)
    if (memory.known?.note !== checkpoint.note && key !== undefined) await memory.remember(checkpoint, key)
    const signature = cosigner.sign(opened.note.text, at)
    const note = withCosignature(nodeSha256, opened.note, cosigner.key, at, signature)
    await source.publish(witnessTopic(gateway, cosigner.key.name), new TextEncoder().encode(note))
    if (isRefused) await source.publish(refusedTopic(gateway, cosigner.key.name), new Uint8Array())
    isRefused = false
    published = `${source.link} ${checkpoint.note}`
    signedAt = at
    cosigned = checkpoint.size
    tell("current", `${entries}, cosigned`)
  }

  /** Fetches what is older than the copy; true if there is more. */
  async function older(source: CollectSource, tree: SignedTree): Promise<boolean> {
    for (let run = 0; run < OLDER_RUNS && !copy.isComplete; run++) {
      try {
        await copy.older(tree)
        tell("catching-up", `older entries, down to ${copy.first}`)
      } catch (error) {
        if (!isOf(error, "integrity")) throw error
        if (error.code === "ERR_PIECE_MISSING" && source.lastAnswer === "gone") await copy.olderIsGone()
        else {
          const why = error.code === "ERR_PIECE_MISSING" ? "the gateway does not answer" : error.message
          tell("held", `entries before ${copy.first} are not here yet: ${why}`)
          return false
        }
      }
    }
    return !copy.isComplete
  }

  /** Makes the copy that of `now`, which was verified to go on from what is known; true if there is more to fetch. */
  async function takeOver(source: CollectSource, now: NotedCheckpoint, tree: SignedTree): Promise<boolean> {
    if (copy.checkpoint === null || copy.checkpoint.size < now.size) {
      const begin = Math.min(source.first, now.size)
      const progress = (entries: number): void =>
        deps.told({ ...status(), state: "catching-up", size: entries, text: "newer entries are fetched" })
      await copy.extend(now, tree, begin - (begin % TILE_WIDTH), progress)
    }
    if (!copy.isComplete && (await older(source, tree))) return true
    if (!copy.isComplete) return false
    const isQuiet = ((await deps.now()) ?? 0) - signedAt >= SIGN_AGAIN_S
    if (isQuiet || published !== `${source.link} ${now.note}`) await acknowledge(source, now)
    return false
  }

  /** The log may have gone over to another key, which the last one that is known vouches for; true if there is a new one. */
  async function followHandovers(source: CollectSource): Promise<boolean> {
    const last = keys.at(-1)
    if (last === undefined) return false
    const next = (await followKeys(FUNCTIONS, last, await source.handovers())).slice(1)
    keys.push(...next)
    return next.length > 0
  }

  async function look(source: CollectSource): Promise<boolean> {
    const note = await source.checkpoint()
    if (note === null) {
      // Where there are several brokers, another one may have it.
      if (told.state === "waiting") tell("waiting", "the broker shows nothing of its log")
      return false
    }
    let opened = await openSigned(FUNCTIONS, log, note)
    if ("reason" in opened && opened.reason === "unknown-key" && (await followHandovers(source)))
      opened = await openSigned(FUNCTIONS, log, note)
    if ("reason" in opened) {
      tell("held", refusalText(opened.reason, keys))
      return false
    }
    const now: NotedCheckpoint = { ...opened.checkpoint, note }
    shown = now.size
    const base = larger(memory.known, copy.checkpoint)
    if (base !== null && now.size < base.size) {
      await smaller(source, base, now)
      return false
    }
    rewoundTo = null
    const tree = await openSignedTree(now, [(path) => copy.piece(path), (path) => source.piece(path), (path) => source.ask(path)]) // prettier-ignore
    const shownProof = await consistencyOf(nodeSha256, base?.size ?? 0, now.size, (path) => tileBytes(tree, path))
    const decision = await decideCosigner(FUNCTIONS, { ...log, known: base }, { note, ...shownProof })
    if (decision.verdict !== "refuse") return takeOver(source, now, tree)
    if (base !== null && decision.reason === "fork") await accuse(source, "fork", base, now, forkText(now))
    else tell("held", refusalText(decision.reason, keys))
    return false
  }

  return {
    get status() {
      return status()
    },
    async round(source) {
      try {
        return await look(source)
      } catch (error) {
        if (!isOf(error, "integrity")) throw error
        const isGone = error.code === "ERR_PIECE_MISSING" && source.lastAnswer === "gone" && copy.checkpoint !== null
        if (isGone) tell("accused", gapText(error, status().size, gateway))
        else tell("held", error.message)
        return false
      }
    },
  }
}

/** Which of the keys has signed the note. */
async function signerOf(
  log: { readonly origin: string; readonly keys: readonly NoteKey[] },
  note: string,
): Promise<NoteKey | undefined> {
  for (const key of log.keys)
    if (!("reason" in (await openSigned(FUNCTIONS, { ...log, keys: [key] }, note)))) return key
  return undefined
}

function isOf(error: unknown, kind: "integrity"): error is IntegrityError {
  return error instanceof LockgateError && error.kind === kind
}

function larger(one: NotedCheckpoint | null, other: NotedCheckpoint | null): NotedCheckpoint | null {
  if (one === null || other === null) return one ?? other
  return one.size >= other.size ? one : other
}

/** The root that the copy has at `size`; null if its tiles do not say. */
async function rootAt(copy: LogCopy, size: number): Promise<Uint8Array | null> {
  const { checkpoint } = copy
  if (checkpoint === null || size > checkpoint.size) return null
  try {
    const tree = await openSignedTree(checkpoint, [(path) => copy.piece(path)])
    const node = nodesOfTiles(nodeSha256, checkpoint.size, async (tile) => {
      return tileHashes(await tileBytes(tree, piecePath(tile)), tile.width)
    })
    return await rootOf(nodeSha256, size, node)
  } catch (error) {
    if (isOf(error, "integrity")) return null
    throw error
  }
}

function forkText({ size }: NotedCheckpoint): string {
  return `FORKED: the log shown, of ${size} entries, does not begin with the entries that this copy holds`
}

function gapText(error: IntegrityError, size: number, gateway: string): string {
  return (
    `the gateway has given up entries after ${size} that nobody had collected (${error.message}): this copy ends there. ` +
    `Move logs/${gateway} and known/${gateway} of the store elsewhere to begin another one`
  )
}

function refusalText(reason: Refusal, keys: readonly NoteKey[]): string {
  const names = keys.map((key) => encodeNoteKey(nodeSha256, key).slice(0, 60)).join(", ")
  switch (reason) {
    case "malformed":
      return "what the broker shows is no checkpoint"
    case "other-log":
      return "the broker shows the checkpoint of another log"
    case "unknown-key":
      return `the checkpoint is not signed by the key that was given (${names}...): was the key changed?`
    case "bad-signature":
      return "the signature of the checkpoint is wrong"
    case "proof-missing":
    case "proof-invalid":
      return "the tiles shown do not prove that the log only grew"
    case "rewind":
    case "fork":
      return "the log does not go on from what was known"
  }
}
