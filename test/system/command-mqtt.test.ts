/** Signed commands to a whole gateway over a real broker, which nobody trusts; and the command line over it. */
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { nodeSha256 } from "../../firmware/audit/note-functions.ts"
import { ownLogKey } from "../../firmware/cli/audit-log-key.ts"
import { readSignedAnswer } from "../../firmware/cli/broker-call.ts"
import { makePersonKey, readPersonKey, signCommand, type PersonKey } from "../../firmware/cli/person-key.ts"
import { ANSWER_TYPE } from "../../firmware/people/command-mqtt.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import type { CommandAnswer } from "../../policy/command/port.ts"
import type { SignedCommand } from "../../policy/people/signed-command.ts"
import { deskPeer, type MqttPeer } from "../support/mqtt-peer.ts"
import { lockgate, startRig, type Rig } from "../support/rig.ts"

const REQUEST = "lockgate/gw-test/command/request"
const ANSWERS = "lockgate/gw-test/command/answer/"
const ISLAND = { command: "island", arguments: { state: "on" } }

interface Person {
  readonly key: PersonKey
  readonly publicPem: string
  readonly privatePem: string
}
async function person(): Promise<Person> {
  const made = makePersonKey(null)
  return { ...made, key: await readPersonKey(made.privatePem, null) }
}

/** The same on both kinds of MQTT, each with a gateway and a broker of its own. */
function suiteOn(version: "3.1.1" | "5"): ReturnType<typeof suite> {
  const test = suite(`system/command-mqtt: MQTT ${version}`)
  let rig: Rig
  let desk: MqttPeer
  let logKey: NoteKey
  let anna: Person
  let bob: Person

  /** Sent as these bytes; the answer as it came, or null if there is none in that time. */
  async function exchange(request: Uint8Array, id: string, account = "anna", waitMs = 3_000): Promise<Buffer | null> {
    const topic = `${ANSWERS}${account}/${id}`
    const before = desk.received.length
    await desk.publish(REQUEST, Buffer.from(request))
    const found = (): Buffer | undefined => desk.received.slice(before).find((one) => one.topic === topic)?.payload
    await desk.until(() => found() !== undefined, "the answer", waitMs).catch(() => undefined)
    return found() ?? null
  }
  const requestOf = (message: object, id: string): Buffer => Buffer.from(JSON.stringify({ ...message, id }))
  const newId = (): string => randomBytes(16).toString("base64url")

  async function ask(message: object, account = "anna"): Promise<CommandAnswer> {
    const id = newId()
    const request = requestOf(message, id)
    const payload = await exchange(request, id, account)
    assert.ok(payload !== null, `no answer to ${account}`)
    const expected = { gateway: "gw-test", id, request: createHash("sha256").update(request).digest("hex") }
    const answer = await readSignedAnswer(payload, expected, [logKey])
    assert.ok(answer !== null, "its signature is good")
    // An answer that the broker changed, or brings for another request, is noticed.
    const flipped = Buffer.from(payload)
    flipped[payload.indexOf(".") + 9]! ^= 1
    assert.is(await readSignedAnswer(flipped, expected, [logKey]), null)
    assert.is(await readSignedAnswer(payload, { ...expected, request: "0".repeat(64) }, [logKey]), null)
    assert.is(await readSignedAnswer(payload, { ...expected, gateway: "gw-other" }, [logKey]), null)
    return answer
  }
  async function nonce(account = "anna"): Promise<string> {
    const answer = await ask({ nonce: account }, account)
    return answer.ok ? (answer.result as { nonce: string }).nonce : ""
  }
  async function jws(change: Partial<SignedCommand> = {}, who = anna): Promise<string> {
    const account = change.account ?? "anna"
    const expiresAt = Date.now() + 60_000
    const number = change.nonce ?? (await nonce(account))
    return signCommand({ gateway: "gw-test", account, expiresAt, request: ISLAND, ...change, nonce: number }, who.key)
  }
  const executed = async (): Promise<number> => (await rig.audit()).filter((e) => e.event === "command.executed").length
  /** Refused by a code that says nothing; why is in the log, where many at once are counted in one entry. */
  async function refused(signed: string, account = "anna"): Promise<void> {
    const before = await executed()
    const answer = await ask({ signed }, account)
    assert.is(answer.ok ? "carried out" : answer.code, "ERR_NOT_AUTHENTICATED")
    assert.is(await executed(), before)
  }

  test.before(async () => {
    rig = await startRig({ board: `  mqtt-version: "${version}"` })
    desk = await deskPeer(rig, { protocolVersion: version === "5" ? 5 : 4 })
    await desk.subscribe([`${ANSWERS}#`], 1)
    logKey = (await ownLogKey(rig.stateFolder, "lockgate/gw-test/log"))!
    anna = await person()
    bob = await person()
  })
  test.after(async () => {
    await desk.end(true)
    await rig.stop()
  })

  test("[CR 1.1] nobody is answered before the first account; the first signed command after it is carried out", async () => {
    assert.is(await exchange(requestOf({ nonce: "anna" }, newId()), "x", "anna", 300), null)
    const made = await rig.command("account.create", { name: "anna", roles: "security-admin operator engineer", key: anna.publicPem }) // prettier-ignore
    assert.ok(made.ok, JSON.stringify(made))
    const signed = await jws()
    assert.is((await ask({ signed })).ok, true)
    const { subject, detail } = await rig.entry((e) => e.event === "command.executed" && e.object === "island")
    assert.equal([subject, detail?.["via"]], ["anna", "mqtt"])
  })

  test("[CR 3.8] replayed, re-targeted, reordered, late and altered commands are refused, and the log says why", async () => {
    const used = await jws()
    assert.ok((await ask({ signed: used })).ok)
    await refused(used)
    const refusal = await rig.entry((e) => e.event === "command.refused" && e.source === "people/signed")
    assert.is(refusal.reason, "ERR_NONCE_USED")
    await refused(await jws({ gateway: "gw-other" }))
    const [first, second] = [await jws(), await jws()]
    assert.ok((await ask({ signed: second })).ok)
    await refused(first)
    // Surely late: the gateway of the rig has nobody to tell it the hour.
    await refused(await jws({ expiresAt: Date.now() - 3 * 86_400_000 }))
    await refused(await jws({ nonce: "not-from-here" }))
    const [head, , tail] = (await jws()).split(".")
    const off = JSON.stringify({ "lockgate-command": 1, gateway: "gw-test", account: "anna", command: "island" })
    await refused([head, Buffer.from(off).toString("base64url"), tail].join("."))
  })

  test("[CR 1.1, CR 1.3] nobody, somebody else's key and a disabled account are refused alike", async () => {
    await refused(await jws({}, bob))
    const made = { name: "bob", roles: "operator", key: bob.publicPem }
    const create = await ask({ signed: await jws({ request: { command: "account.create", arguments: made } }) })
    assert.ok(create.ok, JSON.stringify(create))
    assert.ok((await ask({ signed: await jws({ account: "bob" }, bob) }, "bob")).ok)
    const off = { command: "account.change", arguments: { name: "bob", enabled: "no" } }
    assert.ok((await ask({ signed: await jws({ request: off }) })).ok)
    await refused(await jws({ account: "bob" }, bob), "bob")
  })

  test("[CR 1.5] a password that a broker has read is never one here", async () => {
    const set = { command: "account.password-set", arguments: { name: "bob", password: "seven grey herons stand" } }
    const answer = await ask({ signed: await jws({ request: set }) })
    assert.is(answer.ok ? "" : answer.code, "ERR_COMMAND_ARGUMENT")
    await rig.entry((e) => e.event === "command.refused" && e.reason === "ERR_SECRET_OVER_MQTT")
  })

  if (version === "5")
    test("a Response Topic beneath the answers is followed, with its Correlation Data", async () => {
      const topic = `${ANSWERS}anna/mine`
      const properties = { responseTopic: topic, correlationData: Buffer.from("seven") }
      await desk.client.publishAsync(REQUEST, requestOf({ nonce: "anna" }, newId()), { qos: 1, properties })
      const found = () => desk.received.find((one) => one.topic === topic)
      await desk.until(() => found() !== undefined, "the answer there")
      assert.is(found()?.packet.properties?.correlationData?.toString(), "seven")
    })

  test("[CR 1.1] the command line over the broker: done, refused, not the right key, a forged answer, no answer", async () => {
    const keyFile = join(rig.folder, "anna.pem")
    writeFileSync(keyFile, anna.privatePem, { mode: 0o600 })
    const own = [
      ...["--broker", `mqtts://127.0.0.1:${rig.broker.tlsPort}`, "--ca", rig.controlCa.cert, "--cert", rig.desk.cert],
      ...["--cert-key", rig.desk.key, "--mqtt", version, "--gateway", "gw-test", "--key", keyFile],
    ]
    const known = ["--gateway-key", encodeNoteKey(nodeSha256, logKey)]
    const other = generateKeyPairSync("ed25519")
    const bare = other.publicKey.export({ format: "der", type: "spki" }).subarray(-32)
    const wrong = encodeNoteKey(nodeSha256, { ...logKey, publicKey: bare })
    const [done, stranger, noKey, wrongKey] = await Promise.all([
      lockgate(["island", "off", ...own, ...known, "--as", "anna"]),
      lockgate(["island", "on", ...own, ...known, "--as", "carl"]),
      lockgate(["island", "on", ...own, "--as", "anna"]),
      lockgate(["status", ...own, "--gateway-key", wrong, "--as", "anna"]),
    ])
    assert.equal([done.code, done.out, done.err], [0, "island mode is off: the policy alone decides\n", ""])
    assert.is(stranger.code, 1)
    assert.match(stranger.err, /does not know who asks \(ERR_NOT_AUTHENTICATED\)/)
    assert.equal([noKey.code, /--gateway-key/.test(noKey.err)], [2, true])
    assert.is(wrongKey.code, 1)
    assert.match(wrongKey.err, /ERR_ANSWER_SIGNATURE/)

    // The gateway is gone, and somebody at the broker answers in its place.
    await rig.gateway.stop()
    await desk.subscribe([REQUEST], 1)
    const forge = (_topic: string, payload: Buffer): void => {
      const { id, nonce: account } = JSON.parse(payload.toString()) as { id: string; nonce: string }
      const request = createHash("sha256").update(payload).digest("hex")
      const answer = { ok: true, result: { gateway: "gw-test", nonce: "x".repeat(40) } }
      const parts = [
        { alg: "EdDSA", typ: ANSWER_TYPE },
        { gateway: "gw-test", id, request, answer },
      ]
      const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")
      const signature = sign(null, Buffer.from(text), other.privateKey).toString("base64url")
      desk.client.publish(`${ANSWERS}${account}/${id}`, `${text}.${signature}`, { qos: 1 })
    }
    desk.client.on("message", (topic, payload) => {
      if (topic === REQUEST) forge(topic, payload)
    })
    const forged = await lockgate(["island", "on", ...own, ...known, "--as", "anna"])
    assert.is(forged.code, 1)
    assert.match(forged.err, /the answer was not signed by gw-test .*ERR_ANSWER_SIGNATURE/)
  })

  return test
}

suiteOn("3.1.1").run()
suiteOn("5").run()
