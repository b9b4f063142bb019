import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { timeSign } from "../../../firmware/cli/time-sign.ts"
import { span, timeLines } from "../../../firmware/cli/time-text.ts"
import { createTimeVerifier } from "../../../firmware/time/statement.ts"
import type { TimeReport } from "../../../firmware/time-keeper.ts"
import { NO_TIME_SYNC } from "../../../hal/time-sync.ts"
import { makeSigner } from "../../support/bundles.ts"
import { clocksOf } from "../../support/clocks.ts"

const test = suite("firmware/cli/time")
const folder = mkdtempSync(join(tmpdir(), "lockgate-time-cli-"))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string): string => join(folder, name)
const AT = Date.UTC(2026, 10, 23, 9, 30)
const [owner, deputy] = [await makeSigner("owner"), await makeSigner("deputy", "EdDSA")]
writeFileSync(at("owner.pem"), owner.privatePem, { mode: 0o600 })
writeFileSync(at("deputy.pem"), deputy.privatePem, { mode: 0o600 })
writeFileSync(at("nonce.json"), JSON.stringify({ gateway: "gw-7", nonce: "A".repeat(22) }))

async function sign(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""]
  const io = { out: (text: string) => void (out += text), err: (text: string) => void (err += text), isTTY: false }
  const code = await timeSign(args, { ...io, signal: new AbortController().signal }, () => AT)
  return { code, out, err }
}

test("[CR 2.11] what is signed is this machine's time in answer to the nonce, and a second signer is told what it approves", async () => {
  const first = await sign(at("nonce.json"), "--key", at("owner.pem"), "--within", "2", "--out", at("one.jws"))
  assert.equal([first.code, first.out], [0, ""])
  assert.match(first.err, "signed for gw-7: set 2026-11-23T09:30:00Z, give or take 2.0 s")
  const second = await sign(at("one.jws"), "--key", at("deputy.pem"))
  assert.is(second.code, 0)
  assert.match(second.err, "approving for gw-7: set 2026-11-23T09:30:00Z")
  const verify = createTimeVerifier([owner.trusted, deputy.trusted])
  const { statement, signers } = await verify(second.out)
  assert.equal(signers, ["deputy", "owner"])
  assert.equal(statement, { gateway: "gw-7", nonce: "A".repeat(22), at: AT, withinMs: 2000, purpose: "set" })
  assert.equal((await verify(readFileSync(at("one.jws"), "utf8"))).signers, ["owner"])
  const lower = await sign(at("nonce.json"), "--key", at("owner.pem"), "--lower", "--at", "2026-10-01T00:00:00Z")
  const lowered = (await verify(lower.out)).statement
  assert.equal([lowered.purpose, lowered.at], ["lower", Date.UTC(2026, 9, 1)])
})

test("wrong usage, a file that is neither, and a second signature by the same key are told, with exit code 2", async () => {
  writeFileSync(at("other.json"), "{}")
  const cases: readonly (readonly [args: string[], said: string])[] = [
    [[at("nonce.json")], "--key is needed"],
    [[at("nonce.json"), "--key", at("owner.pem"), "--within", "soon"], "--within takes"],
    [[at("nonce.json"), "--key", at("owner.pem"), "--within", "90000"], "--within takes"],
    [[at("nonce.json"), "--key", at("owner.pem"), "--at", "soon"], "--at is no time"],
    [[at("none.json"), "--key", at("owner.pem")], "none.json"],
    [[at("other.json"), "--key", at("owner.pem")], "ERR_BUNDLE_MALFORMED"],
    [[at("one.jws"), "--key", at("owner.pem")], "ERR_ALREADY_SIGNED"],
  ]
  for (const [args, said] of cases) {
    const { code, out, err } = await sign(...args)
    assert.equal([code, out], [2, ""], args.join(" "))
    assert.ok(err.includes(said), err)
  }
})

test("[CR 2.11] the status says whose time it is, how sure, from where the floor; and loudly what is wrong", async () => {
  const good = (await clocksOf([])).report()
  const text = (change: Partial<TimeReport>): string => timeLines({ ...good, ...change }).join("\n")
  const healthy = text({})
  assert.match(healthy, /^time {6}\d{4}-\d\d-\d\dT[\d:]+Z give or take \d+ ms, by network time\n/)
  assert.match(healthy, "synchronised with ntp.test by chrony (by NTS, stratum 2, 1 ms ahead)")
  assert.match(healthy, /floor .*, by build of this firmware/)
  assert.not.match(healthy, /NOT|NO |WRONG/)
  assert.match(text({ latestAt: null, boundedBy: null }), "NO LATEST")
  assert.match(text({ wallAt: 0 }), "the wall clock shows 1970-01-01T00:00:00Z: WRONG")
  assert.match(text({ sync: NO_TIME_SYNC }), "no time daemon runs on this board")
  assert.match(
    text({ sync: { ...good.sync, synchronised: false, why: "no source answers" } }),
    "NOT SYNCHRONISED: no source",
  )
  assert.match(text({ refused: "needs-presence" }), "NOT BELIEVED: it is over 400 days ahead")
  assert.equal(timeLines(undefined), [])
})

test("a span is told in one unit", () => {
  const told = [0, 3, 1500, 119_000, 600_000, 5 * 3_600_000, 40 * 86_400_000].map(span)
  assert.equal(told, ["0 ms", "3 ms", "1.5 s", "119.0 s", "10 min", "5 h", "40 days"])
})

test.run()
