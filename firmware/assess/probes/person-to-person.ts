/** Probe of what people send each other, mail and chat: none of it crosses the boundary. */
import { randomUUID } from "node:crypto"
import { decideReference } from "../../../policy/filter/reference.ts"
import { isAllowed } from "../../../policy/filter/verdict.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { GatewayProbe } from "../probe-context.ts"
import { classesOf } from "./classes.ts"
import { concat, connectPacket, contains, publishPacket } from "./packets.ts"

const SUBJECT = "probe-of-mail-and-chat"
const NO_POLICY: ProbeResult = { outcome: "not-tested", why: "no policy is in force: nothing listens, nothing passes" }

/** A letter read as the length of an MQTT packet is at most 127: with so many bytes no session may wait for more. */
const ENOUGH = 2 + 127

/** How each protocol begins, as its client would say it. */
const OPENINGS: readonly { readonly protocol: string; readonly says: string }[] = [
  { protocol: "SMTP", says: "EHLO probe.invalid\r\nMAIL FROM:<probe@probe.invalid>\r\n" },
  { protocol: "HTTP", says: "POST /messages HTTP/1.1\r\nHost: probe.invalid\r\nContent-Length: 2\r\n\r\nhi" },
  { protocol: "HTTP/2", says: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
  { protocol: "XMPP", says: "<?xml version='1.0'?><stream:stream to='probe.invalid' xmlns='jabber:client'>" },
  { protocol: "SIP", says: "INVITE sip:probe@probe.invalid SIP/2.0\r\nVia: SIP/2.0/TLS probe.invalid\r\n\r\n" },
  { protocol: "IRC", says: "NICK probe\r\nUSER probe 0 * :probe\r\n" },
]

/** Mail and chat are not declared protocols, and a chat over MQTT is a topic like any other: nothing allows it. */
export const noPersonToPerson: GatewayProbe = {
  id: "boundary.person-to-person",
  summary:
    "the first words of SMTP, HTTP, XMPP, SIP and IRC end the session with nothing forwarded, also behind a CONNECT; a chat " +
    "over MQTT is stopped",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    if (policy === null) return NO_POLICY
    let refused = 0
    let chats = 0
    for (const peer of classesOf(policy)) {
      const hello = await context.rehearse({ ...peer, subject: SUBJECT, bytes: connectPacket(SUBJECT) })
      for (const { protocol, says } of OPENINGS) {
        const words = Buffer.from(says.padEnd(ENOUGH))
        const first = await context.rehearse({ ...peer, subject: SUBJECT, bytes: words })
        const later = await context.rehearse({
          ...peer,
          subject: SUBJECT,
          bytes: concat(connectPacket(SUBJECT), words),
        })
        if (hello === null || first === null || later === null) return NO_POLICY
        if (first.closed === null || later.closed === null) {
          return failed(`${protocol} to end the session on ${peer.conduit}`, "the session goes on")
        }
        // An orderly DISCONNECT (2 bytes) may follow the CONNECT of an open session; nothing else may.
        if (first.forwarded.length > 0 || later.forwarded.length > hello.forwarded.length + 2) {
          return failed(`${protocol} to stay on this side of ${peer.conduit}`, "bytes of it were forwarded")
        }
        refused += 2
      }
      const topic = `chat/${randomUUID()}/message`
      const marker = randomUUID()
      const asked = { policy, ...peer, action: "publish", name: SUBJECT, clientId: SUBJECT } as const
      const message = { topic: Buffer.from(topic), qos: 0, retain: false, payloadBytes: marker.length, nowMs: 0 }
      const essentialOnly = context.essentialOnly()
      if (isAllowed(decideReference({ ...asked, essentialOnly }, message, new Map()))) continue
      const bytes = concat(connectPacket(SUBJECT), publishPacket(topic, marker))
      const chat = await context.rehearse({ ...peer, subject: SUBJECT, bytes })
      if (chat === null) return NO_POLICY
      if (contains(chat.forwarded, marker))
        return failed(`a chat over MQTT to be stopped on ${peer.conduit}`, "it passed")
      chats++
    }
    if (refused === 0) return { outcome: "not-tested", why: "no conduit in the policy carries MQTT for anybody" }
    if (chats === 0) return { outcome: "not-tested", why: "the policy in force lets everybody publish to every topic" }
    const evidence = `${refused} openings of ${OPENINGS.length} other protocols ended their session, ${chats} chats over MQTT were stopped`
    return { outcome: "passed", evidence }
  },
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
