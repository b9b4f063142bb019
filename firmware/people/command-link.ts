import { LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { gatewayTopic } from "../../policy/audit/topics.ts"
import type { Clock } from "../../hal/clock.ts"
import { linkError, reasonOf, type MqttLink } from "../audit/mqtt-link.ts"
import type { Accounts } from "./accounts.ts"
import { createCommandMqtt, MAX_MQTT_ANSWER_BYTES, type CommandMqtt, type CommandMqttDeps } from "./command-mqtt.ts"

const ACK_TIMEOUT_MS = 30_000
/** Room for topic and header in a packet. */
const HEADER_BYTES = 512

/** What it stands on. */
export interface CommandLinkDeps extends Pick<CommandMqttDeps, "clock" | "sign"> {
  readonly clock: Clock
  readonly gateway: string
  readonly report: (event: AuditEvent) => void
}

/** Who is behind the door. */
export interface CommandPeople {
  readonly door: CommandMqttDeps["door"]
  readonly accounts: Pick<Accounts, "unclaimed" | "onChange">
}

/** Signed commands on the link that carries the log. */
export interface CommandLink {
  /** Answer from the first account on; the returned function ends that: what comes later is not taken. */
  open(people: CommandPeople): () => void
  /** Hear requests on this link; resolves once that is asked for, or the link has ended before. Never rejects for a link. */
  serve(link: ServedLink, signal: AbortSignal): Promise<void>
}

type ServedLink = Pick<MqttLink, "publish" | "subscribe" | "onMessage" | "maxPacketBytes">

/**
 * The door for commands over MQTT outlives links: a command that was carried out when its link ended is not carried out again, and
 * the same bytes get their answer over the next. While nobody has an account nothing is subscribed. The log waits for none of it:
 * what arrives is put aside at once, and an answer that is not acknowledged within 30 s is given up.
 *
 * @see IEC 62443-4-2 CR 1.1, CR 3.8
 */
export function createCommandLink(deps: CommandLinkDeps): CommandLink {
  const { clock, gateway } = deps
  let now: { readonly link: ServedLink; readonly signal: AbortSignal; isAsked: boolean } | null = null
  let people: CommandPeople | null = null
  let mqtt: CommandMqtt | null = null
  let unheardTold = false

  function publish(topic: string, payload: Uint8Array, correlation?: Uint8Array): Promise<void> {
    const link = now?.signal.aborted === false ? now.link : null
    if (link === null) return Promise.reject(linkError("closed"))
    return new Promise((resolve, reject) => {
      const cancel = clock.after(ACK_TIMEOUT_MS, () => reject(linkError("no-acknowledgement")))
      link.publish(topic, payload, false, correlation).then(resolve, reject).finally(cancel)
    })
  }

  /** Once on each link, as soon as somebody can be somebody. */
  async function ask(): Promise<void> {
    if (now === null || now.isAsked || now.signal.aborted || people === null || people.accounts.unclaimed) return
    now.isAsked = true
    try {
      await now.link.subscribe([gatewayTopic(gateway, "command/request")])
      unheardTold = false
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      const reason = reasonOf(error)
      // A link that ended is told by who publishes the log.
      if (reason !== "refused" || unheardTold) return
      unheardTold = true
      deps.report({ id: "command.unheard", outcome: "failure", source: "management/mqtt", reason })
    }
  }

  return {
    open(joined) {
      people = joined
      mqtt = createCommandMqtt({
        ...{ door: joined.door, clock, sign: deps.sign, publish },
        maxAnswerBytes: () => Math.min(MAX_MQTT_ANSWER_BYTES, (now?.link.maxPacketBytes ?? Infinity) - HEADER_BYTES),
      })
      const endChanges = joined.accounts.onChange(() => void ask())
      void ask()
      return () => {
        endChanges()
        people = null
        mqtt = null
      }
    },
    async serve(link, signal) {
      now = { link, signal, isAsked: false }
      link.onMessage(async ({ topic, payload, retained, reply }) => {
        // What was kept at the broker was asked before: it is nobody's request now.
        if (topic !== gatewayTopic(gateway, "command/request") || retained || signal.aborted) return
        if (people?.accounts.unclaimed === false) mqtt?.take(payload, reply)
      })
      await ask()
    },
  }
}
