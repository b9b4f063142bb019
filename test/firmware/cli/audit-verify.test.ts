import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { auditExport } from "../../../firmware/cli/audit-export.ts"
import { auditKey } from "../../../firmware/cli/audit-key.ts"
import { auditShow } from "../../../firmware/cli/audit-show.ts"
import { auditVerify } from "../../../firmware/cli/audit-verify.ts"
import { openTestLog, sampleEvent } from "../../support/audit.ts"
import { openLinuxStorage } from "../../../hal/linux/storage.ts"
import { createLinuxClock } from "../../../hal/linux/clock.ts"
import { captureIo, runCli, type Ran } from "../../support/cli-io.ts"
import { keyLineOf, writeLog } from "../../support/cli-logs.ts"
import { testLogKey } from "../../support/signed-notes.ts"
import { encodeNoteKey } from "../../../policy/audit/tlog/note.ts"
import { nodeSha256 } from "../../../firmware/audit/note-functions.ts"

const test = suite("firmware/cli: audit verify, show, export")
const top = mkdtempSync(join(tmpdir(), "lockgate-verify-"))
test.after(() => rmSync(top, { recursive: true }))

const nasty = "\u001b]0;owned\u0007\u009b31m\r\n\u202e"
const whole = join(top, "whole")
await writeLog(whole, 700, [{ ...sampleEvent(nasty), subject: nasty, detail: { [nasty]: nasty } }])
const KEY = keyLineOf(whole)
const LAST = 700
const stranger = encodeNoteKey(nodeSha256, testLogKey().key)

let copies = 0
/** A copy to do harm to. */
function copy(): string {
  const folder = join(top, `copy-${copies++}`)
  cpSync(whole, folder, { recursive: true })
  return folder
}

const verify = (...args: string[]): Promise<Ran> => runCli((io) => auditVerify(args, io))
const show = (...args: string[]): Promise<Ran> => runCli((io) => auditShow(args, io))
const exported = (...args: string[]): Promise<Ran> => runCli((io) => auditExport(args, io))
// eslint-disable-next-line no-control-regex
const DRIVES = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/

test("[CR 3.9] a whole log is verified with its key, in the gateway's folder and in a copy of the log alone", async () => {
  const alone = join(top, "alone")
  cpSync(join(whole, "audit"), alone, { recursive: true })
  for (const folder of [whole, alone]) {
    const ran = await verify(folder, "--key", KEY)
    assert.is(ran.code, 0, ran.out + ran.err)
    assert.match(ran.out, /^log {9}lockgate\/gw\/log\n/)
    assert.match(ran.out, /entries {5}701 right, from 0 on/)
    assert.match(ran.out, /\nVERIFIED: /)
    assert.not.match(ran.out, DRIVES)
  }
})

test("[CR 3.9] without a key nobody vouches, and the code says so", async () => {
  const alone = join(copy(), "audit")
  for (const folder of [whole, alone]) {
    const ran = await verify(folder)
    assert.is(ran.code, 4)
    assert.match(ran.out, /NOT VERIFIED: .*Give --key/)
  }
  const bytes = readFileSync(join(alone, "tile/entries/001"))
  bytes[1000]! ^= 1
  writeFileSync(join(alone, "tile/entries/001"), bytes)
  const ran = await verify(alone)
  assert.is(ran.code, 2, "what does not agree with itself is wrong without a key, too")
})

test("[CR 3.9] which entry or tile is wrong is said, and the code is 2", async () => {
  const flipped = copy()
  const path = join(flipped, "audit/tile/entries/001")
  const bytes = readFileSync(path)
  bytes[bytes.indexOf(`"object":"300"`) + 11]! ^= 1
  writeFileSync(path, bytes)
  const altered = await verify(flipped, "--key", KEY)
  assert.is(altered.code, 2)
  assert.match(altered.out, /^entry 300: /m)
  assert.match(altered.out, /\nWRONG: /)

  const missing = copy()
  unlinkSync(join(missing, "audit/tile/entries/001"))
  const gone = await verify(missing, "--key", KEY, "--json")
  assert.is(gone.code, 2)
  const told = JSON.parse(gone.out) as { verdict: string; faults: { where: string; code: string }[] }
  assert.is(told.verdict, "wrong")
  assert.match(JSON.stringify(told.faults), /tile\/entries\/001/)

  assert.is((await verify(whole, "--key", stranger)).code, 2, "another key")
})

test("[CR 3.9] a log that was put back is noticed by who remembers it", async () => {
  const folder = join(top, "grows")
  await writeLog(folder, 300)
  const key = keyLineOf(folder)
  const old = join(top, "old")
  cpSync(folder, old, { recursive: true })
  const known = join(top, "known")
  assert.is((await verify(folder, "--key", key, "--known", known)).code, 0)
  await writeLog(folder, 10)
  const later = await verify(folder, "--known", known)
  assert.is(later.code, 0, "the key is remembered, too")
  assert.match(later.out, /known {7}\d+ entries when last looked at/)
  const before = readFileSync(known, "utf8")
  const back = await verify(old, "--known", known)
  assert.is(back.code, 2)
  assert.match(back.out, /ERR_LOG_REWOUND/)
  assert.is(readFileSync(known, "utf8"), before, "what is wrong is not remembered")
  assert.is((await verify(whole, "--key", KEY, "--known", known)).code, 2, "another log")
  writeFileSync(known, "{}")
  assert.match((await verify(folder, "--known", known)).err, /ERR_KNOWN_LOG/)
})

test("[CR 3.9] what is remembered is kept for each log by its name, and the older form is still read", async () => {
  const known = join(top, "known-logs")
  const other = join(top, "other-gateway")
  await writeLog(other, 3, [], "gw-2")
  const otherKey = keyLineOf(other, "gw-2")
  assert.is((await verify(whole, "--key", KEY, "--known", known)).code, 0)
  const unknown = await verify(other, "--known", known)
  assert.is(unknown.code, 4)
  assert.match(unknown.err, /nothing is remembered of lockgate\/gw-2\/log/)
  assert.is((await verify(other, "--key", otherKey, "--known", known)).code, 0)
  for (const folder of [whole, other, whole]) assert.is((await verify(folder, "--known", known)).code, 0)
  const { logs } = JSON.parse(readFileSync(known, "utf8")) as { logs: { key: string; checkpoint: string }[] }
  assert.equal(logs.map(({ key }) => key).toSorted(), [KEY, otherKey].toSorted())
  const [first] = logs.filter(({ key }) => key === KEY)
  writeFileSync(known, JSON.stringify({ format: 1, ...first }))
  assert.is((await verify(whole, "--known", known)).code, 0)
  writeFileSync(known, JSON.stringify({ format: 2, logs: [first, first] }))
  assert.match((await verify(whole, "--known", known)).err, /ERR_KNOWN_LOG/)
})

test("[CR 3.9] with the first key a log whose key has changed is verified, and the new one is remembered and printed", async () => {
  const folder = join(top, "rotated")
  await writeLog(folder, 300)
  const first = keyLineOf(folder)
  const storage = await openLinuxStorage(folder)
  const log = await openTestLog(storage)
  await log.rotateKey()
  await log.append(sampleEvent("after"))
  await log.close()
  await storage.close()
  const next = encodeNoteKey(nodeSha256, log.key)
  const known = join(top, "known-rotated")
  const ran = await verify(folder, "--key", first, "--known", known)
  assert.is(ran.code, 0, ran.out + ran.err)
  assert.ok(ran.out.includes(`key         ${next}`))
  assert.ok(readFileSync(known, "utf8").includes(next))
  assert.is((await verify(folder, "--known", known)).code, 0)
  assert.is((await runCli((io) => auditKey(["--state", folder], io))).out, `${next}\n`)
  assert.is((await verify(join(folder, "audit"), "--key", first)).code, 0, "a copy has the handover with it")
  const [handover] = readdirSync(join(folder, "audit")).filter((name) => name.startsWith("handover-"))
  assert.match((await verify(join(folder, "audit", handover!), "--key", first)).out, /VERIFIED/)
  writeFileSync(join(folder, "audit", handover!), "{}")
  const forged = await verify(folder, "--key", first)
  assert.is(forged.code, 2)
  assert.match(forged.out, new RegExp(`${handover}: .*ERR_LOG_HANDOVER`))
})

test("an interrupted verification says how far it came, and has the code of its own", async () => {
  const abort = new AbortController()
  const io = captureIo()
  const seen = auditVerify([whole, "--key", KEY], { ...io, signal: abort.signal })
  abort.abort()
  assert.is(await seen, 130)
  assert.match(io.errors(), /interrupted: .*, and nothing is said of it\n$/)
  assert.is(io.text(), "")
})

test("[CR 2.12] one file proves one entry, offline", async () => {
  const file = join(top, "proof.json")
  assert.is((await exported("--state", whole, "--proof", String(LAST), "-o", file)).code, 0)
  const proved = await verify(file, "--key", KEY)
  assert.is(proved.code, 0, proved.out + proved.err)
  assert.match(proved.out, /VERIFIED: this entry stands in the log of 701 entries/)
  assert.not.match(proved.out, DRIVES)
  assert.is((await verify(file)).code, 4)
  const other = await verify(file, "--key", stranger)
  assert.is(other.code, 2)
  assert.match(other.out, /another key of the name/)
  writeFileSync(file, readFileSync(file, "utf8").replace(`"index": ${LAST}`, `"index": 5`))
  assert.match((await verify(file, "--key", KEY, "--json")).out, /"verdict":"wrong".*"inclusion"/)
  assert.match((await exported("--state", join(copy(), "audit"), "--proof", "5")).err, /names the key .*--key/)
})

test("[CR 6.1] one entry is shown whole, with its proof, and drives no terminal", async () => {
  const ran = await show(String(LAST), "--state", whole, "--key", KEY)
  assert.is(ran.code, 0, ran.err)
  assert.match(ran.out, /^entry 700 of gw\n {2}event {8}conduit.connected: a subject connected\n/)
  assert.match(ran.out, /proof {8}PROVED: in the log of 701 entries that this key signed:\n {15}lockgate\/gw\/log\+/)
  assert.not.match(ran.out, DRIVES)
  const without = await show("5", "--state", whole)
  assert.is(without.code, 4)
  assert.match(without.out, /NOT PROVED: .*signed by the key in this folder/)
  const altered = copy()
  const path = join(altered, "audit/tile/entries/000")
  const bytes = readFileSync(path)
  bytes[bytes.indexOf(`"object":"30"`) + 11]! ^= 1
  writeFileSync(path, bytes)
  const wrong = await show("30", "--state", altered, "--key", KEY)
  assert.is(wrong.code, 2)
  assert.match(wrong.out, /proof {8}WRONG: /)
  assert.is((await show("31", "--state", altered, "--key", KEY)).code, 0, "its neighbour is as it was")
})

test("the key of a log is printed at its gateway, and nowhere else", async () => {
  const ran = await runCli((io) => auditKey(["--state", whole], io))
  assert.equal(ran, { code: 0, out: `${KEY}\n`, err: "" })
  assert.is((await runCli((io) => auditKey(["--state", join(copy(), "audit")], io))).code, 3)
})

test("[CR 3.5] wrong use ends with 1, what is not there with 3", async () => {
  const cases: readonly (readonly [Promise<Ran>, number, RegExp])[] = [
    [show("x", "--state", whole), 1, /number of an entry/],
    [show("5"), 1, /which log/],
    [show("5", "--state", whole, "--key", "lockgate/gw/log+00000000+AAAA"), 1, /--key/],
    [show("5", "--state", whole, "--key", join(top, "none")), 1, /neither a key/],
    [show("9999", "--state", whole), 3, /the last one is 700/],
    [show("5", "--state", join(top, "none")), 3, /no log/],
    [verify(), 1, /which log/],
    [verify(join(top, "none")), 3, /cannot be read/],
    [verify(top), 3, /no log/],
    [verify(whole, "--nonsense"), 1, /--nonsense/],
    [exported("--state", join(top, "none")), 3, /no log/],
    [exported("--state", whole, "--syslog", "127.0.0.1"), 1, /--cert/],
    [exported("--state", whole, "--format", "leef"), 1, /json, cef or ocsf/],
    [exported("--state", whole, "--format", "cef", "--proof", "1"), 1, /proof/],
    [exported("--state", whole, "--format", "ocsf", "--syslog", "127.0.0.1"), 1, /--format cef/],
    [exported("--state", whole, "--syslog", ":::"), 1, /host/],
    [exported("--state", whole, "-o", join(top, "none/file")), 3, /cannot be written/],
  ]
  for (const [running, code, said] of cases) {
    const ran = await running
    assert.is(ran.code, code, ran.err)
    assert.match(ran.err, said)
    assert.not.match(ran.err, DRIVES)
  }
})

test("JSON lines are the very bytes of the log, filtered, and the file is there whole", async () => {
  const file = join(top, "lines")
  assert.is((await exported("--state", whole, "--seq", "250..260", "-o", file)).code, 0)
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1)
  assert.equal(lines.map((line) => (JSON.parse(line) as { seq: number }).seq), Array.from({ length: 11 }, (_, k) => 250 + k)) // prettier-ignore
  assert.ok(readFileSync(join(whole, "audit/tile/entries/000")).includes(lines[0] ?? "?"))
  assert.is((await exported("--state", whole, "--seq", "250..260")).out, readFileSync(file, "utf8"))
  for (const [format, start] of [
    ["cef", /^CEF:0\|Lockgate\|/],
    ["ocsf", /^\{"class_uid":/],
  ] as const) {
    const ran = await exported("--state", whole, "--format", format)
    const lines = ran.out.split("\n").slice(0, -1)
    assert.is(lines.length, 701)
    assert.ok(lines.every((line) => start.test(line)))
    assert.not.match(ran.out, DRIVES)
  }
})

test("a log is verified while it grows", async () => {
  const folder = join(top, "live")
  const storage = await openLinuxStorage(folder)
  const log = await openTestLog(storage, { clock: createLinuxClock() })
  let done = false
  const writing = (async () => {
    for (let k = 0; !done; k++) {
      await log.append(sampleEvent(`${k}`))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })()
  for (let k = 0; k < 8; k++) {
    const ran = await verify(folder, "--key", keyLineOf(folder))
    assert.is(ran.code, 0, ran.out + ran.err)
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  done = true
  await writing
  await log.close()
  await storage.close()
})

test("a bar shows how far long work is, only at a terminal", async () => {
  const io = captureIo()
  assert.is(await auditVerify([whole, "--key", KEY], { ...io, errIsTTY: false }), 0)
  assert.is(io.errors(), "")
})

test.run()
