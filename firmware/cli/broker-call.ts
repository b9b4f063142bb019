import { createHash, randomBytes } from "node:crypto"
import { InputError, IntegrityError, StateError } from "../../policy/base/errors.ts"
import { followHandovers } from "../../policy/audit/key-chain.ts"
import type { NoteKey } from "../../policy/audit/tlog/note.ts"
import { FaultList } from "../../policy/audit/tlog/log-verdict.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { gatewayTopic } from "../../policy/audit/topics.ts"
import type { CommandAnswer } from "../../policy/command/port.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { createMqttSource } from "../audit/mqtt-source.ts"
import { nodeSha256, verifyNoteSignature } from "../audit/note-functions.ts"
import type { SignedMessage } from "../management/local-client.ts"
import { ANSWER_TYPE } from "../people/command-mqtt.ts"
import { dialBroker, type BrokerLogin } from "./audit-broker.ts"

/** The same bytes are sent again so often: one beyond the gateway's rate is dropped, and none is carried out twice. */
const AGAIN_MS = 4_000
const NO_ANSWER =
  "no answer from the gateway. It is not connected to this broker (is it on? does the board file name this broker under " +
  "management: mqtt?), nobody has an account there yet, or the broker's access list keeps it or you from speaking (lockgate audit acl)"

/** A gateway that is reached over a broker. */
export interface BrokerCall {
  /**
   * Its answer, a refusal included; believed for its signature alone.
   * @throws StateError `ERR_GATEWAY_TIMEOUT`, `ERR_INTERRUPTED`; HardwareError `ERR_LINK`
   * @throws IntegrityError `ERR_ANSWER_SIGNATURE` for one that this gateway has not given to this request
   */
  send(message: SignedMessage, timeoutMs: number): Promise<CommandAnswer>
  close(): Promise<void>
}

/** Whom is asked, as whom, and which key must have signed the answers. */
export interface BrokerCallOptions {
  readonly login: BrokerLogin
  readonly gateway: string
  readonly account: string
  /** Keys of the gateway's log; later ones are followed through the handovers that the broker shows. */
  readonly keys: readonly NoteKey[]
  readonly signal: AbortSignal
}

/**
 * Dials the broker for one person and one gateway; neither what it changes nor what it makes up is believed.
 *
 * @throws HardwareError `ERR_LINK`; InputError `ERR_ARGUMENT` if no key is that of this gateway's log
 * @see IEC 62443-4-2 CR 1.1, CR 3.1 RE(1)
 */
export async function callByBroker(options: BrokerCallOptions): Promise<BrokerCall> {
  const { gateway, account, signal } = options
  const keys = options.keys.filter(({ name, type }) => name === originOf(gateway) && type === "ed25519")
  if (keys.length === 0)
    throw new InputError("ERR_ARGUMENT", `--gateway-key: not the key of the log of ${gateway} (lockgate audit key)`)
  const link = await dialBroker(options.login, "person")
  const answers = new Map<string, (payload: Uint8Array) => void>()
  let lost: (reason: string) => void = () => undefined
  link.onMessage(async ({ topic, payload, retained }) => {
    if (!retained) answers.get(topic)?.(payload)
  })
  link.onLost((reason) => lost(reason))
  await link.subscribe([`${gatewayTopic(gateway, `command/answer/${account}`)}/+`])

  /** The keys that came after those that are trusted, as the broker shows them: each signed by the one before. */
  async function laterKeys(): Promise<readonly NoteKey[]> {
    const handovers = await createMqttSource({ link, gateway, clock: createLinuxClock() }).handovers()
    const deps = { sha256: nodeSha256, verify: verifyNoteSignature, keys }
    return (await followHandovers(deps, handovers, new FaultList())).keys
  }

  function arrival(topic: string, ask: () => Promise<void>, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const again = setInterval(() => void ask().catch(() => undefined), AGAIN_MS)
      const late = setTimeout(() => stop(new StateError("ERR_GATEWAY_TIMEOUT", NO_ANSWER)), timeoutMs)
      const abort = (): void => stop(new StateError("ERR_INTERRUPTED", "interrupted"))
      const end = (): void => {
        clearInterval(again)
        clearTimeout(late)
        signal.removeEventListener("abort", abort)
        answers.delete(topic)
      }
      const stop = (error: Error): void => {
        end()
        reject(error)
      }
      lost = (reason) => stop(new StateError("ERR_GATEWAY_NO_ANSWER", `the broker closed the connection: ${reason}`))
      answers.set(topic, (payload) => {
        end()
        resolve(payload)
      })
      signal.addEventListener("abort", abort, { once: true })
      ask().catch(stop)
    })
  }

  return {
    async send(message, timeoutMs) {
      const id = randomBytes(16).toString("base64url")
      const request = Buffer.from(JSON.stringify({ ...message, id }))
      const ask = (): Promise<void> => link.publish(gatewayTopic(gateway, "command/request"), request, false)
      const payload = await arrival(gatewayTopic(gateway, `command/answer/${account}/${id}`), ask, timeoutMs)
      const expected = { gateway, id, request: createHash("sha256").update(request).digest("hex") }
      const answer =
        (await readSignedAnswer(payload, expected, keys)) ??
        (await readSignedAnswer(payload, expected, await laterKeys()))
      if (answer !== null) return answer
      throw new IntegrityError(
        "ERR_ANSWER_SIGNATURE",
        `the answer was not signed by ${gateway} for this request: the broker, or somebody at it, made or changed it, or ` +
          "--gateway-key is not its key (lockgate audit key). What the gateway did is in its log",
      )
    },
    close: () => link.close(),
  }
}

/** The answer in this JWS, if one of `keys` has signed it for this very request; null for everything else. Never throws. */
export async function readSignedAnswer(
  payload: Uint8Array,
  expected: { readonly gateway: string; readonly id: string; readonly request: string },
  keys: readonly NoteKey[],
): Promise<CommandAnswer | null> {
  const [head = "", body = "", signature = "", ...more] = Buffer.from(payload).toString("latin1").split(".", 4)
  const header = jsonIn(head)
  if (more.length > 0 || header?.["alg"] !== "EdDSA" || header["typ"] !== ANSWER_TYPE) return null
  const bytes = Buffer.from(signature, "base64url")
  // One way of writing the same signature.
  if (bytes.toString("base64url") !== signature) return null
  const text = Buffer.from(`${head}.${body}`, "latin1")
  const checks = keys.map(({ type, publicKey }) => verifyNoteSignature(type, publicKey, text, bytes))
  if (!(await Promise.all(checks)).includes(true)) return null
  const { gateway, id, request, answer } = jsonIn(body) ?? {}
  if (gateway !== expected.gateway || id !== expected.id || request !== expected.request) return null
  return typeof answer === "object" && answer !== null ? (answer as CommandAnswer) : null
}

function jsonIn(part: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"))
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
