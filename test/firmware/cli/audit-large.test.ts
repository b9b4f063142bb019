import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { auditExport } from "../../../firmware/cli/audit-export.ts"
import { auditTail } from "../../../firmware/cli/audit-tail.ts"
import { auditVerify } from "../../../firmware/cli/audit-verify.ts"
import { nodeSha256 } from "../../../firmware/audit/note-functions.ts"
import type { CliIo } from "../../../firmware/cli/handler.ts"
import { encodeBundle } from "../../../policy/audit/entry-bundle.ts"
import { encodeEntry } from "../../../policy/audit/entry.ts"
import { TreeEdge, type TileData } from "../../../policy/audit/tlog/edge.ts"
import { leafHash } from "../../../policy/audit/tlog/hash.ts"
import { encodeNoteKey } from "../../../policy/audit/tlog/note.ts"
import { piecePath, type LogPiece } from "../../../policy/audit/tlog/tile.ts"
import { testLogKey } from "../../support/signed-notes.ts"

const test = suite("firmware/cli: large logs")

/** Of about 27 MB; what is held of it at a time must be a small part. */
const ENTRIES = 50_000
const MAX_GROWTH_BYTES = 16 * 1024 * 1024

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

const top = mkdtempSync(join(tmpdir(), "lockgate-large-"))
test.after(() => rmSync(top, { recursive: true }))
const key = testLogKey()

function write(piece: LogPiece, bytes: Uint8Array): void {
  const path = join(top, "audit", piecePath(piece))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}

/** The log of a gateway, by the shortest way. */
test.before(() => {
  const edge = new TreeEdge(nodeSha256)
  let lines: Uint8Array[] = []
  const tile = (data: TileData): void => write(data, data.bytes)
  for (let seq = 0; seq < ENTRIES; seq++) {
    const detail = { a: "x".repeat(60), b: "y".repeat(60), c: "z".repeat(60) }
    const line = encodeEntry({
      ...{ seq, wallAt: seq * 1000, time: { earliestAt: 0, latestAt: Infinity }, boot: "b", monotonicMs: seq },
      ...{ gateway: "gw", event: { id: "conduit.connected", outcome: "success", source: "test", detail } as const },
    })
    lines.push(line)
    edge.add(leafHash(nodeSha256, line)).forEach(tile)
    if (lines.length < 256) continue
    write({ level: "entries", index: Math.floor(seq / 256), width: 256 }, encodeBundle(lines))
    lines = []
  }
  edge.partials().forEach(tile)
  write({ level: "entries", index: Math.floor(ENTRIES / 256), width: lines.length }, encodeBundle(lines))
  writeFileSync(join(top, "audit/tail"), encodeBundle(lines))
  writeFileSync(join(top, "audit/checkpoint"), key.note({ size: ENTRIES, root: edge.root() }))
})

/** Runs a command, counts what it writes, and looks at what is in memory meanwhile. */
async function measured(
  command: (io: CliIo) => Promise<number>,
): Promise<{ code: number; lines: number; err: string; growth: number }> {
  let [lines, err, most, shown] = [0, "", 0, 0]
  const startBytes = inUse()
  const look = (): void => {
    if (shown++ % 10_000 === 0) most = Math.max(most, inUse())
  }
  const code = await command({
    out(text) {
      for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines++
      look()
    },
    err: (text) => (err += text),
    isTTY: false,
    errIsTTY: true,
    signal: new AbortController().signal,
  })
  most = Math.max(most, inUse())
  return { code, lines, err, growth: most - startBytes }
}

/**
 * Of everything that is still referred to. Buffers that are not are given back by a thread beside this one, late on a busy machine; the next
 * collection waits for it: hence until nothing more goes.
 */
function inUse(): number {
  for (let before = Infinity; ;) {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    if (heapUsed + external >= before - 64 * 1024) return Math.min(before, heapUsed + external)
    before = heapUsed + external
  }
}

const KEY = encodeNoteKey(nodeSha256, key.key)

for (const [name, command, lines] of [
  ["tail", (io: CliIo) => auditTail(["--state", top, "--seq", "0..", "--json"], io), ENTRIES],
  ["export", (io: CliIo) => auditExport(["--state", top], io), ENTRIES],
  ["export -o", (io: CliIo) => auditExport(["--state", top, "-o", join(top, "lines")], io), 0],
  ["verify", (io: CliIo) => auditVerify([top, "--key", KEY], io), 5],
] as const)
  test(`[CR 7.1] ${name} holds little of a log of ${ENTRIES} entries at a time, and shows how far it is`, async () => {
    const run = await measured(command)
    assert.is(run.code, 0, run.err)
    assert.is(run.lines, lines)
    assert.ok(run.growth < MAX_GROWTH_BYTES, `grew by ${Math.round(run.growth / 1024)} KiB`)
    if (name === "verify" || name === "export -o") assert.match(run.err, /\[#*-*\] +\d+ % {2}[\d,]+ of 50,000 entries/)
  })

test.run()
