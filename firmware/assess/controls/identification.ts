import type { Control } from "../../../policy/requirements/control.ts"
import { waysInAreControlled, waysInNeedApproval } from "../probes/closing.ts"
import { revokedAreRefused } from "../probes/communication.ts"
import { onlyNamedRadios } from "../probes/radios.ts"
import { listenersProveThemselves, strangersAreRefused, weakCryptographyIsRefused } from "../probes/transport.ts"

/** Rows of FR 1: who is there, and how that is proved. */
export const IDENTIFICATION_CONTROLS: readonly Control[] = [
  {
    requirement: "CR 1.2",
    claim:
      "The gateway proves itself with its own certificate on every listener and every outward connection, and reads no " +
      "byte of a peer whose certificate the zone's authorities do not vouch for. A policy with clear text fails this row.",
    enforcedIn: ["firmware/tls/accept-peer.ts", "firmware/tls/dial.ts", "policy/identity/path.ts"],
    probes: [listenersProveThemselves.id, strangersAreRefused.id],
  },
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
    requirement: "CR 1.9",
    claim:
      "A peer proves its key in the handshake; its chain must lead to an authority of its zone by permitted algorithms, and " +
      "no certificate in it may be on a list of revoked ones, at once for those who are connected. The policy names the user.",
    enforcedIn: [
      "policy/identity/path.ts",
      "policy/identity/crl.ts",
      "policy/identity/subject.ts",
      "firmware/trust/keeper.ts",
    ],
    probes: [revokedAreRefused.id, strangersAreRefused.id, weakCryptographyIsRefused.id],
  },
  {
    requirement: "NDR 1.13",
    claim:
      "Ways in from untrusted zones are listed with who approved them and what passes, encrypted, and switched off by one command.",
    enforcedIn: ["firmware/management/access.ts", "firmware/conduits/in-force.ts", "policy/language/conduit-checks.ts"],
    probes: [waysInAreControlled.id],
  },
  {
    requirement: "NDR 1.13 RE(1)",
    claim:
      "A way in from an untrusted zone stays closed until a person with that permission approves it, for at most eight hours.",
    enforcedIn: ["firmware/management/access.ts", "policy/language/conduit-shape.ts"],
    probes: [waysInNeedApproval.id, waysInAreControlled.id],
  },
]
