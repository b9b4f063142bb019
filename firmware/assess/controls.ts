import type { Control } from "../../policy/requirements/control.ts"
import {
  filterAgreesWithPolicy,
  malformedIsRefused,
  reservedStaysClosed,
  strangerHasNoRights,
} from "./probes/boundary.ts"
import { commandsNeedPermission, errorsAreCodes, onlyDeclaredSockets } from "./probes/management.ts"
import { listenersProveThemselves, strangersAreRefused, weakCryptographyIsRefused } from "./probes/transport.ts"
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
  commandsNeedPermission,
  errorsAreCodes,
  onlyDeclaredSockets,
]

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
    requirement: "CR 7.7",
    claim: "One table holds every listener and outward connection; nothing else is open.",
    enforcedIn: ["firmware/interfaces.ts"],
    probes: [onlyDeclaredSockets.id],
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
]
