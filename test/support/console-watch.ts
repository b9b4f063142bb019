import { webcrypto } from "node:crypto"
import { GatewayWatch, type WatchDeps } from "../../firmware/console/page/gateway-watch.ts"
import { inflate } from "../../firmware/console/page/inflate.ts"
import type { Row } from "../../firmware/console/page/rows.ts"
import { sha256, type MadeLog } from "./console-feed.ts"

/** What follows a gateway in the page, with what it tells. */
export interface Watched {
  readonly watch: GatewayWatch
  readonly rows: Row[]
  clock: { now: number }
}

/** The page's own watch over `log`, with the key of it. */
export function watchOf(log: MadeLog, more: Partial<WatchDeps> = {}): Watched {
  const rows: Row[] = []
  const clock = { now: Date.now() }
  const watch = new GatewayWatch({
    gateway: log.gateway,
    keys: [log.key],
    cosigners: [],
    ask: () => undefined,
    unask: () => undefined,
    nonce: () => "n".repeat(16),
    sha256,
    verify: async (_, key, message, signature) => {
      const bytes = (view: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(view)
      const imported = await webcrypto.subtle.importKey("raw", bytes(key), "Ed25519", false, ["verify"])
      return webcrypto.subtle.verify("Ed25519", imported, bytes(signature), bytes(message))
    },
    inflate,
    now: () => clock.now,
    known: null,
    otherKey: false,
    hex: (bytes) => Buffer.from(bytes).toString("hex"),
    rows: (more) => rows.push(...more),
    believe: () => undefined,
    ...more,
  })
  return { watch, rows, clock }
}
