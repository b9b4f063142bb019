/** Logs of one key that grow, fork and go back, shown to a collector as a broker and a gateway would. */
import { encodeEntry } from "../../policy/audit/entry.ts"
import { parsePiecePath, TILE_WIDTH } from "../../policy/audit/tlog/tile.ts"
import { witnessAt } from "../../policy/audit/witness/place.ts"
import { makeCosignerKey, parseCosignerSecret } from "../../firmware/audit/collect-key.ts"
import { openCollectGateway, type CollectGateway, type CollectStatus } from "../../firmware/audit/collect-gateway.ts"
import type { CollectSource } from "../../firmware/audit/collect-source.ts"
import type { CopyStorage } from "../../firmware/audit/collect-copy.ts"
import { sampleEvent } from "./audit.ts"
import { logFolder, type LogFolder, type TestLogKey } from "./log-folder.ts"

/** Entries of `gateway` from 0 to before `count`; those from `forkedAt` on are others. */
export function lines(count: number, forkedAt = Infinity, gateway = "gw"): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, seq) =>
    encodeEntry({
      ...{ seq, boot: "boot", gateway, wallAt: 0, monotonicMs: seq, time: { earliestAt: 0, latestAt: Infinity } },
      event: sampleEvent(`${seq >= forkedAt ? "other" : "entry"} ${seq}`),
    }),
  )
}

/** What a collector is shown; what stands here may be changed while it looks. */
export interface Shown {
  files: LogFolder
  /** The first entry at the broker; older ones are asked of the gateway. */
  first: number
  /** Full pieces that the gateway has not got any more: those that end at or before this entry. */
  goneBelow: number
  isAway: boolean
  /** Changes what the broker gives. */
  alter: (path: string, bytes: Uint8Array | null) => Uint8Array | null
  handovers: readonly string[]
  readonly asked: string[]
  readonly published: { readonly topic: string; readonly payload: Uint8Array }[]
  readonly source: CollectSource
}

/** @see Shown */
export function show(files: LogFolder): Shown {
  let lastAnswer: CollectSource["lastAnswer"] = "silent"
  const endOf = (path: string): number => {
    const { level, index, width } = parsePiecePath(path)
    const span = level === "entries" ? 1 : TILE_WIDTH ** level
    return (index * TILE_WIDTH + width) * span
  }
  const shown: Shown = {
    ...{ files, first: 0, goneBelow: 0, isAway: false, handovers: [], asked: [], published: [] },
    alter: (_path, bytes) => bytes,
    source: {
      link: "link 1",
      checkpoint: async () => new TextDecoder().decode(shown.files.get("checkpoint")),
      get first() {
        return shown.first
      },
      get lastAnswer() {
        return lastAnswer
      },
      piece: async (path) => shown.alter(path, endOf(path) <= shown.first ? null : (shown.files.get(path) ?? null)),
      async ask(path) {
        shown.asked.push(path)
        const bytes = endOf(path) <= shown.goneBelow ? undefined : shown.files.get(path)
        lastAnswer = shown.isAway ? "silent" : bytes === undefined ? "gone" : "here"
        return shown.isAway ? null : (bytes ?? null)
      },
      handovers: async () => shown.handovers,
      publish: async (topic, payload) => void shown.published.push({ topic, payload }),
    },
  }
  return shown
}

/** What a test's collector is called. */
export const COLLECTOR = parseCosignerSecret(makeCosignerKey("desk"))

/** A collector of the log `gw` in this storage, at a fixed time. */
export function openTestCollect(
  storage: CopyStorage,
  by: TestLogKey,
  told: CollectStatus[] = [],
  at: number | null = 1_900_000_000,
): Promise<CollectGateway> {
  return openCollectGateway({
    ...{ gateway: "gw", keys: [by.key], storage, cosigner: COLLECTOR },
    now: async () => at,
    told: (status) => void told.push(status),
  })
}

/** Rounds until nothing more is to be fetched. */
export async function collectAll(collect: CollectGateway, { source }: Shown): Promise<CollectStatus> {
  while (await collect.round(source));
  return collect.status
}

/** The notes that were published as cosigned, oldest first; `refused` those that say why not. */
export function notes(shown: Shown, says: "cosigned" | "refused" = "cosigned"): readonly string[] {
  return shown.published
    .filter(({ topic }) => witnessAt("gw", topic)?.says === says)
    .map(({ payload }) => new TextDecoder().decode(payload))
}

export { logFolder }
