/**
 * What the browser keeps between visits, in IndexedDB: per gateway the pinned key and the last checkpoint that verified;
 * the keys of cosigners, and the broker's address. Never a name, a password or an entry.
 */

/** What was seen of one gateway. */
export interface Remembered {
  readonly gateway: string
  /** Key lines, as they were given. */
  readonly keys: readonly string[]
  readonly size: number
  readonly root: Uint8Array
  /** When it was noted, by this machine's clock. */
  readonly at: number
}

/** The memory of one browser. */
export interface Memory {
  url(): Promise<string>
  rememberUrl(url: string): Promise<void>
  /** Key lines of witnesses and collectors, as they were given last. */
  cosigners(): Promise<readonly string[]>
  rememberCosigners(lines: readonly string[]): Promise<void>
  all(): Promise<readonly Remembered[]>
  remember(seen: Remembered): Promise<void>
  forget(gateway: string): Promise<void>
}

/** The browser's memory. Rejects where the browser allows none (a private window of some): the page then says that it forgets. */
export async function openMemory(): Promise<Memory> {
  const opening = indexedDB.open("lockgate-console", 1)
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("seen", { keyPath: "gateway" })
    opening.result.createObjectStore("settings")
  }
  const db = await settled(opening)
  const store = (name: string, mode: IDBTransactionMode): IDBObjectStore => db.transaction(name, mode).objectStore(name)
  return {
    async url() {
      const url: unknown = await settled(store("settings", "readonly").get("url"))
      return typeof url === "string" ? url : ""
    },
    async rememberUrl(url) {
      await settled(store("settings", "readwrite").put(url, "url"))
    },
    async cosigners() {
      const lines: unknown = await settled(store("settings", "readonly").get("cosigners"))
      return Array.isArray(lines) ? lines.filter((line) => typeof line === "string") : []
    },
    async rememberCosigners(lines) {
      await settled(store("settings", "readwrite").put([...lines], "cosigners"))
    },
    all: () => settled(store("seen", "readonly").getAll() as IDBRequest<Remembered[]>),
    async remember(seen) {
      await settled(store("seen", "readwrite").put(seen))
    },
    async forget(gateway) {
      await settled(store("seen", "readwrite").delete(gateway))
    },
  }
}

/** A memory that ends with the page. */
export function noMemory(): Memory {
  const seen = new Map<string, Remembered>()
  return {
    url: async () => "",
    rememberUrl: async () => undefined,
    cosigners: async () => [],
    rememberCosigners: async () => undefined,
    all: async () => [...seen.values()],
    remember: async (one) => void seen.set(one.gateway, one),
    forget: async (gateway) => void seen.delete(gateway),
  }
}

function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new DOMException("the browser's memory failed"))
  })
}
