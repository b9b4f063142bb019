import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { GatewayReport } from "../../../firmware/console/page/messages.ts"
import { parseCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { originOf } from "../../../policy/audit/tlog/checkpoint.ts"
import { parseNote } from "../../../policy/audit/tlog/note.ts"
import type { Refusal } from "../../../policy/audit/witness/cosigner.ts"
import { makeLog, plantEvents, type MadeLog } from "../../support/console-feed.ts"
import { watchOf, type Watched } from "../../support/console-watch.ts"
import { testCosigner, type TestCosigner } from "../../support/cosigners.ts"

const test = suite("console witnesses")
const AT = 1_780_000_000
const PLACE = "lockgate/g/witness/w1"

function logOf(size: number): MadeLog {
  const log = makeLog("g")
  log.add(plantEvents(size))
  return log
}

async function watched(log: MadeLog, cosigners: readonly TestCosigner[]): Promise<Watched> {
  const one = watchOf(log, { cosigners: cosigners.map(({ key }) => key) })
  for (const { topic, payload } of log.retained()) await one.watch.take(topic, payload, true)
  await one.watch.settle()
  return one
}

async function told({ watch }: Watched, topic: string, text: string): Promise<GatewayReport> {
  await watch.take(topic, Buffer.from(text), true)
  await watch.settle()
  return watch.report()
}

function refusal(reason: Refusal, known: string, shown: string): Parameters<TestCosigner["refuse"]>[0] {
  const tree = (note: string) => parseCheckpoint(parseNote(note).text)
  return { origin: originOf("g"), reason, known: tree(known), shown: tree(shown), evidence: { known, shown } }
}

test("[CR 3.9] who has cosigned which size, and when, is told once its line verifies", async () => {
  const [log, w1] = [logOf(300), testCosigner("w1")]
  const early = w1.cosign(log.checkpoint(), AT)
  log.add(plantEvents(40))
  const report = await told(await watched(log, [w1]), PLACE, early)
  assert.is(report.verdict, "verified")
  assert.equal(report.witnesses, [{ name: "w1", hasKey: true, cosigned: { size: 300, at: AT * 1000 }, refused: null }])
})

test("[CR 3.9] of one whose key was not given only the name is told", async () => {
  const [log, w1] = [logOf(30), testCosigner("w1")]
  const report = await told(await watched(log, []), PLACE, w1.cosign(log.checkpoint(), AT))
  assert.equal(report.witnesses, [{ name: "w1", hasKey: false, cosigned: null, refused: null }])
  assert.is(report.verdict, "verified")
})

test("[CR 3.9] a line that does not verify, by another's key or of another log, is wrong and says where", async () => {
  const [log, w1, other] = [logOf(30), testCosigner("w1"), makeLog("h")]
  const good = w1.cosign(log.checkpoint(), AT)
  const flipped = good.replace(/.(?=....\n$)/, (letter) => (letter === "A" ? "B" : "A"))
  for (const text of [
    flipped,
    testCosigner("w1").cosign(log.checkpoint(), AT),
    w1.cosign(other.checkpoint(), AT),
    "",
    "x",
  ].filter((one) => one !== "")) {
    // prettier-ignore
    const one = await watched(log, [w1])
    const report = await told(one, PLACE, text)
    assert.is(report.verdict, "wrong")
    assert.is(report.faults[0]!.where, "witness/w1")
    assert.is(report.witnesses[0]!.cosigned, null)
    assert.is((await told(one, PLACE, good)).verdict, "verified", "and is mended by a good one")
  }
})

test("[CR 3.9] a witness that cosigned another tree makes the log wrong, with its key or by the log's own signature", async () => {
  const log = logOf(300)
  const fork = log.resumed(200)
  fork.add(plantEvents(50).map((event) => ({ ...event, subject: "other" })))
  const w1 = testCosigner("w1")
  for (const given of [[w1], []]) {
    const report = await told(await watched(log, given), PLACE, w1.cosign(fork.checkpoint(), AT))
    assert.is(report.verdict, "wrong")
    assert.equal(report.faults.map(({ where, code }) => [where, code]), [["witness/w1", "ERR_LOG_FORKED"]]) // prettier-ignore
  }
})

test("[CR 3.9] one that is ahead is waited for, and then the log that is shown is an older one", async () => {
  const [log, w1] = [logOf(300), testCosigner("w1")]
  const one = await watched(log, [w1])
  log.add(plantEvents(10))
  assert.is((await told(one, PLACE, w1.cosign(log.checkpoint(), AT))).verdict, "verified")
  one.clock.now += 21_000
  await one.watch.tick()
  assert.equal(one.watch.report().faults.map(({ code }) => code), ["ERR_LOG_REWOUND"]) // prettier-ignore
  for (const { topic, payload } of log.retained()) await one.watch.take(topic, payload, true)
  await one.watch.settle()
  assert.is(one.watch.report().verdict, "verified", "the edge came after all")
})

test("[CR 3.9] a refusal for a fork or a rewind is wrong until it is taken back; another reason is only said", async () => {
  const [log, w1] = [logOf(300), testCosigner("w1")]
  const one = await watched(log, [w1])
  const note = log.checkpoint()
  for (const reason of ["fork", "rewind"] as const) {
    const report = await told(one, `${PLACE}/refused`, w1.refuse(refusal(reason, note, note), AT))
    assert.equal(report.faults.map(({ where, code }) => [where, code]), [["witness/w1", `ERR_WITNESS_${reason.toUpperCase()}`]]) // prettier-ignore
    assert.is(report.witnesses[0]!.refused!.reason, reason)
    const back = await told(one, `${PLACE}/refused`, "")
    assert.is(back.verdict, "verified")
    assert.equal(back.witnesses, [])
    assert.ok(back.findings.length > 0, "and it is not forgotten")
  }
  const said = { ...refusal("proof-missing", note, note), evidence: null }
  const report = await told(one, `${PLACE}/refused`, w1.refuse(said, AT))
  assert.is(report.verdict, "verified")
  assert.is(report.witnesses[0]!.refused!.reason, "proof-missing")
})

test("[CR 3.9] a refusal by nobody known accuses nobody, but for what the log itself has signed", async () => {
  const [log, w1] = [logOf(300), testCosigner("w1")]
  const note = log.checkpoint()
  const fork = log.resumed(250)
  fork.add(plantEvents(50).map((event) => ({ ...event, subject: "other" })))
  const lie = await told(await watched(log, []), `${PLACE}/refused`, w1.refuse(refusal("fork", note, note), AT))
  assert.is(lie.verdict, "verified")
  const proof = await told(await watched(log, []), `${PLACE}/refused`, w1.refuse(refusal("fork", note, fork.checkpoint()), AT)) // prettier-ignore
  assert.equal(proof.faults.map(({ code }) => code), ["ERR_LOG_FORKED"]) // prettier-ignore
})

test("[CR 3.5] no message at a cosigner's place breaks the page, and thousands of names are not kept", async () => {
  const [log, w1] = [logOf(5), testCosigner("w1")]
  const one = await watched(log, [w1])
  const good = Buffer.from(w1.refuse(refusal("fork", log.checkpoint(), log.checkpoint()), AT))
  for (let cut = 0; cut < good.length; cut += 7) {
    await one.watch.take(`${PLACE}/refused`, good.subarray(0, cut), true)
    await one.watch.take(PLACE, good.subarray(0, cut), true)
    await one.watch.settle(true)
  }
  for (let k = 0; k < 200; k++) await one.watch.take(`lockgate/g/witness/n${k}`, good, true)
  for (const odd of ["a/b", "a/refused/x", "", "<b>"]) await one.watch.take(`lockgate/g/witness/${odd}`, good, true)
  await one.watch.settle()
  assert.is(one.watch.report().witnesses.length, 64)
})

test.run()
