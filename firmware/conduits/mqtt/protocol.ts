import { reasonName, ruleOf } from "../../../policy/filter/verdict.ts"
import type { Subject } from "../../../policy/identity/subject.ts"
import type { MqttConduit } from "../../../policy/language/policy.ts"
import { InvariantError } from "../../../policy/base/errors.ts"
import { countDenial, type CounterSet } from "../counters.ts"
import type { EngineContext } from "../engine-context.ts"
import { nameAt } from "../engine-policy.ts"
import { backedOff } from "../load/dial-backoff.ts"
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

/** MQTT behind a conduit's listener: each peer gets a connection of its own to the broker. */
export function createMqttProtocol(conduit: EngineConduit, context: EngineContext, counters: CounterSet): Protocol {
  const source = `conduit/${conduit.name}`
  const dial = backedOff(createUpstreamDial(conduit, context), {
    nowMs: context.nowMs,
    random: () => parseInt(context.randomSuffix().slice(0, 6), 16) / 0x1000000,
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
    const connection = openConnection({
      client: socket,
      buffers: context.readBuffers,
      connectTimeoutMs: context.limits.connectTimeoutMs,
      paced: (bytes) => {
        if (meter === null) return bytes
        const waits = (): void => context.load.shed(conduit.name, "pace", name, shell.essential())
        return throttled(bytes, { meter, after: context.after, waits })
      },
      nowMs: context.nowMs,
      after: context.after,
      dial,
      session: {
        limits: context.limits,
        conduit: settings,
        subject: name,
        clientIdPattern,
        randomSuffix: context.randomSuffix,
        tap,
        newHash: context.newHash,
        admit: (found) => {
          facts = found
          cancelConnectWait()
          tap.become({ clientId: found.clientId })
          return createJudge(rights, found, context.flows)
        },
      },
      refresh: () => shell.refresh(),
      failed: (error) => shell.failed(error),
      denied: (action, v, object, will) => {
        const rule = nameAt((shell.now() ?? first).all.epoch.policy.compiled.ruleNames, ruleOf(v))
        const reason = reasonName(v)
        if (action !== "receive") meter?.messages(1)
        countDenial(counters, action === "receive" ? "down" : "up", rule, reason)
        context.denied({ conduit: conduit.name, subject: name, action: will ? "will" : action, rule, reason }, object)
      },
      recorded: (message) => {
        context.allowed({ ...message, conduit: conduit.name, subject: name, ...proofOf(peer) })
      },
      passed: (direction, messages, bytes) => {
        if (direction === "up") {
          meter?.messages(messages)
          counters.allowedUp += messages
          counters.bytesUp += bytes
        } else {
          counters.allowedDown += messages
          counters.bytesDown += bytes
        }
      },
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
    const cancelConnectWait = context.after(context.limits.connectWaitMs, () => connection.timeOut())
    return {
      readmit: (now, next) => {
        const { subject } = next
        if (!sameTerms({ name, clientIdPattern }, settings, subject, settingsOf(now))) return false
        rights = rightsOf(now, name, next.classIndex)
        tap.become({ roles: subject.roles })
        if (facts !== null) connection.rejudge(createJudge(rights, facts, context.flows))
        return true
      },
      withdraw: (detail, graceMs) => connection.withdraw(detail, graceMs),
      heldBytes: () => connection.heldBytes(),
    }
  }

  return { admit, withdrawGraceMs: WITHDRAW_GRACE_MS }
}

/** What was settled at CONNECT cannot change afterwards: who is let in under other terms connects anew. */
function sameTerms(
  then: Pick<Subject, "name" | "clientIdPattern">,
  settingsThen: MqttConduit,
  subject: Subject,
  settings: MqttConduit,
): boolean {
  return (
    subject.name === then.name &&
    subject.clientIdPattern === then.clientIdPattern &&
    settings.upstreamIdentity === settingsThen.upstreamIdentity &&
    settings.onDeny === settingsThen.onDeny
  )
}

function settingsOf({ own }: Now): MqttConduit {
  if (own.settings.protocol !== "mqtt") throw new InvariantError("ERR_PROTOCOL", "an MQTT listener serves Modbus")
  return own.settings
}
