/** The storm of witnesses: `kill -9` of a gateway that is witnessed, and of the one that witnesses it, in turn, while the log grows. */
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as assert from "uvu/assert"
import type { CosignerStatus } from "../../firmware/audit/witnessed.ts"
import { timeSign } from "../../firmware/cli/time-sign.ts"
import { startRig, type LoggedLine, type Rig } from "../support/rig.ts"
import { secondGateway, type SecondGateway } from "../support/second-gateway.ts"

/** What was counted over all kills. */
export interface WitnessFigures {
  readonly kills: number
  /** Entries of the witnessed log at the end, and how many of them the witness had cosigned. */
  readonly entries: number
  readonly entriesCosigned: number
  /** Entries by which either of them accused the other, or said that it was accused. */
  readonly falseAlarms: number
  /** Times that a size was shown as cosigned that is smaller than one before. */
  readonly sizesGoneBack: number
  readonly slowestRestartMs: number
  /** From the restart until all that was there before is cosigned. */
  readonly slowestCosignatureMs: number
}

/** Events that say that somebody did wrong; in an honest storm there are none. */
export const ACCUSATIONS = ["witness.refused", "witness.rolled-back", "witness.accused", "witness.held-up", "witness.invalid"] // prettier-ignore
const WAIT_MS = 30_000

/** Two gateways that witness each other at one broker. */
export interface WitnessPair {
  readonly rig: Rig
  readonly other: SecondGateway
  /** The key with which the other one cosigns. */
  readonly key: string
  /** Tries until it finds something; what fails meanwhile is tried again. */
  until<T>(what: string, look: () => Promise<T | null>): Promise<T>
  /** Our witness, as our status shows it. */
  witness(fits: (one: CosignerStatus) => boolean): Promise<CosignerStatus>
  /** The owner signs the time for the witness: else it signs nothing. It holds until the witness is started anew. */
  tellTime(): Promise<void>
  /** Our log grows by so many entries. */
  grow(count?: number): Promise<void>
  /** Entries of both that accuse. */
  accusations(): Promise<readonly LoggedLine[]>
  stop(): Promise<void>
}

/** Starts both; resolves when the witness knows the time. */
export async function startWitnessPair(): Promise<WitnessPair> {
  const rig = await startRig()
  const other = secondGateway(rig, "gw-2")
  const stop = async (): Promise<void> => {
    await other.stop()
    await rig.stop()
  }
  const until: WitnessPair["until"] = async (what, look) => {
    const endMs = performance.now() + WAIT_MS
    for (;;) {
      const found = await look().catch(() => null)
      if (found !== null) return found
      if (performance.now() > endMs)
        throw new Error(`waited in vain until ${what}; ${JSON.stringify((await rig.status()).audit)}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  const tellTime = async (): Promise<void> => {
    const at = (name: string): string => join(rig.folder, name)
    rmSync(at("nonce.json"), { force: true })
    rmSync(at("time.jws"), { force: true })
    writeFileSync(at("owner.pem"), rig.signer.privatePem, { mode: 0o600 })
    assert.is((await other.lockgate("time", "nonce", "--out", at("nonce.json"))).code, 0)
    const io = { out: () => undefined, err: () => undefined, isTTY: false, signal: new AbortController().signal }
    assert.is(await timeSign([at("nonce.json"), "--key", at("owner.pem"), "--out", at("time.jws")], io), 0)
    assert.is((await other.lockgate("time", "set", at("time.jws"))).code, 0)
  }
  const line = async (of: Rig | SecondGateway, ...option: string[]): Promise<string> => {
    const { out, err } = await of.lockgate("audit", "key", ...option)
    assert.match(out, /^\S+\+[0-9a-f]{8}\+\S+\n$/, err)
    return out.trim()
  }
  /** What the board file says beside what it said at first. */
  const bare = new Map([rig.config, other.config].map((file) => [file, readFileSync(file, "utf8")]))
  const board = (file: string, lines: string): void => writeFileSync(file, `${bare.get(file)}\n${lines}\n`)
  try {
    await other.start()
    const [ownLog, otherLog] = [await line(rig), await line(other)]
    await Promise.all([rig.gateway.stop(), other.stop()])
    board(rig.config, `audit: { witness-for: [{ gateway: gw-2, key: "${otherLog}" }] }`)
    board(other.config, `audit: { witness-for: [{ gateway: gw-test, key: "${ownLog}" }] }`)
    await Promise.all([rig.gateway.start(), other.start()])
    const [key, ownKey] = [await line(other, "--cosigner"), await line(rig, "--cosigner")]
    await Promise.all([rig.gateway.stop(), other.stop()])
    board(rig.config, `audit: { witnesses: ["${key}"], witness-for: [{ gateway: gw-2, key: "${otherLog}" }] }`)
    board(other.config, `audit: { witnesses: ["${ownKey}"], witness-for: [{ gateway: gw-test, key: "${ownLog}" }] }`)
    await other.start()
    await tellTime()
    await rig.gateway.start()
    return {
      ...{ rig, other, key, until, tellTime, stop },
      witness: (fits) =>
        until("the witness is shown so", async () => {
          const [one] = (await rig.status()).audit.witnesses?.by ?? []
          return one !== undefined && fits(one) ? one : null
        }),
      async grow(count = 20) {
        for (let k = 0; k < count; k++) await rig.command("policy.confirm", { version: 999 })
      },
      accusations: async () =>
        [...(await rig.audit()), ...other.audit()].filter(({ event }) => ACCUSATIONS.includes(event)),
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Kill and start the witnessed and its witness in turn, `rounds` times, while the log grows; each time it must be cosigned to its end again. */
export async function witnessStorm(pair: WitnessPair, rounds: number): Promise<WitnessFigures> {
  const { rig, other } = pair
  let [sizesGoneBack, slowestRestartMs, slowestCosignatureMs, cosigned] = [0, 0, 0, 0]
  for (let round = 0; round < rounds; round++) {
    // While the kill comes, entries are on their way to the disk and edges to the witness.
    const growing = pair.grow(30).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 300))
    const isWitness = round % 2 === 1
    await (isWitness ? other.kill9() : rig.gateway.kill9())
    await growing
    const startedMs = performance.now()
    await (isWitness ? other.start() : rig.gateway.start())
    slowestRestartMs = Math.max(slowestRestartMs, performance.now() - startedMs)
    if (isWitness) await pair.tellTime()
    await pair.grow(5)
    const { entries } = (await rig.status()).audit
    const { size } = await pair.witness((one) => one.size !== null && one.size >= entries)
    slowestCosignatureMs = Math.max(slowestCosignatureMs, performance.now() - startedMs)
    if ((size ?? 0) < cosigned) sizesGoneBack++
    cosigned = size ?? 0
  }
  return {
    ...{ kills: rounds, entries: (await rig.status()).audit.entries, entriesCosigned: cosigned },
    ...{ falseAlarms: (await pair.accusations()).length, sizesGoneBack },
    slowestRestartMs: Math.round(slowestRestartMs),
    slowestCosignatureMs: Math.round(slowestCosignatureMs),
  }
}
