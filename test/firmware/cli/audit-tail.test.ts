import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { AuditLog } from "../../../firmware/audit/log.ts"
import { EXIT } from "../../../firmware/cli/exit-codes.ts"
import { auditTail } from "../../../firmware/cli/audit-tail.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { entryText } from "../../../firmware/cli/entry-text.ts"
import { encodeBundle } from "../../../policy/audit/entry-bundle.ts"
import { encodeEntry, parseEntry } from "../../../policy/audit/entry.ts"
import { openLinuxStorage, type LinuxStorage } from "../../../hal/linux/storage.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { openTestLog, sampleEvent } from "../../support/audit.ts"

const test = suite("firmware/cli/audit-tail")
const top = mkdtempSync(join(tmpdir(), "lockgate-tail-"))
test.after(() => rmSync(top, { recursive: true }))

let made = 0
let ending = new AbortController()
const open: { log: AuditLog; storage: LinuxStorage }[] = []
test.after.each(async () => {
  ending.abort()
  ending = new AbortController()
  for (const { log, storage } of open.splice(0)) {
    await log.close()
    await storage.close()
  }
})

async function newLog(entries = 0): Promise<{ folder: string; log: AuditLog; clock: MemoryClock }> {
  const folder = join(top, `s${made++}`)
  const storage = await openLinuxStorage(folder)
  const clock = new MemoryClock(Date.UTC(2030, 0, 1))
  const log = await openTestLog(storage, { clock })
  open.push({ log, storage })
  await Promise.all(Array.from({ length: entries }, (_, i) => log.append(sampleEvent(`${i}`))))
  return { folder, log, clock }
}

interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
  readonly lines: string[]
}

async function tail(args: readonly string[], isTTY = false, signal = ending.signal): Promise<Run> {
  let [out, err] = ["", ""]
  const code = await auditTail(args, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    isTTY,
    signal,
  })
  return { code, out, err, lines: out.split("\n").slice(0, -1) }
}

const seqs = (run: Run): number[] => run.lines.map((line) => (JSON.parse(line) as { seq: number }).seq)
const from = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i)

test("[CR 6.1] the last entries are shown, ten if nothing else is said, oldest first", async () => {
  const { folder } = await newLog(30)
  const run = await tail(["--state", folder, "--json"])
  assert.is(run.code, 0)
  assert.is(run.err, "")
  assert.equal(seqs(run), from(20, 10))
  assert.equal(seqs(await tail(["--state", folder, "--json", "-n", "3"])), from(27, 3))
  assert.equal(seqs(await tail(["--state", folder, "--json", "-n", "0"])), [])
  assert.equal(seqs(await tail(["--state", folder, "--json", "-n", "99"])), from(0, 30))
})

test("--json gives the very lines of the log", async () => {
  const { folder, log } = await newLog(3)
  const lines = (await log.read(0, 3)).map(({ line }) => Buffer.from(line).toString())
  assert.equal((await tail(["--state", folder, "--json"])).lines, lines)
})

test("entries are found across bundles", async () => {
  const { folder } = await newLog(600)
  assert.equal(seqs(await tail(["--state", folder, "--json", "-n", "400"])), from(200, 400))
  const full = await newLog(512)
  assert.equal(seqs(await tail(["--state", full.folder, "--json", "-n", "2"])), [510, 511])
})

test("a line for people says when, how grave, who, what, to what, by which rule, why and how often", async () => {
  const { folder, log } = await newLog()
  await log.append({
    ...{ id: "conduit.denied", outcome: "denied", source: "conduit/field", subject: "pump-1", conduit: "field" },
    ...{ object: "plant/a", rule: "r1", reason: "deny-rule", count: 12 },
  } as const)
  await log.append({ id: "gateway.started", outcome: "success", source: "gateway" })
  assert.equal((await tail(["--state", folder])).lines, [
    "2030-01-01T00:00:00.000Z  warning  pump-1  messages were denied by policy  at field  plant/a  rule r1  (deny-rule)  x12",
    "2030-01-01T00:00:00.000Z  notice   -  the gateway started",
  ])
})

test("colour is for terminals, or when asked for", async () => {
  const { folder } = await newLog(1)
  const escape = "\u001b["
  assert.not.ok((await tail(["--state", folder])).out.includes(escape))
  assert.ok((await tail(["--state", folder], true)).out.includes(escape))
  assert.ok((await tail(["--state", folder, "--color"])).out.includes(escape))
  assert.not.ok((await tail(["--state", folder, "--json"], true)).out.includes(escape))
  assert.not.ok((await tail(["--state", folder, "--no-color"], true)).out.includes(escape))
  const quiet = { isTTY: true, noColour: true, signal: ending.signal, err: assert.unreachable }
  for (const [more, coloured] of [
    [[], false],
    [["--color"], true],
  ] as const) {
    let out = ""
    await auditTail(["--state", folder, ...more], { ...quiet, out: (text) => (out += text) })
    assert.is(out.includes(escape), coloured, "NO_COLOR is honoured, unless colour is asked for")
  }
})

test("filters choose, and the count is of what they chose", async () => {
  const { folder, log, clock } = await newLog()
  for (let i = 0; i < 300; i++) {
    clock.advance(1000)
    const odd = i % 100 === 7
    await log.append({
      ...{ id: odd ? "conduit.denied" : "command.read", outcome: odd ? "denied" : "success", source: "test" },
      ...(odd ? { subject: "rogue", conduit: "field" } : {}),
    })
  }
  const found = async (...args: string[]): Promise<number[]> => seqs(await tail(["--state", folder, "--json", ...args]))
  assert.equal(await found("--subject", "rogue"), [7, 107, 207])
  assert.equal(await found("--subject", "rogue", "-n", "2"), [107, 207])
  assert.equal(await found("--conduit", "field", "--outcome", "denied"), [7, 107, 207])
  assert.equal(await found("--event", "conduit.denied", "--since", "2030-01-01T00:01:48Z"), [107, 207])
  assert.equal(await found("--event", "conduit.denied", "--since", "2030-01-01T00:01:49Z"), [207])
  assert.equal(await found("--seq", "100..210", "--subject", "rogue"), [107, 207])
  assert.equal(await found("--seq", "299.."), [299])
  assert.equal(await found("--severity", "warning", "-n", "2"), [107, 207])
  assert.equal(await found("--where", "event=conduit.* subject=!-", "-n", "9"), [7, 107, 207])
  assert.equal(await found("--from", "2030-01-01T00:03:20Z", "--to", "2030-01-01T00:03:22Z"), [199, 200, 201])
  assert.equal(await found("--category", "request-error"), [])
  assert.equal(await found("--subject", "-", "-n", "1"), [299])
  assert.is((await found("--since", "2030-01-01")).length, 300)
  assert.is((await found("--since", "2h")).length, 300)
})

test("[CR 3.7] wrong arguments are named and end with the code for wrong use", async () => {
  const { folder } = await newLog(1)
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /--state/],
    [["--state", folder, "-n", "many"], /many/],
    [["--state", folder, "-n", "-1"], /-n|-1/],
    [["--state", folder, "--since", "yesterday"], /yesterday/],
    [["--state", folder, "--nonsense"], /--nonsense/],
    [["--state", folder, "--event", "conduit.denid"], /--event: no event is called "conduit.denid" .*conduit.denied/],
    [["--state", folder, "--where", "seq=1 x=2"], /--where, character 7: no field is called "x"/],
    [["--state", folder, "stray"], /stray/],
    [["--state"], /--state/],
    [["--state", folder, "--since", "\u001b[2J"], /--since/],
  ]
  for (const [args, names] of cases) {
    const run = await tail(args)
    assert.is(run.code, EXIT.usage, args.join(" "))
    assert.match(run.err, names)
    assert.not.match(run.err, "\u001b")
    assert.is(run.out, "")
  }
})

test("a folder without a log says so and ends with a code of its own", async () => {
  const run = await tail(["--state", join(top, "nowhere")])
  assert.is(run.code, EXIT.unreadable)
  assert.match(run.err, /no log/)
})

test("[CR 3.9] a damaged bundle is told, what can be read is shown, and the code says so", async () => {
  const { folder } = await newLog(300)
  const path = join(folder, "audit/tile/entries/000")
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1] = 0
  writeFileSync(path, bytes)
  const run = await tail(["--state", folder, "--json", "-n", "300"])
  assert.is(run.code, EXIT.wrong)
  assert.match(run.err, /bundle 0/)
  assert.ok(run.lines.length > 150 && run.lines.length < 200)
})

test("[CR 3.5] what a log file holds cannot drive the terminal", async () => {
  const nasty = "\u001b]0;owned\u0007\u009b31m\r\n\u202e"
  const { folder, log } = await newLog()
  await log.append({ ...sampleEvent(nasty), subject: nasty, reason: nasty })
  const forged = Buffer.from(
    Buffer.from((await log.read(0, 1))[0]?.line ?? [])
      .toString()
      .replace('"boot":"boot"', '"boot":"\u009b2J\u202e"'),
  )
  await log.close()
  writeFileSync(join(folder, "audit/tail"), encodeBundle([forged]))
  for (const args of [[], ["--json"]]) {
    const run = await tail(["--state", folder, ...args])
    assert.is(run.lines.length, 1)
    // eslint-disable-next-line no-control-regex
    assert.not.match(run.lines[0] ?? "", /[\x00-\x1f\x7f-\x9f\u202e]/)
  }
  assert.is((JSON.parse((await tail(["--state", folder, "--json"])).out) as { boot: string }).boot, "\u009b2J\u202e")
})

test("an event that this release does not know is shown by its id", () => {
  const line = encodeEntry({
    ...{ seq: 0, wallAt: 0, time: { earliestAt: 0, latestAt: Infinity }, boot: "b", monotonicMs: 0, gateway: "g" },
    event: { id: "gateway.started", outcome: "success", source: "s" },
  })
  for (const event of ["later.event", "constructor", "__proto__"]) {
    assert.match(entryText({ ...parseEntry(line), event }, false), `-  ${event}`)
  }
})

test("a line says what an input came to be, and of a command that failed why", () => {
  const line = (event: AuditEvent): string =>
    entryText(
      parseEntry(
        encodeEntry({
          ...{
            seq: 0,
            wallAt: 0,
            time: { earliestAt: 0, latestAt: Infinity },
            boot: "b",
            monotonicMs: 0,
            gateway: "g",
          },
          event,
        }),
      ),
      false,
    )
  const input = { id: "input.changed", outcome: "success", source: "gpio", object: "key-switch" } as const
  assert.match(line({ ...input, detail: { state: "island", before: "run" } }), /key-switch {2}island$/)
  const command = { id: "command.executed", source: "management", subject: "local:owner", object: "island" } as const
  const text = "turn it back\u001b[2J first"
  const failed = line({ ...command, outcome: "failure", reason: "ERR_ISLAND_INPUT", detail: { text } })
  assert.match(failed, /was executed, and failed {2}island {2}\(ERR_ISLAND_INPUT\) {2}turn it back/)
  assert.not.match(failed, "\u001b")
  assert.not.match(line({ ...command, outcome: "success" }), "failed")
})

async function until(condition: () => boolean): Promise<void> {
  const endAt = Date.now() + 5000
  while (!condition() && Date.now() < endAt) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.ok(condition(), "waited in vain")
}

test("[CR 6.1] following shows every entry once and in order, over rotations too, and ends with the signal", async () => {
  const { folder, log } = await newLog(250)
  const shown: number[] = []
  const running = auditTail(["--state", folder, "--json", "-f", "-n", "5"], {
    out: (text) => shown.push((JSON.parse(text) as { seq: number }).seq),
    err: (text) => assert.unreachable(text),
    isTTY: false,
    signal: ending.signal,
  })
  await until(() => shown.length === 5)
  for (let burst = 0; burst < 60; burst++) {
    await Promise.all(Array.from({ length: 10 }, (_, i) => log.append(sampleEvent(`${burst}.${i}`))))
    await new Promise((resolve) => setTimeout(resolve, 8))
  }
  await until(() => shown.length === 605)
  assert.equal(shown, from(245, 605))
  ending.abort()
  assert.is(await running, 0)
})

test("following waits for a log that is not there yet", async () => {
  const folder = join(top, "later")
  const shown: string[] = []
  const running = auditTail(["--state", folder, "--follow", "--event", "conduit.connected"], {
    out: (text) => shown.push(text),
    err: (text) => assert.unreachable(text),
    isTTY: false,
    signal: ending.signal,
  })
  const storage = await openLinuxStorage(folder)
  const log = await openTestLog(storage)
  open.push({ log, storage })
  await log.append({ id: "gateway.started", outcome: "success", source: "gateway" })
  await log.append(sampleEvent("first"))
  await until(() => shown.length === 1)
  ending.abort()
  assert.is(await running, 0)
})

test.run()
