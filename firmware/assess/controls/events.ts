import type { Control } from "../../../policy/requirements/control.ts"
import { brokerShowsLog, strangersReadNoAudit } from "../probes/audit.ts"
import { operatorsHear } from "../probes/trail.ts"

/** Rows of FR 6: that events are heard of. */
export const EVENTS_CONTROLS: readonly Control[] = [
  {
    requirement: "CR 6.1",
    claim: "Named operators and collectors read the log at the broker, with its proofs, and can change nothing of it.",
    enforcedIn: ["policy/export/audit-acl.ts", "firmware/audit/retained-session.ts", "firmware/audit/publisher.ts"],
    probes: [brokerShowsLog.id, strangersReadNoAudit.id],
  },
  {
    requirement: "CR 6.1 RE(1)",
    claim:
      "Every entry is published over MQTT as it is written; bundles, tiles and edge stay there for any program to fetch.",
    enforcedIn: ["firmware/audit/publisher.ts", "firmware/audit/retained-session.ts", "firmware/audit/mqtt-source.ts"],
    probes: [brokerShowsLog.id],
  },
  {
    requirement: "CR 6.2",
    claim:
      "Each entry goes to the operators' broker as it is written, denials and load among them; rules of the policy make alarms of entries, " +
      "which stand at the broker until a person acknowledges them.",
    enforcedIn: [
      "firmware/audit/publisher.ts",
      "firmware/audit/alarms.ts",
      "firmware/audit/alarm-watch.ts",
      "policy/audit/alarm.ts",
    ],
    probes: [operatorsHear.id],
  },
]
