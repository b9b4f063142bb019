import type { Clock } from "../../hal/clock.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { InputError, StateError } from "../../policy/base/errors.ts"
import type { TimeDecision } from "../../policy/time/floor.ts"
import { boundOf } from "../../policy/time/signed-time.ts"
import type { TimeKeeper, TimeReport } from "../time-keeper.ts"
import type { VerifiedTime } from "./statement.ts"
import { moment } from "./time-events.ts"

/** Nonces that may be out at a time; the oldest is forgotten for one more. */
const MOST_NONCES = 8
/** How long an answer may take: a technician carries it to whoever holds the key, and back. */
export const NONCE_MS = 24 * 3_600_000

/** A number for a signer to answer. */
export interface TimeNonce {
  readonly gateway: string
  readonly nonce: string
  readonly validSeconds: number
}

/** What a signed time has changed; times in milliseconds since 1970, null for no end. */
export interface TimeSet {
  readonly signers: readonly string[]
  readonly before: { readonly earliestAt: number; readonly latestAt: number | null }
  readonly after: { readonly earliestAt: number; readonly latestAt: number | null }
}

/** Time that people sign. */
export interface SignedTimes {
  /** A number that one signed time may answer, within a day and until the gateway restarts. */
  nonce(): TimeNonce
  /**
   * Take a signed time, or one that sets the floor back. Nothing has changed after an error.
   *
   * @throws InputError `ERR_TIME_SIGNATURES`, `ERR_TIME_STATEMENT`, `ERR_TIME_GATEWAY`, `ERR_TIME_NONCE`
   * @throws StateError `ERR_TIME_PRESENCE`, `ERR_TIME_CONTRADICTS`, `ERR_TIME_KNOWN`
   * @throws HardwareError `ERR_IO`
   */
  set(text: string, by: string): Promise<TimeSet>
  /** Why `set` would refuse this text, or null. Nothing changes, no nonce is spent, nothing is logged. */
  examine(text: string): Promise<string | null>
}

/** What it stands on. */
export interface SignedTimesDeps {
  readonly gateway: string
  readonly clock: Pick<Clock, "monotonicMs">
  readonly time: Pick<TimeKeeper, "take" | "lower" | "report">
  readonly verify: (text: string) => Promise<VerifiedTime>
  readonly audit: (event: AuditEvent) => Promise<number>
  /** 128 random bits in base64url. */
  readonly random: () => string
  /** Whether somebody stands at the gateway. No board can say so yet. */
  readonly present?: () => boolean
}

/**
 * Time by signature: who may sign it states a time in answer to a nonce of ours, so that an old statement cannot be played
 * again and a statement for one gateway says nothing to another. A step over 400 days needs presence or two signers; the
 * floor is lowered with presence alone.
 *
 * @see IEC 62443-4-2 CR 2.11, CR 2.11 RE(2)
 */
export function createSignedTimes(deps: SignedTimesDeps): SignedTimes {
  const { gateway, clock, time } = deps
  const present = deps.present ?? (() => false)
  /** Nonce to the monotonic time at which it was given out. */
  const out = new Map<string, number>()

  function expire(): void {
    for (const [nonce, givenMs] of out) if (clock.monotonicMs() - givenMs > NONCE_MS) out.delete(nonce)
  }

  /** The verified time, and how long ago its nonce was given out. */
  async function checked(text: string): Promise<VerifiedTime & { readonly elapsedMs: number }> {
    const verified = await deps.verify(text)
    const { statement } = verified
    if (statement.gateway !== gateway)
      throw new InputError("ERR_TIME_GATEWAY", `this time was signed for ${statement.gateway}, and not for ${gateway}`)
    expire()
    const givenMs = out.get(statement.nonce)
    if (givenMs === undefined) {
      const hint =
        "it was used, is older than a day, or the gateway has restarted: begin again with `lockgate time nonce`"
      throw new InputError("ERR_TIME_NONCE", `the signed time does not answer a nonce of this gateway; ${hint}`)
    }
    return { ...verified, elapsedMs: clock.monotonicMs() - givenMs }
  }

  return {
    nonce() {
      expire()
      const [oldest] = out.keys()
      if (out.size >= MOST_NONCES && oldest !== undefined) out.delete(oldest)
      const nonce = deps.random()
      out.set(nonce, clock.monotonicMs())
      return { gateway, nonce, validSeconds: NONCE_MS / 1000 }
    },
    async set(text, by) {
      const { statement, signers, elapsedMs } = await checked(text)
      const before = ends(time.report())
      const lowers = statement.purpose === "lower"
      const approved = present() || (!lowers && signers.length >= 2)
      // Before anything else happens, and even if it is refused: an answer is good for once.
      out.delete(statement.nonce)
      const decision = lowers
        ? await time.lower(statement.at, approved)
        : await time.take(boundOf(statement, elapsedMs), approved)
      if (decision !== "accepted") {
        await deps.audit(refusal(decision, moment(statement.at), signers, by, before))
        throw refusalError(decision, lowers)
      }
      const after = ends(time.report())
      await deps.audit({
        id: lowers ? "time.floor-lowered" : "time.set",
        outcome: "success",
        source: "time",
        subject: by,
        detail: {
          signers: signers.join(" "),
          signed: moment(statement.at),
          earliestBefore: moment(before.earliestAt),
          latestBefore: moment(before.latestAt),
          earliestAfter: moment(after.earliestAt),
          latestAfter: moment(after.latestAt),
        },
      })
      return { signers, before, after }
    },
    async examine(text) {
      try {
        await checked(text)
        return null
      } catch (error) {
        if (error instanceof InputError) return String(error.code)
        throw error
      }
    },
  }
}

function ends({ earliestAt, latestAt }: TimeReport): TimeSet["before"] {
  return { earliestAt, latestAt }
}

function refusal(
  decision: TimeDecision,
  said: string,
  signers: readonly string[],
  by: string,
  known: TimeSet["before"],
): AuditEvent {
  return {
    id: "time.refused",
    outcome: "denied",
    source: "time",
    subject: by,
    object: "signed time",
    reason: decision,
    detail: { said, signers: signers.join(" "), earliest: moment(known.earliestAt), latest: moment(known.latestAt) },
  }
}

function refusalError(decision: Exclude<TimeDecision, "accepted">, lowers: boolean): StateError {
  switch (decision) {
    case "needs-presence":
      return new StateError(
        "ERR_TIME_PRESENCE",
        lowers
          ? "the floor is set back only while somebody is present at the gateway, and this board cannot tell presence yet"
          : "this is more than 400 days from what is known: it needs two signers (`lockgate time sign` on the signed time adds one), or presence, which this board cannot tell yet",
      )
    case "known":
      return new StateError("ERR_TIME_KNOWN", lowers ? "the floor is not later than that" : "this says nothing new: the time is known better than that") // prettier-ignore
    case "behind-floor":
      return new StateError("ERR_TIME_CONTRADICTS", "this is earlier than what is proved already: the signer's clock is behind, or the floor is wrong") // prettier-ignore
    case "beyond-ceiling":
      return new StateError("ERR_TIME_CONTRADICTS", "this is later than a time that was signed before allows; a restart forgets that one") // prettier-ignore
    case "untrusted":
      return new StateError("ERR_TIME_CONTRADICTS", "this is no time")
  }
}
