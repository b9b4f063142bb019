import type { Control } from "../../../policy/requirements/control.ts"
import { brokerShowsLog, strangersReadNoAudit } from "../probes/audit.ts"
import { malformedIsRefused } from "../probes/boundary.ts"
import { alteredRecordsAreRefused, nothingIsResumed } from "../probes/communication.ts"
import { outputsAreHeld, tamperIsTold, tamperIsWatched } from "../probes/lines.ts"
import { errorsAreCodes } from "../probes/management.ts"
import { tokensAreBound } from "../probes/sessions.ts"
import { listenersProveThemselves, strangersAreRefused, weakCryptographyIsRefused } from "../probes/transport.ts"
import { witnessesAgree } from "../probes/witnesses.ts"

const TAMPER = {
  claim:
    "A tamper switch is watched while the gateway has power; opening it latches an alarm that only an authorised command " +
    "clears, restarts included. The enclosure, its seal and its switch are the OEM's.",
  enforcedIn: ["firmware/gpio/tamper.ts", "firmware/gpio/inputs.ts"],
  probes: [tamperIsWatched.id],
}
const TAMPER_TOLD = {
  claim:
    "Each opening is an entry of the log, with the severity of an alarm, and goes with the log to the operators' broker.",
  enforcedIn: ["firmware/gpio/tamper.ts", "firmware/publishing.ts"],
  probes: [tamperIsWatched.id, tamperIsTold.id],
}

/** Rows of FR 3: that nothing is altered unnoticed. */
export const INTEGRITY_CONTROLS: readonly Control[] = [
  {
    requirement: "CR 3.1",
    claim:
      "Every end of every conduit speaks TLS with authenticated encryption; an altered record ends the connection. A policy " +
      "with clear text fails this row.",
    enforcedIn: ["firmware/tls/options.ts", "firmware/tls/dial.ts", "policy/identity/algorithms.ts"],
    probes: [alteredRecordsAreRefused.id, weakCryptographyIsRefused.id],
  },
  {
    requirement: "CR 3.1 RE(1)",
    claim:
      "Both ends of each connection prove who they are by certificate, anew each time: no session is resumed, and nothing " +
      "is read of a peer that did not. A policy with clear text fails this row.",
    enforcedIn: ["firmware/tls/accept-peer.ts", "firmware/tls/options.ts", "firmware/conduits/listener.ts"],
    probes: [listenersProveThemselves.id, strangersAreRefused.id, nothingIsResumed.id],
  },
  {
    requirement: "CR 3.5",
    claim: "Packets and requests are checked whole for syntax, length and content before they act on anything.",
    enforcedIn: ["firmware/conduits/mqtt/boundary.ts", "policy/command/check.ts"],
    probes: [malformedIsRefused.id, errorsAreCodes.id],
  },
  {
    requirement: "CR 3.6",
    claim:
      "Each output has a safe state, taken at start before anything else, and by a process of its own at stop, at a crash and " +
      "at a kill of the gateway. Without power and until the start, pull resistors hold it.",
    enforcedIn: ["hal/linux/gpio-keeper.ts", "firmware/gpio/outputs.ts"],
    probes: [outputsAreHeld.id],
  },
  {
    requirement: "CR 3.7",
    claim: "Peers and requesters get codes; texts go to the log.",
    enforcedIn: ["firmware/management/pipeline.ts", "firmware/conduits/mqtt/reason-code.ts"],
    probes: [errorsAreCodes.id],
  },
  {
    requirement: "CR 3.8",
    claim:
      "A session is known by 256 random bits that the gateway made, told once and kept as SHA-256 alone, good on the channel on which it was " +
      "opened. It ends with logout, its time or a restart; a token of anybody else's making is nobody's.",
    enforcedIn: ["firmware/people/sessions.ts", "policy/people/session.ts", "firmware/people/at-the-door.ts"],
    probes: [tokensAreBound.id],
  },
  {
    requirement: "CR 3.9",
    claim:
      "Who may read the log is the broker's access list, which is printed; a change of what the broker keeps is alarmed and put " +
      "right, and one of the log itself does not fit its signed tree. Where the board file names witnesses, they tell a log that was put " +
      "back as a whole, or goes on in two ways; without them only this board could. That is no write-once medium: RE(1) is not claimed.",
    enforcedIn: [
      "policy/export/audit-acl.ts",
      "firmware/audit/retained-watch.ts",
      "policy/audit/tlog/verify-log.ts",
      "policy/audit/witness/cosigner.ts",
      "firmware/audit/witnessed.ts",
    ],
    probes: [strangersReadNoAudit.id, brokerShowsLog.id, witnessesAgree.id],
  },
  { requirement: "EDR 3.11", ...TAMPER },
  { requirement: "EDR 3.11 RE(1)", ...TAMPER_TOLD },
  { requirement: "NDR 3.11", ...TAMPER },
  { requirement: "NDR 3.11 RE(1)", ...TAMPER_TOLD },
]
