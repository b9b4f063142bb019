import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeNoteKey } from "../../../policy/audit/tlog/note.ts"
import { boardText, readBoard, UPSTREAM } from "../../support/board-files.ts"
import { testCosigner } from "../../support/cosigners.ts"
import { faulty, good, type Expected } from "../../support/faults.ts"
import { sha256, testLogKey } from "../../support/signed-notes.ts"

const test = suite("firmware/config/witness-shape")

const line = (of: { key: Parameters<typeof encodeNoteKey>[1] }): string => encodeNoteKey(sha256, of.key)
const [W, C, OWN] = [testCosigner("w-1"), testCosigner("c-1"), testCosigner("g")].map(line) as [string, string, string]
const LOG = line(testLogKey("gw-2"))
const MQTT = `management: { socket: s.sock, mqtt: ${UPSTREAM} }`
const board = (audit: string, management = MQTT): string => boardText({ management, tail: `audit: ${audit}` })

test("[CR 3.9] witnesses, collectors and logs to witness are read as keys", () => {
  const { audit } = good(
    readBoard(board(`{ witnesses: ["${W}"], collectors: ["${C}"], witness-for: [{ gateway: gw-2, key: "${LOG}", begin: 3 }] }`)),
  )
  assert.equal([audit.witnesses[0]?.name, audit.collectors[0]?.name], ["w-1", "c-1"])
  assert.equal([audit.witnessFor[0]?.gateway, audit.witnessFor[0]?.begin, audit.witnessFor[0]?.key.type], ["gw-2", 3, "ed25519"]) // prettier-ignore
  assert.is(good(readBoard(board(`{ witness-for: [{ gateway: gw-2, key: "${LOG}" }] }`))).audit.witnessFor[0]?.begin, 1)
}) // prettier-ignore

const FAULTS: readonly [string, string, readonly Expected[]][] = [
  ["no key at all", board(`{ witnesses: [¦"hello"] }`), [["audit.witnesses[0]", "name+id+base64", "audit key --cosigner"]]],
  ["the key of a log", board(`{ witnesses: [¦"${LOG}"] }`), [["audit.witnesses[0]", "not of a cosigner", "--cosigner"]]],
  ["our own key", board(`{ witnesses: [¦"${OWN}"] }`), [["audit.witnesses[0]", "vouches for itself"]]],
  ["one name twice", board(`{ witnesses: ["${W}"], collectors: [¦"${line(testCosigner("w-1"))}"] }`), [["audit.collectors[0]", "called w-1 already"]]],
  ["a cosigner's key for a log", board(`{ witness-for: [{ gateway: w-1, key: ¦"${W}" }] }`), [["audit.witness-for[0].key", "not of a log", "audit key"]]],
  ["the key of another log", board(`{ witness-for: [{ gateway: gw-3, key: ¦"${LOG}" }] }`), [["audit.witness-for[0].key", "the key of lockgate/gw-2/log, not of gw-3"]]],
  ["itself", board(`{ witness-for: [{ gateway: ¦g, key: "${line(testLogKey("g"))}" }] }`), [["audit.witness-for[0].gateway", "no witness of itself"]]],
  ["no broker", board(`¦{ witnesses: ["${W}"] }`, "management: { socket: s.sock }"), [["audit", "the board file names none", "management: mqtt"]]],
] // prettier-ignore
for (const [what, marked, expected] of FAULTS) test(`is told: ${what}`, () => faulty(readBoard, marked, expected))

test.run()
