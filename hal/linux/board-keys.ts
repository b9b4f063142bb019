import { readFile } from "node:fs/promises"
import type { KeyStore } from "../key-store.ts"
import type { Storage } from "../storage.ts"
import { ioError } from "./durable.ts"
import { createFileKeyStore, type KeyFiles } from "./key-store.ts"
import { createPkcs11KeyStore } from "./pkcs11-key-store.ts"
import { openPkcs11Token } from "./pkcs11-tool.ts"

/** The token of a board, and the slots whose ES256 keys it holds. */
export interface BoardToken {
  /** PKCS#11 module, path of a shared library. */
  readonly module: string
  /** Label of the token. */
  readonly token: string
  /** File with its PIN in the first line; read each time that a key is used, and not kept. */
  readonly pinFile: string
  readonly slots: readonly string[]
}

/** What the key store of a board is made of. */
export interface BoardKeysOptions {
  readonly credentials?: Readonly<Record<string, KeyFiles>>
  readonly token?: BoardToken | null
  /** What the files are bound to: they open on this board alone. */
  readonly boundTo: string
}

/** The key store of a Linux board: files, and beside them a token if the board has one. Nothing is asked of the token yet. */
export function openBoardKeys(storage: Storage, options: BoardKeysOptions): KeyStore {
  const { credentials = {}, token: board = null, boundTo } = options
  const beside = createFileKeyStore(storage, credentials, boundTo)
  if (board === null) return beside
  const { module, token, pinFile, slots } = board
  const pin = async (): Promise<string> => {
    try {
      return (await readFile(pinFile, "utf8")).split(/\r?\n/, 1)[0] ?? ""
    } catch (error) {
      throw ioError("read", pinFile, error)
    }
  }
  const inToken = (slot: string): boolean => slots.includes(slot) && !Object.hasOwn(credentials, slot)
  return createPkcs11KeyStore({ token: openPkcs11Token({ module, token, pin }), storage, beside, inToken })
}
