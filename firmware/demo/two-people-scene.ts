import { generateKeyPairSync } from "node:crypto"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as wait } from "node:timers/promises"
import { openReadOnlyStorage } from "../../hal/linux/storage.ts"
import type { Entry } from "../../policy/audit/entry.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import { LockgateError, StateError } from "../../policy/base/errors.ts"
import type { CommandAnswer, CommandRequest } from "../../policy/command/port.ts"
import { createLogReader } from "../audit/reader.ts"
import { signBundle } from "../bundles/sign.ts"
import { readSigningKey } from "../bundles/signer-key.ts"
import { askAs, type PersonIdentity } from "../cli/person-identity.ts"
import { makePersonKey, readPersonKey } from "../cli/person-key.ts"
import { callLocal } from "../management/local-client.ts"
import { startChild } from "./child.ts"
import { writeWhole } from "./files.ts"

/** When it begins, and how long each line stands alone. */
export interface TwoPeopleTimes {
  readonly afterMs: number
  readonly stepMs: number
}

const GATEWAY = "people-gateway"
const PATIENCE_MS = 20_000
/** More than are free. */
const GUESSES = 6

const POLICY = `lockgate-policy: 1
name: two people
zones: {}
roles: {}
subjects: []
conduits: {}
rules: []
# Closing waits for nobody; to open again takes two.
people: { two-persons: [island] }
`

const BOARD = `lockgate-gateway: 1
gateway: ${GATEWAY}
board: simulated
state: state
trust: { authorities: {}, policy-signers: { owner: signer.pub.pem } }
credentials: {}
policy-bundle: policy.jws
conduits: {}
management: { socket: command.sock }
`

/**
 * Plays anna and ben at a small gateway of their own below `folder`: from the first account on a gateway obeys nobody who does not say
 * who they are, and the reader's shall go on to obey the reader. Anna closes, which waits for nobody; what she opens again waits for
 * ben. Somebody guesses his password meanwhile. Resolves when that has happened or `signal` says so.
 *
 * @throws LockgateError if that gateway does not start or cannot be asked
 * @see IEC 62443-4-2 CR 1.11, CR 2.1 RE(4), NDR 5.2
 */
export async function playTwoPeople(
  folder: string,
  times: TwoPeopleTimes,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const root = join(folder, "people")
  const pause = (ms: number): Promise<void> => wait(ms, undefined, { signal }).catch(() => undefined)
  await pause(times.afterMs)
  if (signal.aborted) return
  await prepare(root)
  const gateway = startChild("../cli.ts", ["run", "--config", join(root, "gateway.yaml")], () => undefined)
  try {
    const send = (message: Parameters<typeof callLocal>[1]): Promise<CommandAnswer> =>
      callLocal(join(root, "command.sock"), message, PATIENCE_MS, signal)
    await started(send, pause)
    const [anna, ben] = [await personWithKey("anna"), await personWithKey("ben")]
    const as = ({ identity }: Person, command: string, given: object = {}): Promise<CommandAnswer> =>
      askAs(identity, { command, arguments: given }, GATEWAY, send)
    const first = { name: "anna", roles: "security-admin operator", key: anna.publicPem }
    await send({ command: "account.create", arguments: first })
    await as(anna, "account.create", { name: "ben", roles: "operator", key: ben.publicPem })
    tell("two people have accounts at a second gateway: from now on it obeys nobody who does not sign")

    await pause(times.stepMs)
    const closed = await as(anna, "island", { state: "on" })
    const opened = await as(anna, "island", { state: "off" })
    const hash = opened.ok ? "" : (opened.waits ?? "")
    tell(`anna closes: ${told(closed)}; anna opens again: ${hash === "" ? told(opened) : `waits for a second person as ${hash.slice(0, 12)}...`}`) // prettier-ignore

    await pause(times.stepMs)
    const alone = await as(anna, "approval.give", { hash })
    const given = await as(ben, "approval.give", { hash })
    const entry = await lastEntry(root, ({ event, object }) => event === "command.executed" && object === "island")
    tell(`anna approves it herself: ${told(alone)}; ben approves it: ${told(given)}; entry ${entry?.seq ?? "?"} names ${entry?.subject ?? "?"} and ${String(entry?.detail?.["approvedBy"] ?? "?")}`) // prettier-ignore

    await pause(times.stepMs)
    const answers = new Set<string>()
    for (let i = 0; i < GUESSES; i++) {
      answers.add(told(await send({ command: "session.open", arguments: { account: "ben", password: `summer-${i}` } })))
    }
    const out = await lastEntry(root, ({ event }) => event === "session.locked-out")
    const key = await as(ben, "status")
    tell(`${GUESSES} guesses at ben's password: ${[...answers].join(", ")}${out === null ? "" : `, and the guesser is locked out (entry ${out.seq})`}; ben's key meanwhile: ${told(key)}`) // prettier-ignore
  } finally {
    await gateway.stop()
    rmSync(root, { recursive: true, force: true })
  }
}

interface Person {
  readonly identity: PersonIdentity
  readonly publicPem: string
}

/** Somebody whose key is made now and never leaves this process. */
async function personWithKey(account: string): Promise<Person> {
  const { privatePem, publicPem } = makePersonKey(null)
  return { identity: { account, key: await readPersonKey(privatePem, null) }, publicPem }
}

/** Board file and signed policy, new each time: accounts are for ever. */
async function prepare(root: string): Promise<void> {
  rmSync(root, { recursive: true, force: true })
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  const text = { notBeforeAt: null, notAfterAt: null, predecessor: null, cases: null, policy: POLICY }
  const statement = { version: 1, issuedAt: Date.now(), gateways: [GATEWAY], ...text }
  writeWhole(join(root, "signer.pub.pem"), publicKey.export({ type: "spki", format: "pem" }).toString())
  writeWhole(join(root, "policy.jws"), await signBundle(statement, await readSigningKey("owner", pem)))
  writeWhole(join(root, "gateway.yaml"), BOARD)
}

/** @throws StateError what asking it throws in the end */
async function started(
  send: (request: CommandRequest) => Promise<CommandAnswer>,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      await send({ command: "status", arguments: {} })
      return
    } catch (error) {
      if (!(error instanceof StateError) || error.code === "ERR_INTERRUPTED" || performance.now() > endMs) throw error
      await pause(100)
    }
  }
}

/** The newest entry that fits, among the last ones; null if there is none or it cannot be read. */
async function lastEntry(root: string, fits: (entry: Entry) => boolean): Promise<Entry | null> {
  try {
    const reader = createLogReader(openReadOnlyStorage(join(root, "state")))
    const end = await reader.end()
    const { entries } = await reader.bundle(Math.floor((end - 1) / BUNDLE_ENTRIES))
    return entries.map(({ entry }) => entry).findLast(fits) ?? null
  } catch (error) {
    if (error instanceof LockgateError && error.kind !== "invariant") return null
    throw error
  }
}

function told(answer: CommandAnswer): string {
  return answer.ok ? "done" : `refused (${answer.code})`
}
