import type { DocNode } from "./document.ts"
import type { Placed } from "./group-shapes.ts"
import type { ConduitEntry } from "./conduit-shape.ts"
import type { PolicyDocument, ZoneEntry } from "./policy-shape.ts"
import type { Report } from "./report.ts"
import { quote } from "./characters.ts"
import { transportOf } from "./conduit-shape.ts"
import { declaredNames, faultAt } from "./locate.ts"
import { refer } from "./references.ts"

/** Adds what is wrong with zones and conduits beyond their own form: unknown zones, clear text where it must not be. */
export function checkConduits(document: PolicyDocument, root: DocNode, report: Report): void {
  for (const zone of document.zones) {
    if (zone.value.kind !== "untrusted" || !zone.value["clear-text"]) continue
    const message = "an untrusted zone is always encrypted: whoever listens there could read and forge"
    faultAt(report, zone, ["clear-text"], message, "remove the key, or say kind: plant")
  }
  // From the tree, not from the values: a zone with a fault in it is still declared.
  const declared = declaredNames(root, ["zones"])
  const zones = new Map(document.zones.map(({ name, value }) => [name, value]))
  for (const placed of document.conduits) {
    const { value } = placed
    refer(placed, "from", value.from, "zone", declared, report)
    refer(placed, "to", value.to, "zone", declared, report)
    if (value.from === value.to) {
      faultAt(report, placed, ["to"], `a conduit joins two zones, found ${quote(value.to)} at both ends`)
    }
    if (value.protocol === "mqtt" && value.direction === "out" && value["enhanced-auth"] === "pass") {
      const message = "direction: out lets nothing in but codes, and the broker's half of an authentication is data"
      faultAt(report, placed, ["enhanced-auth"], message, "remove the key, or say direction: both")
    }
    checkEnd(placed, "from", zones, report)
    checkEnd(placed, "to", zones, report)
    if (value.protocol === "mqtt" && value.buffer !== null && value.direction === "in") {
      faultAt(report, placed, ["buffer"], "a buffer keeps what is published, and direction: in lets nobody publish")
    }
  }
}

/** Names of the zones that are not the owner's. */
export function untrustedZones({ zones }: Pick<PolicyDocument, "zones">): ReadonlySet<string> {
  return new Set(zones.filter(({ value }) => value.kind === "untrusted").map(({ name }) => name))
}

function checkEnd(
  placed: Placed<ConduitEntry>,
  end: "from" | "to",
  zones: ReadonlyMap<string, ZoneEntry>,
  report: Report,
): void {
  const { value } = placed
  const transport = transportOf(value)[end]
  const zone = zones.get(value[end])
  if (transport === "tls" || zone === undefined || zone["clear-text"]) return
  const steps = typeof value.transport === "string" ? ["transport"] : ["transport", end]
  const message = `${transport} is clear text, which zone ${quote(value[end])} does not accept`
  const mend =
    zone.kind === "untrusted"
      ? "an untrusted zone is always encrypted"
      : "write tls, or say clear-text: true in that zone"
  faultAt(report, placed, steps, message, mend)
}
