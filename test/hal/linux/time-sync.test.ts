import { chmodSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parseChrony } from "../../../hal/linux/chrony.ts"
import { createLinuxTimeSync } from "../../../hal/linux/time-sync.ts"

const test = suite("hal/linux/time-sync")
const folder = mkdtempSync(join(tmpdir(), "lockgate-time-sync-"))
test.after(() => rmSync(folder, { recursive: true, force: true }))

const TRACKING = "C0000201,192.0.2.1,3,1795427000.123456789,-0.000012000,0.000010000,0.000020000,-1.2,0.001,0.1,0.012000000,0.000900000,64.2,Normal" // prettier-ignore
const SOURCE = "^,*,192.0.2.1,2,6,377,21,0.000011,0.000010,0.006"
const AUTH = "192.0.2.1,NTS,1,15,256,1234,0,0,8,100"
const text = (...lines: string[]): string => lines.join("\n") + "\n"

test("[CR 2.11 RE(1)] a chrony that follows a source says whom, how far off, and by what it is proved", () => {
  assert.equal(parseChrony(text(TRACKING, SOURCE, AUTH)), {
    daemon: "chrony",
    synchronised: true,
    why: "",
    source: "192.0.2.1",
    stratum: 3,
    authentication: "nts",
    offsetMs: 0.012,
    rootDelayMs: 12,
    rootDispersionMs: 0.9,
    errorMs: 6.912,
  })
  for (const [mode, authentication] of [
    ["SK", "symmetric-key"],
    ["-", "none"],
    ["?", "unknown"],
  ] as const) {
    const found = parseChrony(text(TRACKING, "^,-,192.0.2.9,2,6,377,21,0.0,0.0,0.1", SOURCE, AUTH.replace("NTS", mode)))
    assert.is(found.authentication, authentication)
  }
  assert.is(parseChrony(text(TRACKING, SOURCE, "501 Not authorised")).authentication, "unknown")
  assert.is(parseChrony(text(TRACKING, SOURCE.replace("^", "#"))).authentication, "none")
})

test("[CR 2.11 RE(1)] without a selected source chrony is not synchronised, whatever it calls itself", () => {
  const silent = SOURCE.replace("^,*", "^,?")
  const cases: readonly (readonly [string, string])[] = [
    [text(TRACKING, silent, AUTH), "hears no source"],
    [text(TRACKING), "hears no source"],
    [text(TRACKING.replace("Normal", "Not synchronised"), SOURCE, AUTH), "follows no source yet"],
    ["", "does not answer"],
    ["506 Cannot talk to daemon\n", "does not answer"],
    [text(SOURCE, AUTH), "does not answer"],
    [text(TRACKING.replace("0.012000000", "soon"), SOURCE, AUTH), "cannot be read"],
    [text(TRACKING.replace("0.012000000", "-9"), SOURCE, AUTH), "cannot be read"],
    [text(TRACKING.replace(",3,", ",x,"), SOURCE, AUTH), "cannot be read"],
  ]
  for (const [said, why] of cases) {
    const found = parseChrony(said)
    assert.equal([found.daemon, found.synchronised, found.errorMs], ["chrony", false, null], said)
    assert.match(found.why, why, said)
  }
})

test("[CR 3.5] whatever chronyc prints, cut off or with a bit flipped, makes a whole answer", () => {
  const bytes = Buffer.from(text(TRACKING, SOURCE, AUTH))
  for (let at = 0; at < bytes.length; at++) {
    for (const said of [bytes.subarray(0, at).toString("latin1"), flipped(bytes, at)]) {
      const { synchronised, errorMs, why } = parseChrony(said)
      assert.ok(
        synchronised ? errorMs !== null && Number.isFinite(errorMs) && errorMs >= 0 && why === "" : errorMs === null,
      )
    }
  }
})

function flipped(bytes: Buffer, at: number): string {
  const copy = Buffer.from(bytes)
  copy[at] = copy[at]! ^ 1
  return copy.toString("latin1")
}

test("without any daemon there is none; a mark of systemd-timesyncd counts while it is fresh", async () => {
  const chronySocket = join(folder, "no-such-socket")
  const timesyncdMark = join(folder, "synchronized")
  const nowAt = Date.now()
  const read = (wallAt = nowAt) => createLinuxTimeSync({ chronySocket, timesyncdMark, wallAt: () => wallAt }).read()
  assert.is((await read()).daemon, "none")
  writeFileSync(timesyncdMark, "")
  const mark = (agoMs: number): void => utimesSync(timesyncdMark, new Date(nowAt), new Date(nowAt - agoMs))
  mark(60_000)
  const { daemon, synchronised, authentication, errorMs } = await read()
  assert.equal([daemon, synchronised, authentication, errorMs], ["systemd-timesyncd", true, "none", 5000])
  mark(3 * 3_600_000)
  assert.is((await read()).synchronised, false)
  mark(60_000)
  assert.is((await read(nowAt - 3_600_000)).synchronised, false, "the clock was set back after the daemon had set it")
})

test("chronyc is asked at the socket, a failure is no answer, and a missing chronyc is told", async () => {
  const chronySocket = join(folder, "chronyd.sock")
  writeFileSync(chronySocket, "")
  const chronyc = join(folder, "chronyc")
  const read = () => createLinuxTimeSync({ chronySocket, chronyc: [join(folder, "none"), chronyc] }).read()
  assert.match((await read()).why, "chronyc to ask it is missing")
  const script = (body: string): void => {
    writeFileSync(chronyc, `#!/bin/sh\n${body}\n`)
    chmodSync(chronyc, 0o755)
  }
  script(
    `[ "$*" = "-n -c -h ${chronySocket} -m tracking sources authdata" ] && printf '${TRACKING}\\n${SOURCE}\\n${AUTH}\\n'`,
  )
  assert.is((await read()).authentication, "nts")
  script("exit 1")
  assert.match((await read()).why, "does not answer")
})

test.run()
