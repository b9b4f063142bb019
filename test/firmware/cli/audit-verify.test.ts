import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { EXIT } from "../../../firmware/cli/exit-codes.ts"
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

test("[CR 3.9] a collector's copy that began late is verified from there on, and says so; in a gateway's own folder its word counts for nothing", async () => {
  const own = copy()
  unlinkSync(join(own, "audit/tile/entries/000"))
  writeFileSync(join(own, "audit/first"), `{"format":1,"seq":256}`)
  writeFileSync(join(own, "audit/copy"), `{"format":1,"first":256}`)
  const ran = await verify(own, "--key", KEY)
  assert.is(ran.code, EXIT.wrong, ran.out)
  assert.match(ran.out, /ERR_LOG_START_MISSING/)
  const alone = await verify(join(own, "audit"), "--key", KEY)
  assert.is(alone.code, 0, alone.out)
  assert.match(
    alone.out,
    /\nbegins {6}at 256, as this copy says \(nobody signs that\); nothing is proved of the entries before\n/,
  )
  assert.match(alone.out, /\nVERIFIED: every entry from 256 on is the one/)
  const verdict = JSON.parse((await verify(join(own, "audit"), "--key", KEY, "--json")).out) as Record<string, unknown>
  assert.equal([verdict["from"], verdict["saidByLog"]], [256, false])
  unlinkSync(join(own, "audit/tile/entries/001"))
  const less = await verify(join(own, "audit"), "--key", KEY)
  assert.is(less.code, EXIT.wrong, less.out)
  assert.match(less.out, /entries 256 to 511 are gone/)
})

test("[CR 3.9] what the unsigned words of a copy can hide is its oldest entries, and the verdict says where it begins; nothing that is left", async () => {
  const alone = join(copy(), "audit")
  const says = (first: number): void => {
    writeFileSync(join(alone, "first"), `{"format":1,"seq":${first}}`)
    writeFileSync(join(alone, "copy"), `{"format":1,"first":${first}}`)
  }
  // As the README says: who may write there can take the oldest away and raise both numbers, and no proof is missing.
  for (const bundle of ["000", "001"]) unlinkSync(join(alone, "tile/entries", bundle))
  says(512)
  const hidden = await verify(alone, "--key", KEY)
  assert.is(hidden.code, 0, hidden.out)
  assert.match(
    hidden.out,
    /entries {5}189 right, from 512 on.*\nbegins {6}at 512, .*nobody signs that.*\nVERIFIED: every entry from 512 on /s,
  )
  // Not the newest: those hang on the signed checkpoint, whatever the words say.
  rmSync(join(alone, "tile/entries/002.p"), { recursive: true })
  writeFileSync(join(alone, "tail"), readFileSync(join(alone, "tail")).subarray(0, 100))
  assert.is((await verify(alone, "--key", KEY)).code, EXIT.wrong)
})

test("[CR 3.9] without a key nobody vouches, and the code says so", async () => {
  const alone = join(copy(), "audit")
  for (const folder of [whole, alone]) {
    const ran = await verify(folder)
    assert.is(ran.code, EXIT.unvouched)
    assert.match(ran.out, /NOT VERIFIED: .*Give --key/)
  }
  const bytes = readFileSync(join(alone, "tile/entries/001"))
  bytes[1000]! ^= 1
  writeFileSync(join(alone, "tile/entries/001"), bytes)
  const ran = await verify(alone)
  assert.is(ran.code, EXIT.wrong, "what does not agree with itself is wrong without a key, too")
})

test("[CR 3.9] which entry or tile is wrong is said, and the code says so", async () => {
  const flipped = copy()
  const path = join(flipped, "audit/tile/entries/001")
  const bytes = readFileSync(path)
  bytes[bytes.indexOf(`"object":"300"`) + 11]! ^= 1
  writeFileSync(path, bytes)
  const altered = await verify(flipped, "--key", KEY)
  assert.is(altered.code, EXIT.wrong)
  assert.match(altered.out, /^entry 300: /m)
  assert.match(altered.out, /\nWRONG: /)

  const missing = copy()
  unlinkSync(join(missing, "audit/tile/entries/001"))
  const gone = await verify(missing, "--key", KEY, "--json")
  assert.is(gone.code, EXIT.wrong)
  const told = JSON.parse(gone.out) as { verdict: string; faults: { where: string; code: string }[] }
  assert.is(told.verdict, "wrong")
  assert.match(JSON.stringify(told.faults), /tile\/entries\/001/)

  assert.is((await verify(whole, "--key", stranger)).code, EXIT.wrong, "another key")
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
  assert.is(back.code, EXIT.wrong)
  assert.match(back.out, /ERR_LOG_REWOUND/)
  assert.is(readFileSync(known, "utf8"), before, "what is wrong is not remembered")
  assert.is((await verify(whole, "--key", KEY, "--known", known)).code, EXIT.wrong, "another log")
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
  assert.is(unknown.code, EXIT.unvouched)
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
  assert.is(forged.code, EXIT.wrong)
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
  assert.is((await verify(file)).code, EXIT.unvouched)
  const other = await verify(file, "--key", stranger)
  assert.is(other.code, EXIT.wrong)
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
  assert.is(without.code, EXIT.unvouched)
  assert.match(without.out, /NOT PROVED: .*signed by the key in this folder/)
  const altered = copy()
  const path = join(altered, "audit/tile/entries/000")
  const bytes = readFileSync(path)
  bytes[bytes.indexOf(`"object":"30"`) + 11]! ^= 1
  writeFileSync(path, bytes)
  const wrong = await show("30", "--state", altered, "--key", KEY)
  assert.is(wrong.code, EXIT.wrong)
  assert.match(wrong.out, /proof {8}WRONG: /)
  assert.is((await show("31", "--state", altered, "--key", KEY)).code, 0, "its neighbour is as it was")
})

test("the key of a log is printed at its gateway, and nowhere else", async () => {
  const ran = await runCli((io) => auditKey(["--state", whole], io))
  assert.equal(ran, { code: 0, out: `${KEY}\n`, err: "" })
  assert.is((await runCli((io) => auditKey(["--state", join(copy(), "audit")], io))).code, EXIT.unreadable)
})

test("[CR 3.5] wrong use and what is not there end with codes of their own", async () => {
  const cases: readonly (readonly [Promise<Ran>, number, RegExp])[] = [
    [show("x", "--state", whole), EXIT.usage, /number of an entry/],
    [show("5"), EXIT.usage, /which log/],
    [show("5", "--state", whole, "--key", "lockgate/gw/log+00000000+AAAA"), EXIT.usage, /--key/],
    [show("5", "--state", whole, "--key", join(top, "none")), EXIT.usage, /neither a key/],
    [show("9999", "--state", whole), EXIT.unreadable, /the last one is 700/],
    [show("5", "--state", join(top, "none")), EXIT.unreadable, /no log/],
    [verify(), EXIT.usage, /which log/],
    [verify(join(top, "none")), EXIT.unreadable, /cannot be read/],
    [verify(top), EXIT.unreadable, /no log/],
    [verify(whole, "--nonsense"), EXIT.usage, /--nonsense/],
    [exported("--state", join(top, "none")), EXIT.unreadable, /no log/],
    [exported("--state", whole, "--syslog", "127.0.0.1"), EXIT.usage, /--cert/],
    [exported("--state", whole, "--format", "leef"), EXIT.usage, /json, cef or ocsf/],
    [exported("--state", whole, "--format", "cef", "--proof", "1"), EXIT.usage, /proof/],
    [exported("--state", whole, "--format", "ocsf", "--syslog", "127.0.0.1"), EXIT.usage, /--format cef/],
    [exported("--state", whole, "--syslog", ":::"), EXIT.usage, /host/],
    [exported("--state", whole, "-o", join(top, "none/file")), EXIT.unreadable, /cannot be written/],
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
