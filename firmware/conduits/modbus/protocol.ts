import { aboutRequest, requestObject, type NamedPoint } from "../../../policy/audit/modbus-object.ts"
import {
  createModbusState,
  decideModbus,
  exceptionFor,
  type ModbusState,
} from "../../../policy/filter/modbus/decide.ts"
import { RECORD_CHANGES, RECORD_NONE } from "../../../policy/filter/table.ts"
import { isAllowed, REASON, reasonName, reasonOf, ruleOf, type Verdict } from "../../../policy/filter/verdict.ts"
import { countDenial, type CounterSet } from "../counters.ts"
import type { EngineContext } from "../engine-context.ts"
import { nameAt } from "../engine-policy.ts"
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
import { objectOf } from "./about.ts"
import { openModbusConnection } from "./connection.ts"
import { createSharedUpstream } from "./shared-upstream.ts"

/** Modbus behind a conduit's listener: all masters share one way to the units. */
export function createModbusProtocol(conduit: EngineConduit, context: EngineContext, counters: CounterSet): Protocol {
  const source = `conduit/${conduit.name}`
  const shared = createSharedUpstream(conduit, context)
  let masters = 0

  function rightsOf(now: Now, subject: string, classIndex: number): Rights {
    const { policy } = now.all.epoch
    const table = policy.compiled.modbus
    const buckets = context.modbusBuckets.of(table, subject)
    const state = createModbusState(table, { classIndex, buckets, essentialOnly: now.own.essentialOnly })
    const own = (policy.points ?? []).filter(({ conduits }) => conduits.includes(conduit.name))
    return {
      now,
      state,
      essential: new Set(policy.essentialModbus ?? []),
      points: [...own, ...(conduit.modbus?.points ?? [])],
    }
  }

  function admit(peer: Peer, first: Now, admitted: Admitted, shell: PeerShell): PeerSession {
    const { name, roles } = admitted.subject
    const { settings } = first.own
    const { meter } = peer
    const master = ++masters
    const upstream = shared.join()
    let rights = rightsOf(first, name, admitted.classIndex)
    const whom = { conduit: conduit.name, zone: first.own.zone.name, subject: name, roles, clientId: "" }
    const tap = new PeerTap(context.recording, { ...whom, ...recordedNames(peer) })
    const ruleOfVerdict = (verdict: Verdict): string | null =>
      nameAt(rights.now.all.epoch.policy.compiled.ruleNames, ruleOf(verdict))

    const record = (adu: Uint8Array, verdict: Verdict): void => {
      if (!tap.on) return
      const { unit, code, sub, range, written, isMultiPart } = aboutRequest(adu)
      const isBad = reasonOf(verdict) === REASON["bad-request"]
      tap.judgedModbus(isBad || isMultiPart ? null : { unit, function: code, sub, range, written }, verdict)
    }

    const connection = openModbusConnection({
      client: peer.socket,
      frameTimeoutMs: context.limits.connectTimeoutMs,
      after: context.after,
      paced: (bytes) => {
        const waits = (): void => context.load.shed(conduit.name, "pace", name, shell.essential())
        return throttled(bytes, { meter, after: context.after, waits })
      },
      refresh: () => shell.refresh(),
      received: (bytes) => (counters.bytesUp += bytes),
      session: {
        master,
        judge: (adu) => decideModbus(rights.state.table, rights.state, adu, 0, adu.length, context.nowMs()),
        exceptionFor: (verdict) => exceptionFor(rights.state.table, settings.name, verdict),
        isEssential: (verdict) => rights.essential.has(ruleOf(verdict)),
        ask: (request) => upstream.ask(request),
        answered: (bytes) => (counters.bytesDown += bytes),
        misfit: () => shared.broken("response"),
        denied: (adu, verdict) => {
          meter.messages(1)
          const rule = ruleOfVerdict(verdict)
          const reason = reasonName(verdict)
          countDenial(counters, "up", rule, reason)
          const { action, object } = objectOf(adu, verdict, rights.points)
          context.denied({ conduit: conduit.name, subject: name, action, rule, reason }, object)
          record(adu, verdict)
        },
        allowed: (adu, verdict) => {
          meter.messages(1)
          counters.allowedUp++
          record(adu, verdict)
          const wish = rights.now.all.epoch.policy.compiled.records[ruleOf(verdict)] ?? RECORD_NONE
          if (!isAllowed(verdict) || wish === RECORD_NONE) return
          const { action, object } = objectOf(adu, verdict, rights.points)
          const payload = wish === RECORD_CHANGES ? hashed(context, adu) : null
          context.allowed({
            conduit: conduit.name,
            subject: name,
            action,
            object,
            rule: ruleOfVerdict(verdict) ?? "?",
            payloadBytes: adu.length - 2,
            change: payload === null ? null : { topic: requestObject(aboutRequest(adu), []), payload },
            ...proofOf(peer),
          })
        },
      },
      ended: (how, detail) => {
        upstream.forget(master)
        shared.leave()
        shell.ended()
        context.report({
          id: how === "fault" ? "conduit.protocol-error" : "conduit.disconnected",
          outcome: how === "client" ? "success" : "failure",
          source,
          subject: name,
          conduit: conduit.name,
          reason: how === "fault" ? detail : how,
          ...(how === "withdrawn" ? { detail: { why: detail } } : {}),
        })
      },
    })
    context.report({
      id: "conduit.connected",
      outcome: "success",
      source,
      subject: name,
      conduit: conduit.name,
      object: peer.address,
      detail: { tls: peer.tlsVersion, roles: roles.join(" "), ...proofOf(peer) },
    })
    return {
      readmit: (now, next) => {
        if (next.subject.name !== name) return false
        rights = rightsOf(now, name, next.classIndex)
        tap.become({ roles: next.subject.roles })
        return true
      },
      withdraw: (detail) => connection.withdraw(detail),
      heldBytes: () => connection.heldBytes(),
    }
  }

  // A request is judged whole and sent whole: there is no rest of one that could still pass.
  return { admit, withdrawGraceMs: 0 }
}

/** One master's rights under one policy and posture. */
interface Rights {
  readonly now: Now
  readonly state: ModbusState
  /** Indices of essential rules. */
  readonly essential: ReadonlySet<number>
  /** Names for the log: the policy's, then the board file's. */
  readonly points: readonly NamedPoint[]
}

function hashed(context: EngineContext, adu: Uint8Array): string {
  const hash = context.newHash()
  hash.update(adu)
  return hash.digest()
}
