import type { Control } from "../../../policy/requirements/control.ts"
import { noWayAround, packetFilterInForce } from "../probes/beside.ts"
import { filterAgreesWithPolicy, reservedStaysClosed, strangerHasNoRights } from "../probes/boundary.ts"
import { brokerRefusesStrangers } from "../probes/broker.ts"
import { faultsClose, islandCloses } from "../probes/closing.ts"
import { noPersonToPerson } from "../probes/person-to-person.ts"
import { strangersAreRefused } from "../probes/transport.ts"

/** Rows of FR 5: what passes between the zones. */
export const DATA_FLOW_CONTROLS: readonly Control[] = [
  {
    requirement: "CR 5.1",
    claim:
      "Zones are kept apart below the conduits too: the packet filter of the policy, over IPv4, IPv6 and bridges, is in " +
      "force before any listener opens, forwards nothing, and is put back when it is lost.",
    enforcedIn: ["policy/export/firewall.ts", "firmware/boundary/keeper.ts", "hal/linux/packet-filter.ts"],
    probes: [packetFilterInForce.id, noWayAround.id, brokerRefusesStrangers.id],
  },
  {
    requirement: "NDR 5.2",
    claim: "Traffic between the zones is terminated, judged message by message, and counted.",
    enforcedIn: ["firmware/conduits/listener.ts", "firmware/conduits/mqtt/session.ts", "policy/filter/decide.ts"],
    probes: [filterAgreesWithPolicy.id, reservedStaysClosed.id, strangersAreRefused.id],
  },
  {
    requirement: "NDR 5.2 RE(1)",
    claim: "What no rule allows is denied; without a policy no conduit listens at all.",
    enforcedIn: ["policy/filter/decide.ts", "policy/posture.ts"],
    probes: [strangerHasNoRights.id, filterAgreesWithPolicy.id],
  },
  {
    requirement: "NDR 5.2 RE(2)",
    claim:
      "Island mode closes every conduit within one turn of its thread, by one command; only essential flows and local management stay.",
    enforcedIn: ["firmware/management/island.ts", "firmware/conduits/engine.ts", "policy/posture.ts"],
    probes: [islandCloses.id],
  },
  {
    requirement: "NDR 5.2 RE(3)",
    claim:
      "A fault while a conduit's bytes are handled closes that conduit until it is restored by command; the table of " +
      "postures closes what a fault of the whole concerns.",
    enforcedIn: ["firmware/conduits/engine.ts", "firmware/boundary/failed-conduits.ts", "policy/posture.ts"],
    probes: [faultsClose.id],
  },
  {
    requirement: "NDR 5.3",
    claim:
      "Only declared protocols have a session at all, and of MQTT only the topics of rules: mail and chat find no way.",
    enforcedIn: ["firmware/conduits/mqtt/boundary.ts", "firmware/conduits/mqtt/session.ts", "policy/filter/decide.ts"],
    probes: [noPersonToPerson.id],
  },
]
