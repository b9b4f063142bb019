/** The time keeper on a real chronyd: found, stepped, lost, back. Neither chronyd ever sets this machine's clock (`-x`). */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createTimeKeeper } from "../../firmware/time-keeper.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { createLinuxTimeSync } from "../../hal/linux/time-sync.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { startChrony, type ChronyPair, type ChronyProof } from "../peers/chrony.ts"
import { AN_HOUR_AHEAD } from "../peers/faketime.ts"
import { opensslAuthority, opensslCertificate } from "../peers/openssl.ts"

const test = suite("system/chrony")
const PATIENCE_MS = 12_000

/** A keeper on this machine's clock that asks the real daemon. */
async function keeperOn(chrony: ChronyPair, network: "any" | "authenticated" = "any") {
  const clock = createLinuxClock()
  const sync = createLinuxTimeSync({ chronySocket: chrony.socket, chronyc: chrony.chronyc })
  const wallAt = Date.now()
  const time = await createTimeKeeper({
    clock,
    storage: new MemoryStorage(),
    builtAt: wallAt - 86_400_000,
    sync,
    network,
  })
  const told: AuditEvent[] = []
  time.onEvent((event) => told.push(event))
  /** Look until `holds`; what was told meanwhile. */
  const until = async (what: string, holds: () => boolean): Promise<AuditEvent[]> => {
    const before = told.length
    const end = performance.now() + PATIENCE_MS
    while (!holds()) {
      if (performance.now() > end)
        throw new Error(`not ${what}: ${JSON.stringify(time.report())} ${JSON.stringify(told)}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
      await time.askNow()
    }
    return told.slice(before)
  }
  return { time, until, told }
}

async function pair(proof: ChronyProof, run: (chrony: ChronyPair) => Promise<void>): Promise<void> {
  const chrony = await startChrony(proof)
  try {
    await run(chrony)
  } finally {
    await chrony.stop()
  }
}

test("[CR 2.11 RE(1)] a real chronyd is found, stepped by an hour, lost and back; each is told, and the interval holds", async () => {
  await pair("key", async (chrony) => {
    const { time, until } = await keeperOn(chrony, "authenticated")
    const ids = (events: AuditEvent[]): string[] => events.map(({ id }) => id)
    assert.is(time.report().sync.daemon, "chrony")
    assert.is(time.report().sync.synchronised, false)
    assert.not(time.bounded)

    await chrony.startServer()
    const found = await until("synchronised", () => time.report().sync.synchronised)
    assert.equal(ids(found), ["time.synchronised"])
    const { sync, boundedBy } = time.report()
    assert.equal([sync.source, sync.authentication, boundedBy], ["127.0.0.1", "symmetric-key", "network"])
    const { earliestAt, latestAt } = time.interval()
    assert.ok(earliestAt <= Date.now() && Date.now() <= latestAt && latestAt - earliestAt < 2_000)

    await chrony.stopServer()
    const lost = await until("lost", () => !time.report().sync.synchronised)
    assert.equal(ids(lost), ["time.sync-lost"])
    assert.ok(time.bounded, "the monotonic clock carries on what was known")

    await chrony.startServer(AN_HOUR_AHEAD)
    const stepped = await until("stepped", () => Math.abs(time.report().sync.offsetMs ?? 0) > 3_000_000)
    assert.ok(ids(stepped).includes("time.apart"), JSON.stringify(stepped))
    const apart = stepped.find(({ id }) => id === "time.apart")
    assert.ok(Math.abs(Number(apart?.detail?.["offsetMs"]) + 3_600_000) < 1_000, JSON.stringify(apart))

    await chrony.stopServer()
    await until("lost again", () => !time.report().sync.synchronised)
    await chrony.startServer()
    const back = await until(
      "back",
      () => time.report().sync.synchronised && Math.abs(time.report().sync.offsetMs ?? 1e9) < 500,
    )
    assert.ok(ids(back).includes("time.synchronised"))
    assert.ok(time.interval().earliestAt <= Date.now() && Date.now() <= time.interval().latestAt)
  })
})

test("[CR 2.11 RE(2)] a source that proves itself by NTS is told from one that does not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-nts-"))
  try {
    const authority = opensslAuthority(folder, "time-ca")
    const options = { issuer: authority, usage: "server", san: ["DNS:localhost"] } as const
    const { chain, key } = opensslCertificate(folder, "time", options)
    await pair({ certificate: chain, key, trusted: authority.cert }, async (chrony) => {
      await chrony.startServer()
      const { time, until } = await keeperOn(chrony, "authenticated")
      await until("synchronised", () => time.report().sync.synchronised)
      assert.equal([time.report().sync.authentication, time.bounded], ["nts", true])
    })
    await pair("none", async (chrony) => {
      await chrony.startServer()
      const { time, until, told } = await keeperOn(chrony, "authenticated")
      await until("synchronised", () => time.report().sync.synchronised)
      assert.equal([time.report().sync.authentication, time.bounded], ["none", false])
      assert.ok(told.some(({ reason }) => reason === "not-authenticated"))
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
