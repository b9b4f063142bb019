/** Probes of the audit log's room: whether it is there, whether it warns, and what happens when it is used up or the log fails. */
import { ROOMY } from "../../../policy/audit/retention.ts"
import { POSTURE, type Condition } from "../../../policy/posture.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { GatewayProbe } from "../probe-context.ts"

const MIB = 1024 * 1024

/** The log has the room that the board file gives it, is within it, and does something before it is used up. */
export const logHasRoom: GatewayProbe = {
  id: "audit.has-room",
  summary: "the log's folder and its disk are measured; the live rules are asked what they would do with a full log",
  safety: "passive",
  vantage: "inside",
  async run({ auditRoom }) {
    const { usedBytes, freeBytes } = await auditRoom.measure()
    const { capacityBytes, limitBytes } = auditRoom.status
    if (usedBytes > limitBytes) return failed(`at most ${mib(limitBytes)} in use`, mib(usedBytes))
    if (usedBytes + freeBytes < capacityBytes) {
      return failed(`a disk with room for ${mib(capacityBytes)}`, `${mib(usedBytes + freeBytes)}: free some, or lower audit: capacity`) // prettier-ignore
    }
    const full = auditRoom.rehearse(capacityBytes, ROOMY)
    if (full.dropBelow === null && !full.fill.blocked) return failed("a full log to make room or to say so", "neither")
    return { outcome: "passed", evidence: `${mib(usedBytes)} of ${mib(capacityBytes)} used, ${freeBytes === Infinity ? "no bound" : mib(freeBytes)} free on the disk` } // prettier-ignore
  },
}

/** The log warns at the threshold of the policy, once, and has done so if it is above it. */
export const logWarns: GatewayProbe = {
  id: "audit.warns-in-time",
  summary:
    "the live rules are asked below, at and above the threshold; what is measured now is held against what was told",
  safety: "passive",
  vantage: "inside",
  async run({ auditRoom }) {
    const { capacityBytes, limitBytes, warnAtPercent } = auditRoom.status
    const at = Math.floor((capacityBytes * warnAtPercent) / 100)
    if (auditRoom.rehearse(at - 1, ROOMY).tell.length > 0)
      return failed(`silence below ${warnAtPercent} %`, "a warning")
    const reached = auditRoom.rehearse(at, ROOMY)
    if (!reached.tell.includes("near")) return failed(`a warning at ${warnAtPercent} %`, "none")
    if (auditRoom.rehearse(at, reached.fill).tell.length > 0) return failed("one warning", "a second one")
    const { usedBytes } = await auditRoom.measure()
    if (usedBytes > (limitBytes * warnAtPercent) / 100 + MIB && !auditRoom.fill.near) {
      return failed(`a warning in the log: ${mib(usedBytes)} of ${mib(limitBytes)} are used`, "none")
    }
    return { outcome: "passed", evidence: `warns at ${warnAtPercent} %; ${auditRoom.fill.near ? "has done so" : "is below it"} now` } // prettier-ignore
  },
}

/** A log that is full or fails costs no essential flow, and closes normal ones where entries would be lost; this one works. */
export const logFailureIsAnswered: GatewayProbe = {
  id: "audit.failure-answered",
  summary: "the live engine is asked what it would have open with a log that fails or is full; the log is looked at",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const policy = context.policy()
    if (policy === null) return { outcome: "not-tested", why: "no policy is in force" }
    const { auditRoom } = context
    const vital = new Set(policy.rules.filter(({ essential, effect }) => essential && effect === "allow").flatMap(({ conduits }) => conduits)) // prettier-ignore
    const whole = await context.openUnder({ normal: "open", essential: "open" }, [])
    const conditions: readonly Condition[] = ["log-failing", "log-full-uncollected", "log-full"]
    for (const condition of conditions) {
      const { normal, essential } = POSTURE[condition]
      const open = await context.openUnder({ normal, essential }, [])
      const lost = whole.find((name) => vital.has(name) && !open.includes(name))
      if (lost !== undefined) return failed(`essential flows of ${lost} to go on under ${condition}`, "closed")
      const stray = normal === "closed" ? open.find((name) => !vital.has(name)) : undefined
      if (stray !== undefined) return failed(`${stray} to close under ${condition}`, "open")
    }
    const { dropBelow, condition } = auditRoom.rehearse(auditRoom.status.capacityBytes, ROOMY)
    if (dropBelow === null && condition !== "log-full-uncollected") {
      return failed("normal flows to close when the log is full and may drop nothing", condition ?? "no condition")
    }
    if (auditRoom.status.failing) return failed("a log that can be written", "it fails now")
    if (auditRoom.fill.blocked && !context.essentialOnly()) return failed("essential flows only: the log is full", "all are open") // prettier-ignore
    return { outcome: "passed", evidence: `asked the engine of ${conditions.join(", ")}: ${vital.size} conduits with essential flows stay open; the log is written` } // prettier-ignore
  },
}

/** What collectors acknowledged is what may be dropped: they keep up, and nothing was given up that none of them holds. */
export const copiesAreKept: GatewayProbe = {
  id: "audit.copies-kept",
  summary: "how much of the log the collectors of the board file have acknowledged is held against what was dropped",
  safety: "passive",
  vantage: "inside",
  run({ auditRoom, audit, trail }) {
    const collectors = audit.witnesses().filter(({ kind }) => kind === "collector")
    const { collected, firstSeq } = auditRoom.status
    if (collectors.length === 0) {
      const evidence = "the board file names no collector: nobody else keeps a copy, and what is dropped is lost"
      return Promise.resolve({ outcome: "passed", evidence })
    }
    const heard = collectors.filter(({ size, silent, putBack, refused }) => size !== null && !silent && !putBack && refused === null) // prettier-ignore
    if (heard.length === 0) {
      const names = collectors.map(({ name }) => name).join(", ")
      return Promise.resolve(failed("a collector that has acknowledged this log lately", `nothing of ${names}: is lockgate audit collect running?`)) // prettier-ignore
    }
    const most = Math.max(...heard.map(({ size }) => size ?? 0))
    if (collected < most) return Promise.resolve(failed(`entries below ${most} to count as collected`, `those below ${collected}`)) // prettier-ignore
    if (collected > trail.size) return Promise.resolve(failed(`no more than ${trail.size} entries to be acknowledged`, `${collected}`)) // prettier-ignore
    if (firstSeq > collected) return Promise.resolve(failed(`entries below ${firstSeq}, which are dropped, to be in a copy`, `those below ${collected} are`)) // prettier-ignore
    const evidence = `${collected} of ${trail.size} entries are acknowledged, by ${heard.map(({ name }) => name).join(", ")}; the log begins at ${firstSeq}` // prettier-ignore
    return Promise.resolve({ outcome: "passed", evidence })
  },
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
