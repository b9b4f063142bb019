import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { isGuessedFirst } from "../../../firmware/people/guessed-first.ts"
import {
  isTooNew,
  normalPassword,
  passwordFault,
  passwordState,
  type PasswordFault,
} from "../../../policy/people/password.ts"
import { DEFAULT_PEOPLE } from "../../../policy/people/rules.ts"

const test = suite("policy/people/password")
const RULES = DEFAULT_PEOPLE.passwords
const fault = (password: string, minLength = 12): PasswordFault | null =>
  passwordFault(password, ["anna", "melter-7", "al"], { ...RULES, minLength }, isGuessedFirst)

const TABLE: readonly (readonly [string, PasswordFault | null])[] = [
  ["seven grey herons stand", null],
  ["x7$kQ9!mZ2vL", null],
  ["älteres Öl im Rüttler", null],
  ["рыбак идёт домой", null],
  ["elevenchars", "too-short"],
  ["", "too-short"],
  ["😀😁😂😃😄😅", "too-short"],
  ["x".repeat(257), "too-long"],
  ["tab\there and there", "characters"],
  ["nul\0 here and there", "characters"],
  ["half \ud800 a letter here", "characters"],
  ["password1234", "guessable"],
  ["P@ssw0rd!2026", "guessable"],
  ["12345password", "guessable"],
  ["passwordadmin", "guessable"],
  ["AdminAdmin123", "guessable"],
  ["administrator", "guessable"],
  ["lockgate2026!", "guessable"],
  ["SiemensSCADA1", "guessable"],
  ["aaaaaaaaaaaa", "guessable"],
  ["abababababab", "guessable"],
  ["abcdabcdabcd", "guessable"],
  ["abcdefghijkl", "guessable"],
  ["987654321098", "guessable"],
  ["qwertyuiopasdfgh", "guessable"],
  ["1qaz2wsx3edc", "guessable"],
  ["1q2w3e4r5t6y", "guessable"],
  ["ＰａｓｓｗｏｒｄＡｄｍｉｎ", "guessable"],
  ["so spoke Anna twice", "holds-name"],
  ["hot MELTER-7 tonight", "holds-name"],
  ["walking tall at dawn", null],
]
for (const [password, expected] of TABLE) {
  test(`[CR 1.7] ${JSON.stringify(password.slice(0, 30))} is ${expected ?? "good"}`, () => {
    assert.is(fault(password), expected)
  })
}

test("[CR 1.7] length is the policy's, in characters and not in units", () => {
  assert.is(fault("😀🚲😂🌵", 4), null)
  assert.is(fault("x7$kQ9!mZ2vL", 13), "too-short")
})

test("[CR 1.7] whatever is put around a word that is guessed first, it stays that", () => {
  const sign = fc.string({ unit: fc.constantFrom(...Array.from("0123456789.-_*#/")), maxLength: 6 })
  fc.assert(
    fc.property(
      fc.constantFrom("maintenance", "administrator", "raspberry", "letmein", "schneider"),
      sign,
      sign,
      (word, a, b) => {
        assert.is(fault(`${a}${word}${b}`, 1), "guessable")
      },
    ),
  )
})

test("any text gets an answer, the same for both its forms in Unicode", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      assert.is(fault(text.normalize("NFKD")), fault(text.normalize("NFKC")))
      assert.is(normalPassword(text.normalize("NFD")), normalPassword(text.normalize("NFC")))
    }),
    { numRuns: 300 },
  )
})

test("[CR 1.7 RE(1)] a lifetime is over, not over, or what no clock can tell; what must change is due at once", () => {
  const DAY = 86_400_000
  const kept = { setAt: 0, mustChange: false }
  const state = (earliest: number, latest: number) =>
    passwordState(kept, { longestDays: 90 }, { earliestAt: earliest * DAY, latestAt: latest * DAY })
  assert.equal(
    [state(0, 90), state(0, 91), state(90, Infinity), state(91, Infinity)],
    ["good", "uncertain", "uncertain", "due"],
  )
  const now = { earliestAt: 1e15, latestAt: Infinity }
  assert.is(passwordState(kept, { longestDays: null }, now), "good")
  assert.is(passwordState({ ...kept, mustChange: true }, { longestDays: null }, now), "due")
})

test("[CR 1.7 RE(1)] a password is too new only if it surely is, and never if it must be changed", () => {
  const HOUR = 3_600_000
  const tooNew = (latestAt: number, mustChange = false) =>
    isTooNew({ setAt: 0, mustChange }, { shortestHours: 24 }, { earliestAt: 0, latestAt })
  assert.equal(
    [tooNew(23 * HOUR), tooNew(24 * HOUR), tooNew(Infinity), tooNew(HOUR, true)],
    [true, false, false, false],
  )
})

test.run()
