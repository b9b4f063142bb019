/** Probe of what lies on the disk: a record that can be recognised goes through the live spool, and its raw files are searched. */
import { randomBytes } from "node:crypto"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { queueFolder } from "../../spool/queue.ts"
import type { SpoolRecord } from "../../spool/record.ts"
import { PROBE_CONDUIT } from "../../spool/store.ts"
import type { AtRestView, GatewayProbe } from "../probe-context.ts"
import { publishPacket } from "./packets.ts"

const SUBJECT = "assess"
const FOLDER = queueFolder(PROBE_CONDUIT, SUBJECT)
const BUFFER = { maxBytes: 64 * 1024, whenFull: "refuse" } as const
const MARK_BYTES = 24

/** Nothing of a stored message can be read in the raw files, and the gateway can read all of it. */
export const markedRecordIsClosed: GatewayProbe = {
  id: "rest.marked-record-closed",
  summary:
    "a record with a random mark in every field is stored by the live spool; its files hold no mark, and it comes back whole",
  safety: "active-safe",
  vantage: "inside",
  async run({ atRest }) {
    const mark = randomBytes(MARK_BYTES).toString("hex")
    const record = recordOf(mark)
    let found: ProbeResult
    try {
      if ((await atRest.spool.put(PROBE_CONDUIT, SUBJECT, record, BUFFER)) === "full") {
        return { outcome: "not-tested", why: "the spool has a queue for as many subjects as it may" }
      }
      found = await examine(atRest, mark, record)
    } finally {
      await atRest.spool.forget(PROBE_CONDUIT, SUBJECT)
    }
    const left = await atRest.files.list(FOLDER)
    return found.outcome === "passed" && left.length > 0 ? failed("nothing to be left behind", left.join(", ")) : found
  },
}

async function examine({ spool, files }: AtRestView, mark: string, record: SpoolRecord): Promise<ProbeResult> {
  let bytes = 0
  const names = await files.list(FOLDER)
  for (const name of names) {
    const raw = Buffer.from((await files.read(`${FOLDER}/${name}`)) ?? [])
    bytes += raw.length
    if (raw.includes(mark)) return failed("the mark in no file of the spool", `it stands in ${FOLDER}/${name}`)
  }
  if (bytes < record.packet.length) return failed("a stored record on the disk", `${bytes} bytes`)
  const { done, messages } = await spool.batch(PROBE_CONDUIT, SUBJECT, 1, BUFFER.maxBytes)
  const [first] = messages
  if (first === undefined || !isSame(first.record, record)) {
    return failed(
      "the record to come back as it was stored",
      first === undefined ? "none" : "another, or a damaged one",
    )
  }
  await spool.settle(PROBE_CONDUIT, SUBJECT, { through: first.seq, release: done.release })
  if ((await spool.batch(PROBE_CONDUIT, SUBJECT, 1, BUFFER.maxBytes)).messages.length > 0) {
    return failed("a settled record to be gone", "it comes again")
  }
  return {
    outcome: "passed",
    evidence: `a marked record took ${bytes} bytes on disk, without the mark, and came back whole`,
  }
}

/** A message that has the mark wherever it can have one. */
function recordOf(mark: string): SpoolRecord {
  return {
    version: 4,
    clientId: mark,
    names: { sanUri: [`urn:${mark}`], sanDns: [`${mark}.invalid`], commonName: mark, address: mark },
    storedAt: 0,
    packet: publishPacket(mark, mark),
  }
}

function isSame(found: SpoolRecord | null, stored: SpoolRecord): boolean {
  const text = ({ packet, ...facts }: SpoolRecord): string =>
    JSON.stringify([facts, Buffer.from(packet).toString("hex")])
  return found !== null && text({ ...stored, ...found }) === text(stored)
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
