import {
  createHash,
  generateKeyPairSync,
  sign,
  verify as verifyWith,
  createPublicKey,
  type KeyObject,
} from "node:crypto"
import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeCheckpoint, parseCheckpoint } from "../../../../policy/audit/tlog/checkpoint.ts"
import type { Sha256 } from "../../../../policy/audit/tlog/hash.ts"
import {
  cosignatureTime,
  cosignedMessage,
  encodeCosignature,
  encodeNote,
  encodeNoteKey,
  keyIdOf,
  parseNote,
  parseNoteKey,
  verifyNote,
  type NoteKey,
  type VerifySignature,
} from "../../../../policy/audit/tlog/note.ts"
import { rejects } from "../../../support/rejects.ts"

const test = suite("policy/audit/tlog: notes")

const sha256: Sha256 = (bytes) => createHash("sha256").update(bytes).digest()
const SPKI = Buffer.from("302a300506032b6570032100", "hex")
const verify: VerifySignature = async (_type, publicKey, message, signature) =>
  verifyWith(null, message, createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" }), signature) // prettier-ignore

function keyOf(name: string, type: NoteKey["type"]): { key: NoteKey; secret: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32)
  return { key: { name, type, publicKey: Uint8Array.from(raw) }, secret: privateKey }
}

const TEXT = encodeCheckpoint({ origin: "lockgate/gw-1/log", size: 42, root: sha256(Uint8Array.of(1)) })
const log = keyOf("lockgate/gw-1/log", "ed25519")
const witness = keyOf("witness.example/w", "cosignature")
const at = 1_700_000_000

function signedNote(): string {
  const line = { name: log.key.name, keyId: keyIdOf(sha256, log.key), signature: sign(null, Buffer.from(TEXT), log.secret) } // prettier-ignore
  const ed25519 = sign(null, cosignedMessage(TEXT, at), witness.secret)
  const other = { name: witness.key.name, keyId: keyIdOf(sha256, witness.key), signature: encodeCosignature(at, ed25519) } // prettier-ignore
  return encodeNote(TEXT, [line, other])
}

test("the worked example of the standard reads as it says, key id and time included", () => {
  const text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
  const line =
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
  const note = parseNote(`${text}\n— witness.example.com/w1 ${line}\n`)
  assert.is(parseCheckpoint(note.text).size, 20_852_163)
  assert.is(note.signatures[0]!.keyId, 0x8d66cf3f)
  assert.is(cosignatureTime(note.signatures[0]!.signature), 1_679_315_147)
})

test("[CR 3.9] log and witness both verify; a stranger's line is passed over, a wrong one of a known key is not", async () => {
  const stranger = keyOf("lockgate/gw-1/log", "ed25519")
  const note = parseNote(signedNote())
  assert.is((await verifyNote(sha256, note, [log.key, witness.key], verify)).length, 2)
  assert.equal(await verifyNote(sha256, note, [stranger.key], verify), [])
  const altered = { ...note, text: note.text.replace("42", "43") }
  await rejects(() => verifyNote(sha256, altered, [log.key], verify), "ERR_NOTE_SIGNATURE")
  await rejects(() => verifyNote(sha256, altered, [witness.key], verify), "ERR_NOTE_SIGNATURE")
})

test("keys go to text and back; a key whose id is another's is refused", async () => {
  for (const { key } of [log, witness]) {
    const line = encodeNoteKey(sha256, key)
    assert.equal(parseNoteKey(sha256, line), { ...key, publicKey: parseNoteKey(sha256, line).publicKey })
    assert.equal([...parseNoteKey(sha256, line).publicKey], [...key.publicKey])
    for (let k = 0; k < line.length; k++) await rejects(() => parseNoteKey(sha256, line.slice(0, k)), "ERR_NOTE_KEY")
    await rejects(
      () =>
        parseNoteKey(
          sha256,
          line.replace(/\+[0-9a-f]/, (c) => (c === "+0" ? "+1" : "+0")),
        ),
      "ERR_NOTE_KEY",
    )
  }
})

test("[CR 3.5] every truncation and every flipped bit of a note is refused, or says something else that does not verify", async () => {
  const bytes = Buffer.from(signedNote())
  const good = async (text: string): Promise<number> => {
    try {
      const note = parseNote(text)
      parseCheckpoint(note.text)
      return (await verifyNote(sha256, note, [log.key, witness.key], verify)).length
    } catch (error) {
      assert.match((error as { code: string }).code, /^ERR_(NOTE|NOTE_SIGNATURE|CHECKPOINT)$/)
      return 0
    }
  }
  for (let cut = 0; cut < bytes.length; cut++) assert.ok((await good(bytes.subarray(0, cut).toString())) < 2)
  for (let k = 0; k < bytes.length; k++) {
    const other = Buffer.from(bytes)
    other[k]! ^= 1 << (k % 8)
    assert.ok((await good(other.toString())) < 2, `byte ${k}`)
  }
})

test("[CR 3.5] random text is a note or an error of its own kind, and what is read is written the same again", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      for (const candidate of [text, `${text}\n\n— a ${Buffer.from(text.padEnd(6)).toString("base64")}\n`]) {
        try {
          const note = parseNote(candidate)
          assert.is(encodeNote(note.text, note.signatures), candidate)
        } catch (error) {
          assert.is((error as { code: string }).code, "ERR_NOTE")
        }
      }
    }),
    { numRuns: 300 },
  )
})

test.run()
