import { isAllowed, REASON, reasonOf, type Verdict } from "../../../policy/filter/verdict.ts"
import { encodeMbap, MbapReader, type MbapFault, type MbapFrame } from "./mbap.ts"
import { fitsRequest } from "./response.ts"
import type { ModbusOutcome, ModbusRequest, NoAnswer } from "./upstream.ts"

/** Requests of one master that wait for their answer; it is not read further before one has it. */
const MAX_OPEN = 16

const PATH_UNAVAILABLE = 10
const TARGET_FAILED = 11
const BUSY = 6

/** What the master is told when there is no answer. @see MODBUS Application Protocol 1.1b3 section 7 */
const EXCEPTIONS: Readonly<Record<NoAnswer, number>> = {
  timeout: TARGET_FAILED,
  garbled: TARGET_FAILED,
  lost: PATH_UNAVAILABLE,
  closed: PATH_UNAVAILABLE,
  busy: BUSY,
  // Its exception is that of the refusal, unless there is none.
  recalled: PATH_UNAVAILABLE,
}

/** What a session is made of. */
export interface ModbusSessionDeps {
  readonly master: number
  /** The verdict on `adu` (unit, function and data) by the policy in force. */
  judge(adu: Uint8Array): Verdict
  /** The exception that answers a refusal. */
  exceptionFor(verdict: Verdict): number
  isEssential(verdict: Verdict): boolean
  ask(request: ModbusRequest): Promise<ModbusOutcome>
  /** Take it back if it is not on the wire yet: `ask` resolves to `recalled` then. */
  recall(request: ModbusRequest): void
  toClient(bytes: Uint8Array): void
  /** True while the client does not read what it was sent. */
  isClogged(): boolean
  denied(adu: Uint8Array, verdict: Verdict): void
  allowed(adu: Uint8Array, verdict: Verdict): void
  answered(bytes: number): void
  /** A unit's answer does not fit what it was asked. */
  misfit(adu: Uint8Array): void
}

/** One master's connection, without sockets. */
export interface ModbusSession {
  /** Bytes of the master, which may be overwritten afterwards; or why they are no Modbus, and it is over. */
  fromClient(chunk: Uint8Array): MbapFault | null
  /** The client reads again. */
  drained(): MbapFault | null
  /** More may be read from it. */
  readonly wantsMore: boolean
  /** A frame has begun and is not whole. */
  readonly isMidFrame: boolean
  /** Frames that were read. */
  readonly frames: number
  /** Bytes held for the master between calls: what is no whole frame yet, requests under way, answers that wait for their turn. */
  readonly heldBytes: number
  /**
   * Another policy, or another posture: what still waits for its turn is judged again. What is no longer allowed is taken
   * back and answered as a refusal; what is on the wire is over by the policy under which it went there.
   */
  rejudge(): void
  /** Nothing more is said to the master, whatever is answered. */
  end(): void
}

interface Open {
  readonly frame: MbapFrame
  /** What goes to the master when its turn comes; null while it is not known, empty for no answer at all. */
  answer: Uint8Array | null
  /** What was asked of the units; null for what was refused. */
  request: ModbusRequest | null
  /** Why it was taken back; null if nobody did. */
  refused: Verdict | null
}

const NO_ANSWER = new Uint8Array(0)

/**
 * The session of one master. Requests are judged one by one, in the order in which they come, and answered in that order.
 * A refused one is answered with its exception and never asked of anybody.
 */
export function createModbusSession(deps: ModbusSessionDeps): ModbusSession {
  const reader = new MbapReader()
  const open: Open[] = []
  let fault: MbapFault | null = null
  let isOver = false
  let frames = 0

  function work(): MbapFault | null {
    while (!isOver && fault === null && hasRoom()) {
      const frame = reader.next()
      if (frame === null) break
      if (typeof frame === "string") fault = frame
      else {
        frames++
        request(frame)
      }
    }
    return fault
  }

  function hasRoom(): boolean {
    return open.length < MAX_OPEN && !deps.isClogged()
  }

  function request(frame: MbapFrame): void {
    const { adu } = frame
    const verdict = deps.judge(adu)
    const own: Open = { frame, answer: null, request: null, refused: null }
    open.push(own)
    if (!isAllowed(verdict)) return settle(own, refusal(adu, verdict))
    deps.allowed(adu, verdict)
    const [unit = 0] = adu
    const pdu = adu.subarray(1)
    const priority = deps.isEssential(verdict) ? 0 : 1
    own.request = { unit, pdu, master: deps.master, priority }
    void deps.ask(own.request).then((outcome) => {
      settle(own, isRecalled(outcome) && own.refused !== null ? refusal(adu, own.refused) : answerTo(adu, outcome))
      work()
    })
  }

  function refusal(adu: Uint8Array, verdict: Verdict): Uint8Array {
    deps.denied(adu, verdict)
    return exception(adu, deps.exceptionFor(verdict))
  }

  function answerTo(adu: Uint8Array, outcome: ModbusOutcome): Uint8Array {
    switch (outcome.kind) {
      case "answer":
        if (fitsRequest(adu.subarray(1), outcome.pdu)) return outcome.pdu
        deps.misfit(adu)
        return exception(adu, TARGET_FAILED)
      case "broadcast":
        // Nobody answers a broadcast, so neither do we.
        return NO_ANSWER
      case "none":
        return exception(adu, EXCEPTIONS[outcome.why])
    }
  }

  /** The answer is known; it goes out when all before it have. */
  function settle(own: Open, answer: Uint8Array): void {
    own.answer = answer
    if (isOver) return
    for (;;) {
      const [first] = open
      if (first === undefined || first.answer === null) return
      open.shift()
      if (first.answer.length === 0) continue
      const bytes = encodeMbap(first.frame.transaction, first.frame.adu[0] ?? 0, first.answer)
      deps.answered(bytes.length)
      deps.toClient(bytes)
    }
  }

  return {
    fromClient(chunk) {
      reader.push(chunk)
      return work()
    },
    drained: work,
    get wantsMore() {
      return hasRoom()
    },
    get isMidFrame() {
      return reader.heldBytes > 0 && hasRoom()
    },
    get frames() {
      return frames
    },
    get heldBytes() {
      const waiting = (sum: number, { frame, answer }: Open): number => sum + frame.adu.length + (answer?.length ?? 0)
      return open.reduce(waiting, reader.heldBytes)
    },
    rejudge() {
      for (const own of [...open]) {
        const { frame, request, answer } = own
        if (request === null || answer !== null || own.refused !== null) continue
        const verdict = deps.judge(frame.adu)
        // A rate that is used up by now says nothing about a request that has been counted already.
        if (isAllowed(verdict) || reasonOf(verdict) === REASON.rate) continue
        own.refused = verdict
        deps.recall(request)
      }
    },
    end() {
      isOver = true
    },
  }
}

function isRecalled(outcome: ModbusOutcome): boolean {
  return outcome.kind === "none" && outcome.why === "recalled"
}

/** The exception of the request's function. @see MODBUS Application Protocol 1.1b3 section 7 */
function exception(adu: Uint8Array, code: number): Uint8Array {
  return Uint8Array.of((adu[1] ?? 0) | 0x80, code)
}
