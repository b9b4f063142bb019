import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeMbap } from "../../../../firmware/conduits/modbus/mbap.ts"
import { createModbusSession } from "../../../../firmware/conduits/modbus/session.ts"
import type { ModbusOutcome, ModbusRequest, NoAnswer } from "../../../../firmware/conduits/modbus/upstream.ts"
import { REASON, verdict } from "../../../../policy/filter/verdict.ts"

const test = suite("firmware/conduits/modbus/session")

const ALLOWED = verdict(REASON.allowed, 0)
const READ = Uint8Array.of(3, 0, 7, 0, 1)

/** A session whose units answer when the test says so; function 6 is denied. */
function started() {
  const said: string[] = []
  const asked: { request: ModbusRequest; answer: (outcome: ModbusOutcome) => void }[] = []
  const recalled: number[] = []
  const seen = { denied: 0, misfits: 0, isClogged: false, refuses: 6 }
  const session = createModbusSession({
    master: 5,
    judge: (adu) => (adu[1] === seen.refuses ? verdict(REASON.function, -1) : ALLOWED),
    exceptionFor: () => 2,
    isEssential: () => false,
    ask: (request) => new Promise((answer) => asked.push({ request, answer })),
    recall: (request) => recalled.push(asked.findIndex((one) => one.request === request)),
    toClient: (bytes) => said.push(Buffer.from(bytes).toString("hex")),
    isClogged: () => seen.isClogged,
    denied: () => seen.denied++,
    allowed: () => undefined,
    answered: () => undefined,
    misfit: () => seen.misfits++,
  })
  const say = (transaction: number, pdu: Uint8Array) => session.fromClient(encodeMbap(transaction, 3, pdu))
  const answer = async (k: number, outcome: ModbusOutcome) => {
    asked[k]!.answer(outcome)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { session, said, asked, recalled, seen, say, answer }
}

const hex = (transaction: number, pdu: Uint8Array) => Buffer.from(encodeMbap(transaction, 3, pdu)).toString("hex")
const good: ModbusOutcome = { kind: "answer", pdu: Uint8Array.of(3, 2, 0, 9) }

test("answers go out in the order of the requests, whoever answers first", async () => {
  const { say, said, answer } = started()
  say(1, READ)
  say(2, READ)
  say(3, Uint8Array.of(6, 0, 7, 0, 1))
  await answer(1, good)
  assert.equal(said, [])
  await answer(0, good)
  assert.equal(said, [hex(1, good.pdu), hex(2, good.pdu), hex(3, Uint8Array.of(0x86, 2))])
})

test("[NDR 5.2] a denied request is answered at once and asked of nobody", () => {
  const { say, said, asked, seen } = started()
  say(9, Uint8Array.of(6, 0, 7, 0, 1))
  assert.equal([said, asked.length, seen.denied], [[hex(9, Uint8Array.of(0x86, 2))], 0, 1])
})

test("[CR 2.1] [NDR 5.2] what waits when another policy comes is judged again; refused, it is taken back and answered so, in order", async () => {
  const { session, say, said, answer, recalled, seen } = started()
  say(1, READ)
  say(2, Uint8Array.of(4, 0, 7, 0, 1))
  say(3, READ)
  seen.refuses = 3
  session.rejudge()
  session.rejudge()
  assert.equal(recalled, [0, 2])
  await answer(2, { kind: "none", why: "recalled" })
  assert.equal([said, seen.denied], [[], 1])
  // The first was on the wire already: over by the policy under which it went there.
  await answer(0, good)
  await answer(1, { kind: "answer", pdu: Uint8Array.of(4, 2, 0, 1) })
  assert.equal(said, [hex(1, good.pdu), hex(2, Uint8Array.of(4, 2, 0, 1)), hex(3, Uint8Array.of(0x83, 2))])
  session.rejudge()
  assert.equal([recalled.length, seen.denied], [2, 1])
})

test("why there is no answer is said by the exceptions of the standard; a broadcast has none at all", async () => {
  const codes: readonly (readonly [NoAnswer, number])[] = [["timeout", 11], ["garbled", 11], ["lost", 10], ["closed", 10], ["busy", 6]] // prettier-ignore
  for (const [why, code] of codes) {
    const { say, said, answer } = started()
    say(4, READ)
    await answer(0, { kind: "none", why })
    assert.equal(said, [hex(4, Uint8Array.of(0x83, code))], why)
  }
  const { say, said, answer } = started()
  say(4, READ)
  say(5, READ)
  await answer(0, { kind: "broadcast" })
  await answer(1, good)
  assert.equal(said, [hex(5, good.pdu)])
})

test("[CR 3.5] an answer that does not fit is 0x0B for the master and told", async () => {
  const { say, said, answer, seen } = started()
  say(4, READ)
  await answer(0, { kind: "answer", pdu: Uint8Array.of(3, 4, 0, 9, 0, 9) })
  assert.equal([said, seen.misfits], [[hex(4, Uint8Array.of(0x83, 11))], 1])
})

test("[CR 7.1] at most 16 requests are open, the rest waits and is not lost", async () => {
  const { session, asked, answer, said } = started()
  const all = Buffer.concat(Array.from({ length: 40 }, (_, k) => encodeMbap(k, 3, READ)))
  session.fromClient(all)
  assert.is(asked.length, 16)
  assert.not(session.wantsMore)
  for (let k = 0; k < 40; k++) await answer(k, good)
  assert.is(said.length, 40)
  assert.ok(session.wantsMore)
})

test("[CR 7.1] a client that does not read is judged no further until it does", () => {
  const { session, say, seen, said } = started()
  seen.isClogged = true
  say(1, Uint8Array.of(6, 0, 7, 0, 1))
  assert.equal([said.length, session.wantsMore], [0, false])
  seen.isClogged = false
  assert.is(session.drained(), null)
  assert.is(said.length, 1)
})

test("[CR 3.5] garbage ends it, and nothing after it is judged", () => {
  const { session, asked } = started()
  assert.is(session.fromClient(Buffer.from("GET /")), "protocol-id")
  assert.is(session.fromClient(encodeMbap(1, 3, READ)), "protocol-id")
  assert.is(asked.length, 0)
})

test("after its end nothing is said any more", async () => {
  const { session, say, said, answer } = started()
  say(1, READ)
  session.end()
  await answer(0, good)
  assert.equal(said, [])
})

test("[CR 7.2] what is held for a master is counted, and given back", async () => {
  const { session, say, answer } = started()
  assert.is(session.heldBytes, 0)
  session.fromClient(encodeMbap(1, 3, READ).subarray(0, 9))
  assert.is(session.heldBytes, 9)
  session.fromClient(encodeMbap(1, 3, READ).subarray(9))
  say(2, READ)
  const one = READ.length + 1
  assert.is(session.heldBytes, 2 * one)
  await answer(1, good)
  // The second answer waits for the first.
  assert.is(session.heldBytes, 2 * one + 4)
  await answer(0, good)
  assert.is(session.heldBytes, 0)
})

test.run()
