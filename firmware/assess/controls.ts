import type { Control } from "../../policy/requirements/control.ts"
import { markedRecordIsClosed } from "./probes/at-rest.ts"
import { everyUserIsJudged, rolesAreThePolicys } from "./probes/authority.ts"
import {
  filterAgreesWithPolicy,
  malformedIsRefused,
  reservedStaysClosed,
  strangerHasNoRights,
} from "./probes/boundary.ts"
import { alteredRecordsAreRefused, nothingIsResumed, revokedAreRefused } from "./probes/communication.ts"
import { bundlesAreAuthentic, noCodeFromText, noInspector } from "./probes/code.ts"
import { outputsAreHeld, tamperIsTold, tamperIsWatched } from "./probes/lines.ts"
import { floodsAreHeldOff, memoryIsBounded, silenceEnds } from "./probes/load.ts"
import { commandsNeedPermission, errorsAreCodes, onlyDeclaredSockets } from "./probes/management.ts"
import { logFailureIsAnswered, logHasRoom, logWarns } from "./probes/log-room.ts"
import { noPersonToPerson } from "./probes/person-to-person.ts"
import { listenersProveThemselves, strangersAreRefused, weakCryptographyIsRefused } from "./probes/transport.ts"
import { noWayAround, packetFilterInForce } from "./probes/beside.ts"
import { brokerRefusesStrangers } from "./probes/broker.ts"
import { faultsClose, islandCloses, waysInAreControlled, waysInNeedApproval } from "./probes/closing.ts"
import { clockFollowsSource, entriesAreStamped, forgedTimeIsRefused, stepsAreTold } from "./probes/time.ts"
import { onlyNamedRadios } from "./probes/radios.ts"
import { eventsAreWritten, operatorsHear, recordedFlowsHaveProof, requestsAreKept } from "./probes/trail.ts"
import { brokerShowsLog, strangersReadNoAudit } from "./probes/audit.ts"
import {
  accountsAreUnique,
  noDefaultAccount,
  onlyAdmittedSignIn,
  passwordsHaveLifetime,
  weakPasswordsAreRefused,
} from "./probes/people.ts"
import type { GatewayProbe } from "./probe-context.ts"

/** Every probe there is, in the order in which they run. */
export const PROBES: readonly GatewayProbe[] = [
  strangersAreRefused,
  listenersProveThemselves,
  weakCryptographyIsRefused,
  alteredRecordsAreRefused,
  nothingIsResumed,
  revokedAreRefused,
  strangerHasNoRights,
  filterAgreesWithPolicy,
  reservedStaysClosed,
  malformedIsRefused,
  noPersonToPerson,
  everyUserIsJudged,
  rolesAreThePolicys,
  bundlesAreAuthentic,
  noCodeFromText,
  noInspector,
  commandsNeedPermission,
  errorsAreCodes,
  onlyDeclaredSockets,
  markedRecordIsClosed,
  floodsAreHeldOff,
  memoryIsBounded,
  silenceEnds,
  packetFilterInForce,
  noWayAround,
  onlyNamedRadios,
  outputsAreHeld,
  tamperIsWatched,
  tamperIsTold,
  brokerRefusesStrangers,
  islandCloses,
  faultsClose,
  waysInAreControlled,
  waysInNeedApproval,
  entriesAreStamped,
  clockFollowsSource,
  stepsAreTold,
  forgedTimeIsRefused,
  logHasRoom,
  logWarns,
  logFailureIsAnswered,
  eventsAreWritten,
  requestsAreKept,
  recordedFlowsHaveProof,
  operatorsHear,
  strangersReadNoAudit,
  brokerShowsLog,
  accountsAreUnique,
  onlyAdmittedSignIn,
  noDefaultAccount,
  weakPasswordsAreRefused,
  passwordsHaveLifetime,
]

const MOBILE_CODE = {
  claim:
    "No code is taken from outside. A policy bundle is the only thing that is loaded; it is data, read by a parser of our own " +
    "bounds, no thread of the gateway can make code of a text, and no inspector is open through which it would come in.",
  enforcedIn: [
    "policy/language/parse-policy.ts",
    "firmware/launcher.js",
    "firmware/inspector.ts",
    "firmware/bundles/candidate.ts",
  ],
  probes: [noCodeFromText.id, noInspector.id, bundlesAreAuthentic.id],
}
const MOBILE_CODE_AUTHENTICITY = {
  claim: "A bundle is read only after signatures of enough trusted signers over its very bytes were found good.",
  enforcedIn: ["firmware/bundles/verify.ts", "policy/bundle/judge.ts"],
  probes: [bundlesAreAuthentic.id],
}

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

/** The requirement rows that this gateway answers so far; what is not here is `not tested`. */
export const CONTROLS: readonly Control[] = [
  {
    requirement: "CR 1.1 RE(1)",
    claim:
      "Each person has an account of their own, known by an id that is in every entry; a key is one person's. Devices are told apart by their certificates.",
    enforcedIn: ["policy/people/account.ts", "firmware/people/accounts.ts"],
    probes: [accountsAreUnique.id, onlyAdmittedSignIn.id],
  },
  {
    requirement: "CR 1.2",
    claim:
      "The gateway proves itself with its own certificate on every listener and every outward connection, and reads no " +
      "byte of a peer whose certificate the zone's authorities do not vouch for. A policy with clear text fails this row.",
    enforcedIn: ["firmware/tls/accept-peer.ts", "firmware/tls/dial.ts", "policy/identity/path.ts"],
    probes: [listenersProveThemselves.id, strangersAreRefused.id],
  },
  {
    requirement: "CR 1.3",
    claim:
      "Accounts are made, changed, disabled, ended and removed by command with the permission `people` alone; each change holds once it is on disk and is an entry with old and new value.",
    enforcedIn: ["firmware/people/account-handlers.ts", "firmware/people/accounts.ts", "policy/people/account.ts"],
    probes: [onlyAdmittedSignIn.id, accountsAreUnique.id],
  },
  {
    requirement: "CR 1.4",
    claim: "An id is random and no name, id or key is given to a second person, also after its account was removed.",
    enforcedIn: ["policy/people/account.ts"],
    probes: [accountsAreUnique.id],
  },
  {
    requirement: "CR 1.5",
    claim:
      "There is no account and no password before a person makes one. Passwords are kept as argon2id, one that another chose must be changed, and a file that was edited or put back lets nobody in.",
    enforcedIn: ["firmware/people/password-hash.ts", "firmware/people/account-file.ts", "firmware/people/accounts.ts"],
    probes: [noDefaultAccount.id, weakPasswordsAreRefused.id],
  },
  {
    requirement: "CR 1.7",
    claim: "A password has the length that the policy says, holds no name, and is none of those that are tried first.",
    enforcedIn: ["policy/people/password.ts", "firmware/people/guessed-first.ts"],
    probes: [weakPasswordsAreRefused.id],
  },
  {
    requirement: "CR 1.7 RE(1)",
    claim:
      "The policy says after how many days a password must be changed, how soon it may be, and how many earlier ones do not come back; without these this row fails.",
    enforcedIn: ["policy/people/password.ts", "firmware/people/accounts.ts"],
    probes: [passwordsHaveLifetime.id],
  },
  {
    requirement: "CR 1.7 RE(2)",
    claim:
      "The same holds for every person. Processes and devices have no passwords here: they prove themselves by certificates, which end.",
    enforcedIn: ["policy/people/password.ts", "policy/identity/path.ts"],
    probes: [passwordsHaveLifetime.id],
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
    requirement: "CR 2.11",
    claim:
      "Each log entry bears the wall clock's time, the interval in which the true time surely lies, the run of the gateway and " +
      "its monotonic time. What no clock can be believed for is said, too.",
    enforcedIn: ["policy/audit/entry.ts", "policy/time/floor.ts", "firmware/time-keeper.ts"],
    probes: [entriesAreStamped.id],
  },
  {
    requirement: "CR 2.11 RE(1)",
    claim:
      "The board's clock follows the plant's time source through the system's daemon (chrony, systemd-timesyncd); the gateway " +
      "looks whether it does, how far off it is, and whether the source is authenticated.",
    enforcedIn: ["hal/linux/time-sync.ts", "hal/linux/chrony.ts", "firmware/time-keeper.ts"],
    probes: [clockFollowsSource.id],
  },
  {
    requirement: "CR 2.11 RE(2)",
    claim:
      "A wall clock that is set, a time source that is lost, changed, less well proved or apart from the clock, and a time that " +
      "is not believed are entries with before and after. By command the time is set by signature alone.",
    enforcedIn: ["policy/time/step-watch.ts", "policy/time/sync-watch.ts", "firmware/time/signed-time.ts"],
    probes: [stepsAreTold.id, forgedTimeIsRefused.id],
  },
  {
    requirement: "CR 2.9",
    claim:
      "The board file gives the log its room, all that belongs to it counted; when it is used up the oldest entries make room by " +
      "policy, told by an entry, and the tree over the log stays verifiable; or normal flows close.",
    enforcedIn: ["policy/audit/retention.ts", "firmware/audit/retention.ts", "firmware/audit/dropping.ts"],
    probes: [logHasRoom.id, logFailureIsAnswered.id],
  },
  {
    requirement: "CR 2.9 RE(1)",
    claim:
      "The log warns by an entry when it passes the threshold of the policy, once, and says when it is below it again.",
    enforcedIn: ["policy/audit/retention.ts", "policy/audit/retention-event.ts", "firmware/audit/retention.ts"],
    probes: [logWarns.id],
  },
  {
    requirement: "CR 2.10",
    claim:
      "A log that cannot be written, or is full and may drop nothing, closes normal flows and never an essential one; it goes on " +
      "by itself when it can, and says how many entries were lost.",
    enforcedIn: ["policy/posture.ts", "firmware/audit/log.ts", "firmware/audit/retention.ts"],
    probes: [logFailureIsAnswered.id],
  },
  {
    requirement: "CR 2.8",
    claim:
      "Access, refused requests, control system events, changes of configuration and what the log says of itself are written, each with " +
      "time, source, category, type, event id and outcome, on disk before a change is executed. Nothing is backed up yet.",
    enforcedIn: ["policy/audit/event.ts", "policy/audit/entry.ts", "firmware/audit/log.ts"],
    probes: [eventsAreWritten.id],
  },
  {
    requirement: "CR 2.12",
    claim:
      "Entries of a person's command name the SHA-256 of the request as it was received, which is kept to the byte. Until requests are " +
      "signed, the local socket's peer credentials alone vouch for who sent it; a policy bundle is signed by people.",
    enforcedIn: ["firmware/management/pipeline.ts", "firmware/audit/requests.ts", "policy/audit/entry.ts"],
    probes: [requestsAreKept.id],
  },
  {
    requirement: "CR 2.12 RE(1)",
    claim:
      "What policy says to record of devices is an entry with the fingerprint of the certificate that the peer showed; of a peer in " +
      "clear text with its address, which proves little.",
    enforcedIn: ["policy/audit/flows.ts", "firmware/conduits/protocol.ts", "firmware/conduits/flow-recorder.ts"],
    probes: [recordedFlowsHaveProof.id],
  },
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
    requirement: "CR 3.9",
    claim:
      "Who may read the log is the broker's access list, which is printed; a change of what the broker keeps is alarmed and put " +
      "right, and one of the log itself does not fit its signed tree.",
    enforcedIn: ["policy/export/audit-acl.ts", "firmware/audit/retained-watch.ts", "policy/audit/tlog/verify-log.ts"],
    probes: [strangersReadNoAudit.id, brokerShowsLog.id],
  },
  {
    requirement: "CR 4.1",
    claim:
      "On disk a message lies only while its broker is lost, encrypted; log and recordings hold no payload. With a key store " +
      "of files, whoever has the whole state folder has the key too. On the wire all is TLS; a policy with clear text fails this row.",
    enforcedIn: [
      "firmware/spool/frame.ts",
      "firmware/tls/options.ts",
      "firmware/tls/dial.ts",
      "policy/recording/recorder.ts",
    ],
    probes: [markedRecordIsClosed.id, alteredRecordsAreRefused.id, weakCryptographyIsRefused.id],
  },
  {
    requirement: "CR 4.3",
    claim:
      "One file holds the permitted algorithms and key sizes; weaker offers fail in the handshake. An end in clear text uses no " +
      "cryptography: it is named in the evidence, and the rows that ask for protection fail.",
    enforcedIn: ["policy/identity/algorithms.ts", "firmware/tls/options.ts"],
    probes: [weakCryptographyIsRefused.id],
  },
  {
    requirement: "CR 5.1",
    claim:
      "Zones are kept apart below the conduits too: the packet filter of the policy, over IPv4, IPv6 and bridges, is in " +
      "force before any listener opens, forwards nothing, and is put back when it is lost.",
    enforcedIn: ["policy/export/firewall.ts", "firmware/boundary/keeper.ts", "hal/linux/packet-filter.ts"],
    probes: [packetFilterInForce.id, noWayAround.id, brokerRefusesStrangers.id],
  },
  {
    requirement: "CR 6.2",
    claim:
      "Each entry goes to the operators' broker as it is written, denials and load among them; rules of the policy make alarms of entries, " +
      "which stand at the broker until a person acknowledges them.",
    enforcedIn: ["firmware/audit/publisher.ts", "firmware/audit/alarms.ts", "policy/audit/alarm.ts"],
    probes: [operatorsHear.id],
  },
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
    requirement: "CR 7.1",
    claim:
      "Under a flood essential flows go on: who was in before is let in, an essential peer takes the place of another, and " +
      "what is shed is shed from the others first.",
    enforcedIn: [
      "firmware/conduits/load/gate-keeper.ts",
      "firmware/conduits/load/load-control.ts",
      "firmware/conduits/load/memory-account.ts",
    ],
    probes: [floodsAreHeldOff.id, memoryIsBounded.id, silenceEnds.id],
  },
  {
    requirement: "CR 7.1 RE(1)",
    claim:
      "The load that one peer or one network can make is limited: handshakes before any cryptography, connections, half-open " +
      "time, messages and bytes.",
    enforcedIn: ["firmware/conduits/load/front-door.ts", "firmware/conduits/load/flow-meter.ts"],
    probes: [floodsAreHeldOff.id, silenceEnds.id],
  },
  {
    requirement: "CR 7.2",
    claim: "Everything that is held for peers is bounded: accounts by number, connections by what they hold together.",
    enforcedIn: ["firmware/conduits/load/account-table.ts", "firmware/conduits/load/load-watch.ts"],
    probes: [memoryIsBounded.id, floodsAreHeldOff.id, silenceEnds.id],
  },
  {
    requirement: "CR 7.7",
    claim: "One table holds every listener and outward connection; nothing else is open.",
    enforcedIn: ["firmware/interfaces.ts"],
    probes: [onlyDeclaredSockets.id],
  },
  { requirement: "EDR 2.4", ...MOBILE_CODE },
  { requirement: "EDR 2.4 RE(1)", ...MOBILE_CODE_AUTHENTICITY },
  { requirement: "EDR 3.11", ...TAMPER },
  { requirement: "EDR 3.11 RE(1)", ...TAMPER_TOLD },
  { requirement: "NDR 2.4", ...MOBILE_CODE },
  { requirement: "NDR 2.4 RE(1)", ...MOBILE_CODE_AUTHENTICITY },
  { requirement: "NDR 3.11", ...TAMPER },
  { requirement: "NDR 3.11 RE(1)", ...TAMPER_TOLD },
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
