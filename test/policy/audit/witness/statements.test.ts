import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { InputError } from "../../../../policy/base/errors.ts"
import { encodeNoteKey, parseNote, type NoteKey } from "../../../../policy/audit/tlog/note.ts"
import { parseCheckpoint } from "../../../../policy/audit/tlog/checkpoint.ts"
import { parseCosignerKey, readCosigned } from "../../../../policy/audit/witness/cosignature.ts"
import { REFUSALS } from "../../../../policy/audit/witness/cosigner.ts"
import { refusedTopic, witnessAt, witnessTopic } from "../../../../policy/audit/witness/place.ts"
import {
  encodeRefusal,
  parseRefusal,
  readRefusal,
  type RefusalStatement,
} from "../../../../policy/audit/witness/refusal.ts"
import { testCosigner } from "../../../support/cosigners.ts"
import { rejects } from "../../../support/rejects.ts"
import { sha256, testLogKey, verify } from "../../../support/signed-notes.ts"

const test = suite("policy/audit/witness: cosignatures and refusals")

const log = testLogKey("gw")
const origin = log.key.name
const witness = testCosigner("gw-2")
const root = Uint8Array.from(sha256(Uint8Array.of(7)))
const otherRoot = Uint8Array.from(sha256(root))
const note = log.note({ size: 42, root })
const functions = { sha256, verify }
const AT = 1_700_000_000

const convicted: RefusalStatement = {
  ...{ origin, reason: "fork", known: { size: 42, root }, shown: { size: 42, root: otherRoot } },
  evidence: { known: note, shown: log.note({ size: 42, root: otherRoot }) },
}

test("the worked example of the standard: key id, time and text of a cosignature/v1", () => {
  const text =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" +
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
  let seen = ""
  const key: NoteKey = { name: "witness.example.com/w1", type: "cosignature", publicKey: new Uint8Array(32) }
  // The key is not in the standard: its hash is put in its place, and what would be verified is looked at.
  const said = Uint8Array.of(0x8d, 0x66, 0xcf, 0x3f, ...new Uint8Array(28))
  return readCosigned(
    {
      sha256: () => said,
      verify: async (_type, _key, message) => ((seen = new TextDecoder().decode(message)), true),
    },
    "example.com/behind-the-sofa",
    key,
    text,
  ).then((cosigned) => {
    assert.is(cosigned?.at, 1_679_315_147_000)
    assert.is(seen, `cosignature/v1\ntime 1679315147\n${text.slice(0, text.indexOf("\n\n") + 1)}`)
  })
})

test("[CR 3.9] a checkpoint with a cosigner's line reads back: who, what, when; the log's own line stays", async () => {
  const text = witness.cosign(note, AT)
  const cosigned = await readCosigned(functions, origin, witness.key, text)
  assert.is(cosigned?.checkpoint.size, 42)
  assert.is(cosigned?.at, AT * 1000)
  assert.equal(parseNote(text).signatures.map(({ name }) => name), [origin, "gw-2"]) // prettier-ignore
  assert.is(await readCosigned(functions, origin, testCosigner("gw-2").key, text), null)
  assert.is(await readCosigned(functions, "lockgate/other/log", witness.key, text), null)
  assert.is(await readCosigned(functions, origin, log.key, text), null, "the log is no cosigner of itself")
})

test("lines of other cosigners are not passed on", () => {
  const twice = testCosigner("gw-3").cosign(witness.cosign(note, AT), AT + 1)
  assert.equal(parseNote(twice).signatures.map(({ name }) => name), [origin, "gw-3"]) // prettier-ignore
})

test("[CR 3.9] a refusal reads back with what convicts the log, and is never taken for a cosignature", async () => {
  const text = witness.refuse(convicted, AT)
  assert.equal(await readRefusal(functions, origin, witness.key, text), { ...convicted, by: witness.key, at: AT * 1000 })
  assert.is(await readCosigned(functions, origin, witness.key, text), null)
  assert.throws(() => parseCheckpoint(parseNote(text).text), (error: unknown) => error instanceof InputError)
  assert.is(await readRefusal(functions, "lockgate/other/log", witness.key, text), null)
  assert.is(await readRefusal(functions, origin, testCosigner("gw-2").key, text), null)
  await rejects(() => readRefusal(functions, origin, witness.key, witness.cosign(note, AT)), "ERR_REFUSAL")
}) // prettier-ignore

test("every reason goes through, and evidence goes with accusations only", () => {
  for (const reason of REFUSALS) {
    const said = parseRefusal(encodeRefusal({ ...convicted, reason, known: null }))
    assert.is(said.reason, reason)
    assert.is(said.known, null)
    assert.is(said.evidence !== null, reason === "fork" || reason === "rewind")
  }
})

test("[CR 3.5] no truncation and no flipped bit of a cosignature or a refusal is believed", async () => {
  const read = async (text: string): Promise<unknown> => {
    try {
      return (await readCosigned(functions, origin, witness.key, text)) ?? (await readRefusal(functions, origin, witness.key, text))
    } catch (error) {
      if (error instanceof InputError) return null
      throw error
    }
  }
  for (const text of [witness.cosign(note, AT), witness.refuse({ ...convicted, evidence: null }, AT)]) {
    const bytes = new TextEncoder().encode(text)
    assert.ok((await read(text)) !== null)
    for (let length = 0; length < bytes.length; length++)
      assert.is(await read(new TextDecoder().decode(bytes.subarray(0, length))), null, `${length}`)
    // The line of the log stands in the way of the cosigner's: it is not what is verified here.
    const own = text.lastIndexOf("\n— ")
    const skipped = text.indexOf(`\n— ${origin}`)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const at = bit >> 3
      const inLog = skipped >= 0 && at > new TextEncoder().encode(text.slice(0, skipped + 1)).length - 1 && at < new TextEncoder().encode(text.slice(0, own + 1)).length
      if (inLog) continue
      const flipped = bytes.slice()
      flipped[at]! ^= 1 << (bit & 7)
      assert.is(await read(new TextDecoder().decode(flipped)), null, `${bit}`)
    }
  }
}) // prettier-ignore

test("[CR 3.5] what is no refusal is refused whole", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert.throws(() => parseRefusal(text), (error: unknown) => error instanceof InputError) // prettier-ignore
    }),
    { numRuns: 100 },
  )
  const good = encodeRefusal({ ...convicted, evidence: null })
  for (const bad of [good.slice(0, -1), `${good}\n`, `${good}more x\n`, good.replace("known 42", "known 042"), good.replace("fork", "spoon")])
    assert.throws(() => parseRefusal(bad), (error: unknown) => error instanceof InputError)
}) // prettier-ignore

test("keys of cosigners: type and name are looked at", () => {
  const line = encodeNoteKey(sha256, witness.key)
  assert.equal(parseCosignerKey(sha256, line), witness.key)
  const refused = (key: NoteKey): void => {
    assert.throws(() => parseCosignerKey(sha256, encodeNoteKey(sha256, key)), (error: unknown) => error instanceof InputError && error.code === "ERR_COSIGNER_KEY") // prettier-ignore
  }
  refused(log.key)
  refused({ ...witness.key, name: "a/b" })
  refused({ ...witness.key, name: "#" })
})

test("places: one level a cosigner, and nothing else is listened to", () => {
  assert.equal(witnessAt("gw", witnessTopic("gw", "w.1")), { cosigner: "w.1", says: "cosigned" })
  assert.equal(witnessAt("gw", refusedTopic("gw", "w.1")), { cosigner: "w.1", says: "refused" })
  for (const topic of ["lockgate/gw/witness", "lockgate/gw/witness/", "lockgate/g/witness/w", "lockgate/gw/witness/w/x", "lockgate/gw/witness/w/refused/x", "lockgate/gw/witness/+"])
    assert.is(witnessAt("gw", topic), null, topic)
}) // prettier-ignore

test.run()
