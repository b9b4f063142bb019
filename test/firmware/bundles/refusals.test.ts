/** Everything that is wrong with a bundle, in one table: refused with its own code, in the log, and nothing has changed. */
import { createHash } from "node:crypto"
import { FlattenedSign } from "jose"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createCompiler } from "../../../firmware/bundles/compile-port.ts"
import { BUNDLE_TYPE, MAX_BUNDLE_LENGTH } from "../../../firmware/bundles/envelope.ts"
import { createIncoming } from "../../../firmware/bundles/incoming.ts"
import { addSignature, signBundle } from "../../../firmware/bundles/sign.ts"
import { createBundleVerifier } from "../../../firmware/bundles/verify.ts"
import { createHandlers } from "../../../firmware/management/handlers.ts"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import type { Principal } from "../../../policy/command/port.ts"
import { encodeStatement, type Statement } from "../../../policy/bundle/statement.ts"
import { aStatement, makeSigner, type Signer } from "../../support/bundles.ts"
import { PolicyWorld } from "../../support/policy-world.ts"
import { POLICY } from "../../support/rig.ts"

const test = suite("firmware/bundles/refusals")
const OWNER: Principal = { name: "local:owner", permissions: ["policy"], via: "local" }
const [anna, bert, carl] = await Promise.all([makeSigner("anna"), makeSigner("bert", "EdDSA"), makeSigner("carl")])
const verify = createBundleVerifier([anna.trusted, bert.trusted])

/** A thread that does this instead of preparing a policy; null for the real one. */
let threadCode: string | null = null
const limits = { timeMs: 60_000, heapMiB: 256 }
const world: PolicyWorld = new PolicyWorld(undefined, {
  verify,
  threshold: 2,
  prepare: (source) => {
    const entry = threadCode === null ? null : new URL(`data:text/javascript,${encodeURIComponent(threadCode)}`)
    const prepared = createCompiler({ clock: world.clock, limits, ...(entry === null ? {} : { entry }) }).prepare(
      source,
    )
    if (threadCode === HANGS) world.clock.advance(limits.timeMs)
    return prepared
  },
})
const incoming = createIncoming({ storage: world.storage, audit: async (event) => world.events.push(event) })
const commands = createManagement({
  audit: async (event) => world.events.push(event),
  handlers: createHandlers({ policy: world.activation, incoming, signingIn: {}, trialSeconds: 300 } as Parameters<
    typeof createHandlers
  >[0]),
})
const HANGS = "for (;;);"
const now = world.interval.earliestAt

async function signed(change: Partial<Statement>, first: Signer = anna, second: Signer | null = bert): Promise<string> {
  const one = await signBundle(aStatement({ version: 9, policy: POLICY, ...change }), first.signing)
  return second === null ? one : addSignature(one, second.signing)
}
/** Both signatures over bytes that `encodeStatement` would not write. */
async function signedBytes(payload: Uint8Array): Promise<string> {
  const entries = await Promise.all(
    [anna, bert].map(({ signing }) =>
      new FlattenedSign(payload)
        .setProtectedHeader({ alg: signing.algorithm, typ: BUNDLE_TYPE, kid: signing.thumbprint })
        .sign(signing.key),
    ),
  )
  const signatures = entries.map(({ protected: header, signature }) => ({ protected: header, signature }))
  return JSON.stringify({ payload: entries[0]!.payload, signatures })
}
const statementText = (change: object): Uint8Array => {
  const plain = JSON.parse(
    new TextDecoder().decode(encodeStatement(aStatement({ version: 9, policy: POLICY }))),
  ) as object
  return new TextEncoder().encode(JSON.stringify({ ...plain, ...change }))
}
function altered(
  bundle: string,
  change: (jws: { payload: string; signatures: { signature: string }[] }) => void,
): string {
  const jws = JSON.parse(bundle) as { payload: string; signatures: { signature: string }[] }
  change(jws)
  return JSON.stringify(jws)
}

interface Row {
  readonly what: string
  readonly reason: string
  readonly bundle: () => Promise<string>
  readonly thread?: string
}
const ROWS: readonly Row[] = [
  { what: "that is none", reason: "ERR_BUNDLE_MALFORMED", bundle: async () => "not a bundle" },
  { what: "without any signature", reason: "ERR_BUNDLE_MALFORMED", bundle: async () => altered(await signed({}), (jws) => (jws.signatures = [])) }, // prettier-ignore
  { what: "that is too large", reason: "ERR_BUNDLE_SIZE", bundle: async () => " ".repeat(MAX_BUNDLE_LENGTH + 1) },
  { what: "with an algorithm of another kind", reason: "ERR_BUNDLE_ALGORITHM", bundle: async () => altered(await signed({}), (jws) => Object.assign(jws.signatures[0]!, { protected: Buffer.from(JSON.stringify({ alg: "none", typ: BUNDLE_TYPE, kid: anna.trusted.thumbprint })).toString("base64url") })) }, // prettier-ignore
  { what: "with a header that asks for more", reason: "ERR_BUNDLE_HEADER", bundle: async () => altered(await signed({}), (jws) => Object.assign(jws.signatures[0]!, { protected: Buffer.from(JSON.stringify({ alg: "ES256", typ: BUNDLE_TYPE, kid: anna.trusted.thumbprint, crit: ["b64"] })).toString("base64url") })) }, // prettier-ignore
  { what: "with a bad signature", reason: "ERR_BUNDLE_SIGNATURES", bundle: async () => altered(await signed({}), (jws) => (jws.signatures[0]!.signature = Buffer.alloc(64, 1).toString("base64url"))) }, // prettier-ignore
  { what: "whose statement was altered", reason: "ERR_BUNDLE_SIGNATURES", bundle: async () => altered(await signed({}), (jws) => (jws.payload = Buffer.from(statementText({ version: 10 })).toString("base64url"))) }, // prettier-ignore
  { what: "of a signer whom nobody trusts", reason: "ERR_BUNDLE_SIGNATURES", bundle: () => signed({}, carl, null) },
  { what: "with too few approvals", reason: "ERR_BUNDLE_SIGNATURES", bundle: () => signed({}, anna, null) },
  {
    what: "approved by somebody whom nobody trusts",
    reason: "ERR_BUNDLE_SIGNATURES",
    bundle: () => signed({}, anna, carl),
  },
  { what: "of a later format", reason: "ERR_BUNDLE_FORMAT", bundle: () => signedBytes(statementText({ format: "lockgate-policy-bundle/3" })) }, // prettier-ignore
  { what: "whose statement holds something unknown", reason: "ERR_BUNDLE_STATEMENT", bundle: () => signedBytes(statementText({ script: "x" })) }, // prettier-ignore
  {
    what: "with another gateway's name",
    reason: "ERR_BUNDLE_GATEWAY",
    bundle: () => signed({ gateways: ["other-hall"] }),
  },
  { what: "with an older version", reason: "ERR_BUNDLE_VERSION", bundle: () => signed({ version: 4 }) },
  { what: "with the version in force", reason: "ERR_BUNDLE_VERSION", bundle: () => signed({ version: 5, policy: `${POLICY}# other\n` }) }, // prettier-ignore
  { what: "past its validity", reason: "ERR_BUNDLE_EXPIRED", bundle: () => signed({ notAfterAt: now - 1 }) },
  { what: "not valid yet", reason: "ERR_BUNDLE_NOT_YET", bundle: () => signed({ notBeforeAt: now + 1 }) },
  { what: "with a fault in its policy", reason: "ERR_POLICY_FAULTS", bundle: () => signed({ policy: POLICY.replace("allow:", "alow:") }) }, // prettier-ignore
  { what: "whose cases fail", reason: "ERR_BUNDLE_CASES", bundle: () => signed({ cases: "these are no cases" }) },
  { what: "that makes its thread hang", reason: "ERR_COMPILE_TIME", bundle: () => signed({}), thread: HANGS },
  { what: "that makes its thread die", reason: "ERR_COMPILE_CRASHED", bundle: () => signed({}), thread: "throw new Error()" }, // prettier-ignore
]

test.before(async () => {
  await world.activation.start()
  assert.is(await world.activation.installFromFile(await signed({ version: 5 })), "installed")
})
test.after(() => world.activation.stop())

/** What must not change by a refusal. */
async function holds(): Promise<string> {
  const disk = [await world.storage.list("policy/bundles"), await world.storage.list("policy/trial")]
  const { status } = world.activation
  return JSON.stringify([status(), world.version, world.engine?.policy.name, disk, (await world.storage.read("policy/state.json"))?.join()]) // prettier-ignore
}

for (const { what, reason, bundle, thread } of ROWS) {
  test(`[CR 3.4] a bundle ${what} is refused with ${reason}, audited, never in force, and changes nothing`, async () => {
    const text = await bundle()
    const before = await holds()
    threadCode = thread ?? null
    const count = world.events.length
    // Larger than a command may be: such a one comes by hash, or lies in the board file.
    if (text.length <= 4 * 1024 * 1024) {
      const answer = await commands.execute(OWNER, { command: "policy.activate", arguments: { bundle: text } })
      assert.equal([answer.ok, !answer.ok && answer.code], [false, "ERR_POLICY_REFUSED"])
      const said = world.events.slice(count).map((event) => [event.id, event.reason, event.subject])
      assert.ok(
        said.some((event) => event.join() === `policy.refused,${reason},local:owner`),
        JSON.stringify(said),
      )
      assert.equal(said.at(-1), ["command.executed", reason, "local:owner"])
      assert.is(await holds(), before)
    }
    const again = world.events.length
    // The board file's older bundle is the usual case, left alone without a word.
    const expected = reason === "ERR_BUNDLE_VERSION" && what.includes("older") ? "already" : "refused"
    assert.is(await world.activation.installFromFile(text), expected)
    const reasons = world.events.slice(again).map((event) => [event.id, event.reason])
    assert.equal(reasons, expected === "already" ? [] : [["policy.refused", reason]])
    threadCode = null
    assert.is(await holds(), before)
  })
}

test("[CR 3.4] a bundle sent in pieces that is not what was offered is refused with ERR_BUNDLE_HASH and changes nothing", async () => {
  const before = await holds()
  const bytes = Buffer.from(await signed({}))
  const hash = createHash("sha256").update("something else").digest("hex")
  const ask = (command: string, args: object) => commands.execute(OWNER, { command, arguments: { hash, ...args } })
  assert.ok((await ask("bundle.offer", { length: bytes.length })).ok)
  const answer = await ask("bundle.chunk", { offset: 0, data: bytes.toString("base64") })
  assert.is(!answer.ok && answer.code, "ERR_POLICY_REFUSED")
  assert.ok(world.events.some(({ id, reason }) => id === "policy.refused" && reason === "ERR_BUNDLE_HASH"))
  const activated = await ask("policy.activate", {})
  assert.is(!activated.ok && activated.code, "ERR_COMMAND_STATE")
  assert.is(await holds(), before)
})

test("[CR 7.1] a transfer that would be too large is refused before a byte of it is taken", async () => {
  const before = await holds()
  const args = { hash: "0".repeat(64), length: MAX_BUNDLE_LENGTH + 1 }
  const answer = await commands.execute(OWNER, { command: "bundle.offer", arguments: args })
  assert.is(!answer.ok && answer.code, "ERR_COMMAND_ARGUMENT")
  assert.equal([world.events.at(-1)?.id, world.events.at(-1)?.reason], ["command.refused", "ERR_COMMAND_ARGUMENT"])
  assert.is(await holds(), before)
})

test("[CR 7.4] after all of that the policy in force survives a boot, and the next good bundle is taken", async () => {
  const boot = new PolicyWorld(world.storage.powerCut(), { verify, threshold: 2, prepare: (source) => createCompiler({ clock: world.clock }).prepare(source) }) // prettier-ignore
  await boot.activation.start()
  assert.equal([boot.version, boot.conditions], [5, []])
  await boot.activation.activate(await signed({}), 60_000, "local:owner")
  assert.is(boot.version, 9)
  boot.activation.stop()
})

test.run()
