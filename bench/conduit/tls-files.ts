import { readFileSync } from "node:fs"

/** One end's TLS files, PEM: its key, its certificate, and the authority that vouches for the other end. */
export interface TlsEnd {
  readonly keyFile: string
  readonly certificateFile: string
  readonly authorityFile: string
}

/** Read `end` into the options that `node:tls` takes. */
export function readTls(end: TlsEnd): { key: Buffer; cert: Buffer; ca: Buffer } {
  return {
    key: readFileSync(end.keyFile),
    cert: readFileSync(end.certificateFile),
    ca: readFileSync(end.authorityFile),
  }
}
