import { reasonName, ruleOf } from "../../../policy/filter/verdict.ts"
import type { Subject } from "../../../policy/identity/subject.ts"
import type { Buffering, MqttConduit } from "../../../policy/language/policy.ts"
import { InvariantError } from "../../../policy/base/errors.ts"
import { countDenial, type CounterSet } from "../counters.ts"
import type { EngineContext } from "../engine-context.ts"
import { nameAt } from "../engine-policy.ts"
import { backedOff } from "../load/dial-backoff.ts"
import type { Dialled } from "../../tls/dial.ts"
import type { SenderNames } from "../../spool/record.ts"
import { throttled } from "../load/flow-meter.ts"
import type { EngineConduit } from "../messages.ts"
import {
  proofOf,
  type Admitted,
  type Now,
  type Peer,
  type PeerSession,
  type PeerShell,
  type Protocol,
} from "../protocol.ts"
import { PeerTap, recordedNames } from "../traffic-tap.ts"
import { createUpstreamDial } from "../upstream-dial.ts"
import { openConnection, WITHDRAW_GRACE_MS } from "./connection.ts"
import type { ConnectFacts } from "./judge.ts"
import { createJudge, type Rights } from "./rights.ts"
import { RecentDenials } from "./recent-denials.ts"
import { RIGHTS_TOPIC } from "./subscriptions.ts"
import { openStandIn } from "./stand-in.ts"
import { printable } from "./text.ts"
import { measureVariableInteger } from "./variable-integer.ts"

/** What a CONNECT counts as: it costs the broker a connection and a handshake. */
const CONNECT_REQUESTS = 50

/** MQTT behind a conduit's listener: each peer gets a connection of its own to the broker. */
export function createMqttProtocol(conduit: EngineConduit, context: EngineContext, counters: CounterSet): Protocol {
  const source = `conduit/${conduit.name}`
  const dial = backedOff(createUpstreamDial(conduit, context), {
    nowMs: context.nowMs,
    random: () => parseInt(context.randomSuffix().slice(0, 6), 16) / 0x1000000,
  })

  let current: Now | null = null
  const denials = new RecentDenials(context.nowMs)
  context.spool.serve(conduit.name, {
    limits: context.limits,
    dial,
    now: () => current,
    denied: (subject, v, { packet }) => {
      const rule = current === null ? null : nameAt(current.all.epoch.policy.compiled.ruleNames, ruleOf(v))
      const key = { conduit: conduit.name, subject, action: "publish", rule, reason: reasonName(v) } as const
      countDenial(counters, "up", rule, key.reason)
      context.denied(key, topicOf(packet))
    },
    lost: (subject, reason, count) => {
      const detail = { count }
      context.report({
        id: "spool.dropped",
        outcome: "failure",
        source,
        subject,
        conduit: conduit.name,
        reason,
        detail,
      })
    },
    forwarded: (subject, count) => {
      counters.allowedUp += count
      context.report({
        id: "spool.forwarded",
        outcome: "success",
        source,
        subject,
        conduit: conduit.name,
        detail: { count },
      })
    },
  })

  function rightsOf(now: Now, name: string, classIndex: number): Rights {
    const { compiled } = now.all.epoch.policy
    return {
      compiled,
      classIndex,
      name,
      buckets: context.buckets.of(compiled.table, name),
      essentialOnly: now.own.essentialOnly,
    }
  }

  function admit(peer: Peer, first: Now, admitted: Admitted, shell: PeerShell): PeerSession {
    const { socket, tlsVersion, meter } = peer
    const { name, roles, clientIdPattern } = admitted.subject
    const settings = settingsOf(first)
    let rights = rightsOf(first, name, admitted.classIndex)
    /** From its CONNECT; null before. */
    let facts: ConnectFacts | null = null
    let established = false
    const whom = { conduit: conduit.name, zone: first.own.zone.name, subject: name, roles, clientId: "" }
    const tap = new PeerTap(context.recording, { ...whom, ...recordedNames(peer) })
    const askRights = (): void => {
      const who = { conduit: conduit.name, name, clientId: facts?.clientId ?? name, roles }
      context.rights({ who, denials: denials.of(name) }, (text) => {
        if (text !== "") connection.tell(RIGHTS_TOPIC, text)
      })
    }
    const connection = openConnection({
      client: socket,
      buffers: context.readBuffers,
      connectTimeoutMs: context.limits.connectTimeoutMs,
      paced: (bytes) => {
        const waits = (): void => context.load.shed(conduit.name, "pace", name, shell.essential())
        return throttled(bytes, { meter, after: context.after, waits })
      },
      nowMs: context.nowMs,
      after: context.after,
      dial,
      standIn: (lost) => {
        const now = shell.now()
        const buffer = now === null ? null : settingsOf(now).buffer
        if (now === null || buffer === null || facts === null || now.own.mayHear(roles)) return null
        return lost || context.spool.isHeld(conduit.name, name) ? standIn(facts.version, buffer) : null
      },
      session: {
        limits: context.limits,
        conduit: settings,
        subject: name,
        clientIdPattern,
        randomSuffix: context.randomSuffix,
        tap,
        newHash: context.newHash,
        // Where data only leaves, nothing is told inwards, not of ours either.
        ...(settings.direction === "out" ? {} : { askRights }),
        admit: (found) => {
          facts = found
          cancelConnectWait()
          meter.requests(CONNECT_REQUESTS)
          tap.become({ clientId: found.clientId })
          return createJudge(rights, found, context.flows)
        },
      },
      refresh: () => shell.refresh(),
      failed: (error) => shell.failed(error),
      denied: (action, v, object, will) => {
        const rule = nameAt((shell.now() ?? first).all.epoch.policy.compiled.ruleNames, ruleOf(v))
        const reason = reasonName(v)
        if (action !== "receive") meter.messages(1)
        denials.add(name, { action: will ? "will" : action, topic: object, reason, rule })
        countDenial(counters, action === "receive" ? "down" : "up", rule, reason)
        context.denied({ conduit: conduit.name, subject: name, action: will ? "will" : action, rule, reason }, object)
      },
      recorded: (message) => {
        context.allowed({ ...message, conduit: conduit.name, subject: name, ...proofOf(peer) })
      },
      passed: (direction, messages, bytes) => {
        if (direction === "up") {
          meter.messages(messages)
          counters.allowedUp += messages
          counters.bytesUp += bytes
        } else {
          counters.allowedDown += messages
          counters.bytesDown += bytes
        }
      },
      requested: (count) => meter.requests(count),
      connected: (clientId, version) => {
        established = true
        context.report({
          id: "conduit.connected",
          outcome: "success",
          source,
          subject: name,
          conduit: conduit.name,
          object: clientId,
          detail: { mqtt: version === 5 ? "5" : "3.1.1", tls: tlsVersion, ...proofOf(peer) },
        })
      },
      ended: (reason, detail) => {
        cancelConnectWait()
        shell.ended()
        const broken = reason === "protocol-client" || reason === "protocol-broker" || reason === "limit"
        context.report({
          id: broken ? "conduit.protocol-error" : established ? "conduit.disconnected" : "conduit.connect-refused",
          outcome: reason === "client" || reason === "broker" ? "success" : "failure",
          source,
          subject: name,
          conduit: conduit.name,
          reason: broken && detail !== "" ? detail : reason,
          ...(detail === "" || broken ? {} : { detail: { why: detail } }),
        })
      },
    })
    /** A broker of necessity: what it takes is on disk before it is acknowledged. */
    function standIn(version: 4 | 5, buffer: Buffering): Dialled {
      const names = { ...NO_NAMES, ...namesOf(peer) }
      let dropped = 0
      const tell = (id: "spool.holding" | "spool.dropped", detail: Record<string, number>): void => {
        const outcome = id === "spool.holding" ? "success" : "failure"
        const reason = id === "spool.dropped" ? { reason: "qos-0" } : {}
        context.report({ id, outcome, source, subject: name, conduit: conduit.name, ...reason, detail })
      }
      const one = openStandIn({
        limits: context.limits,
        store: ({ clientId, packet }, settled) => {
          context.spool.put(conduit.name, name, { version, clientId, names, packet }, buffer, settled)
        },
        dropped: () => dropped++,
        after: context.after,
        ended: () => {
          leave()
          if (dropped > 0) tell("spool.dropped", { count: dropped })
        },
      })
      const leave = context.spool.standsIn(conduit.name, name, () => one.leave())
      tell("spool.holding", {})
      return one.dialled
    }

    const cancelConnectWait = context.after(context.limits.connectWaitMs, () => connection.timeOut())
    return {
      readmit: (now, next) => {
        const { subject } = next
        const mayAuthenticate = facts?.authenticates ?? true
        if (!sameTerms({ name, clientIdPattern, mayAuthenticate }, settings, subject, settingsOf(now))) return false
        rights = rightsOf(now, name, next.classIndex)
        tap.become({ roles: subject.roles })
        if (facts !== null) connection.rejudge(createJudge(rights, facts, context.flows))
        return true
      },
      withdraw: (detail, graceMs) => connection.withdraw(detail, graceMs),
      heldBytes: () => connection.heldBytes(),
    }
  }

  return {
    admit,
    inForce: (now) => {
      current = now
    },
    withdrawGraceMs: WITHDRAW_GRACE_MS,
  }
}

const NO_NAMES: SenderNames = { sanUri: [], sanDns: [], commonName: null, address: null }

/** What of a peer says who it is, when it is asked again. */
function namesOf({ leaf, address }: Peer): Partial<SenderNames> {
  if (leaf === null) return { address }
  const { sanUri, sanDns, commonName } = leaf
  return { sanUri, sanDns, commonName }
}

/** The topic of a whole PUBLISH, as the log names it. */
function topicOf(packet: Uint8Array): string {
  const at = 1 + measureVariableInteger(packet, 1, packet.length)
  const end = at + 2 + (((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0))
  return printable(packet, at + 2, end)
}

/** What was settled at CONNECT cannot change afterwards: who is let in under other terms connects anew. */
function sameTerms(
  then: Pick<Subject, "name" | "clientIdPattern"> & { readonly mayAuthenticate: boolean },
  settingsThen: MqttConduit,
  subject: Subject,
  settings: MqttConduit,
): boolean {
  return (
    subject.name === then.name &&
    subject.clientIdPattern === then.clientIdPattern &&
    settings.upstreamIdentity === settingsThen.upstreamIdentity &&
    settings.onDeny === settingsThen.onDeny &&
    (settings.direction === "out") === (settingsThen.direction === "out") &&
    // What AUTH opened at the broker stays open there until the connection ends. Who has not sent its CONNECT may still ask.
    (settings.enhancedAuth === "pass" || settingsThen.enhancedAuth === "refuse" || !then.mayAuthenticate)
  )
}

function settingsOf({ own }: Now): MqttConduit {
  if (own.settings.protocol !== "mqtt") throw new InvariantError("ERR_PROTOCOL", "an MQTT listener serves Modbus")
  return own.settings
}
