import type { Control } from "../../policy/requirements/control.ts"
import { everyUserIsJudged, rolesAreThePolicys } from "./probes/authority.ts"
import {
  filterAgreesWithPolicy,
  malformedIsRefused,
  reservedStaysClosed,
  strangerHasNoRights,
} from "./probes/boundary.ts"
import { bundlesAreAuthentic, noCodeFromText } from "./probes/code.ts"
import { commandsNeedPermission, errorsAreCodes, onlyDeclaredSockets } from "./probes/management.ts"
import { noPersonToPerson } from "./probes/person-to-person.ts"
import { listenersProveThemselves, strangersAreRefused, weakCryptographyIsRefused } from "./probes/transport.ts"
import { noWayAround, packetFilterInForce } from "./probes/beside.ts"
import { onlyNamedRadios } from "./probes/radios.ts"
import type { GatewayProbe } from "./probe-context.ts"

/** Every probe there is, in the order in which they run. */
export const PROBES: readonly GatewayProbe[] = [
  strangersAreRefused,
  listenersProveThemselves,
  weakCryptographyIsRefused,
  strangerHasNoRights,
  filterAgreesWithPolicy,
  reservedStaysClosed,
  malformedIsRefused,
  noPersonToPerson,
  everyUserIsJudged,
  rolesAreThePolicys,
  bundlesAreAuthentic,
  noCodeFromText,
  commandsNeedPermission,
  errorsAreCodes,
  onlyDeclaredSockets,
  packetFilterInForce,
  noWayAround,
  onlyNamedRadios,
]

const MOBILE_CODE = {
  claim:
    "No code is taken from outside. A policy bundle is the only thing that is loaded; it is data, read by a parser of our own " +
    "bounds, and no thread of the gateway can make code of a text.",
  enforcedIn: ["policy/language/parse-policy.ts", "firmware/launcher.js", "firmware/bundles/candidate.ts"],
  probes: [noCodeFromText.id, bundlesAreAuthentic.id],
}
const MOBILE_CODE_AUTHENTICITY = {
  claim: "A bundle is read only after signatures of enough trusted signers over its very bytes were found good.",
  enforcedIn: ["firmware/bundles/verify.ts", "policy/bundle/judge.ts"],
  probes: [bundlesAreAuthentic.id],
}

/** The requirement rows that this gateway answers so far; what is not here is `not tested`. */
export const CONTROLS: readonly Control[] = [
  {
    requirement: "CR 1.2",
    claim:
      "The gateway proves itself with its own certificate on every listener and every outward connection, and reads no " +
      "byte of a peer whose certificate the zone's authorities do not vouch for.",
    enforcedIn: ["firmware/tls/accept-peer.ts", "firmware/tls/dial.ts", "policy/identity/path.ts"],
    probes: [listenersProveThemselves.id, strangersAreRefused.id],
  },
  {
    requirement: "CR 2.1",
    claim:
      "Every message is judged by the roles of its subject, every command by the permissions of its principal; both " +
      "start from no rights.",
    enforcedIn: ["policy/filter/decide.ts", "policy/command/authorise.ts", "firmware/management/pipeline.ts"],
    probes: [strangerHasNoRights.id, filterAgreesWithPolicy.id, commandsNeedPermission.id],
  },
  {
    requirement: "CR 2.1 RE(1)",
    claim:
      "People, processes and devices pass the same enforcement: commands by permission whatever way they come, messages by " +
      "role whoever sends them; without either there is no right at all.",
    enforcedIn: ["policy/command/authorise.ts", "firmware/management/pipeline.ts", "policy/filter/decide.ts"],
    probes: [everyUserIsJudged.id, strangerHasNoRights.id, commandsNeedPermission.id],
  },
  {
    requirement: "CR 2.1 RE(2)",
    claim:
      "What each role may do stands in the policy and nowhere else; who may sign policy defines and changes it, by bundles alone.",
    enforcedIn: ["policy/compile/rules.ts", "policy/bundle/judge.ts", "firmware/bundles/activation.ts"],
    probes: [rolesAreThePolicys.id],
  },
  {
    requirement: "CR 2.2",
    claim: "No radio of the board may be up unless the signed policy names it; one that is is an alarm at once.",
    enforcedIn: ["firmware/boundary/radios.ts"],
    probes: [onlyNamedRadios.id],
  },
  {
    requirement: "CR 3.5",
    claim: "Packets and requests are checked whole for syntax, length and content before they act on anything.",
    enforcedIn: ["firmware/conduits/mqtt/boundary.ts", "policy/command/check.ts"],
    probes: [malformedIsRefused.id, errorsAreCodes.id],
  },
  {
    requirement: "CR 3.7",
    claim: "Peers and requesters get codes; texts go to the log.",
    enforcedIn: ["firmware/management/pipeline.ts", "firmware/conduits/mqtt/reason-code.ts"],
    probes: [errorsAreCodes.id],
  },
  {
    requirement: "CR 4.3",
    claim: "One file holds the permitted algorithms and key sizes; weaker offers fail in the handshake.",
    enforcedIn: ["policy/identity/algorithms.ts", "firmware/tls/options.ts"],
    probes: [weakCryptographyIsRefused.id],
  },
  {
    requirement: "CR 5.1",
    claim:
      "Zones are kept apart below the conduits too: the packet filter of the policy, over IPv4, IPv6 and bridges, is in " +
      "force before any listener opens, forwards nothing, and is put back when it is lost.",
    enforcedIn: ["policy/export/firewall.ts", "firmware/boundary/keeper.ts", "hal/linux/packet-filter.ts"],
    probes: [packetFilterInForce.id, noWayAround.id],
  },
  {
    requirement: "CR 7.7",
    claim: "One table holds every listener and outward connection; nothing else is open.",
    enforcedIn: ["firmware/interfaces.ts"],
    probes: [onlyDeclaredSockets.id],
  },
  { requirement: "EDR 2.4", ...MOBILE_CODE },
  { requirement: "EDR 2.4 RE(1)", ...MOBILE_CODE_AUTHENTICITY },
  { requirement: "NDR 2.4", ...MOBILE_CODE },
  { requirement: "NDR 2.4 RE(1)", ...MOBILE_CODE_AUTHENTICITY },
  {
    requirement: "NDR 1.6",
    claim:
      "The gateway serves no radio link of its own; where policy names a radio, whoever comes over it proves itself by " +
      "certificate as on a wire.",
    enforcedIn: ["firmware/boundary/radios.ts", "firmware/tls/accept-peer.ts"],
    probes: [onlyNamedRadios.id, strangersAreRefused.id],
  },
  {
    requirement: "NDR 1.6 RE(1)",
    claim: "Each peer, over a radio too, is a subject of its own by its own certificate.",
    enforcedIn: ["policy/identity/subject.ts", "firmware/conduits/arrival.ts"],
    probes: [onlyNamedRadios.id, strangersAreRefused.id],
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
    requirement: "NDR 5.3",
    claim:
      "Only declared protocols have a session at all, and of MQTT only the topics of rules: mail and chat find no way.",
    enforcedIn: ["firmware/conduits/mqtt/boundary.ts", "firmware/conduits/mqtt/session.ts", "policy/filter/decide.ts"],
    probes: [noPersonToPerson.id],
  },
]
