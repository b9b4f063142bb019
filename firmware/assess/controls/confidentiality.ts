import type { Control } from "../../../policy/requirements/control.ts"
import { markedRecordIsClosed } from "../probes/at-rest.ts"
import { alteredRecordsAreRefused } from "../probes/communication.ts"
import { weakCryptographyIsRefused } from "../probes/transport.ts"

/** Rows of FR 4: what nobody else may read. */
export const CONFIDENTIALITY_CONTROLS: readonly Control[] = [
  {
    requirement: "CR 4.1",
    claim:
      "On disk a message lies only while its broker is lost, encrypted; log and recordings hold no payload. With a key store " +
      "of files, whoever has the whole state folder has the key too. On the wire all is TLS; a policy with clear text fails this row.",
    enforcedIn: [
      "firmware/spool/frame.ts",
      "firmware/tls/options.ts",
      "firmware/tls/dial.ts",
      "policy/recording/recorder.ts",
    ],
    probes: [markedRecordIsClosed.id, alteredRecordsAreRefused.id, weakCryptographyIsRefused.id],
  },
  {
    requirement: "CR 4.3",
    claim:
      "One file holds the permitted algorithms and key sizes; weaker offers fail in the handshake. An end in clear text uses no " +
      "cryptography: it is named in the evidence, and the rows that ask for protection fail.",
    enforcedIn: ["policy/identity/algorithms.ts", "firmware/tls/options.ts"],
    probes: [weakCryptographyIsRefused.id],
  },
]
