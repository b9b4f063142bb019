import type { Control } from "../../../policy/requirements/control.ts"
import { everyUserIsJudged, rolesAreThePolicys } from "../probes/authority.ts"
import { filterAgreesWithPolicy, strangerHasNoRights } from "../probes/boundary.ts"
import { bundlesAreAuthentic, noCodeFromText, noInspector } from "../probes/code.ts"
import { copiesAreKept, logFailureIsAnswered, logHasRoom, logWarns } from "../probes/log-room.ts"
import { commandsNeedPermission } from "../probes/management.ts"
import { overridesAreBounded, secondPersonIsAwaited } from "../probes/gates.ts"
import { sessionsAreLimited, sessionsEnd, sessionsLock } from "../probes/sessions.ts"
import { onlyNamedRadios } from "../probes/radios.ts"
import { clockFollowsSource, entriesAreStamped, forgedTimeIsRefused, stepsAreTold } from "../probes/time.ts"
import { eventsAreWritten, recordedFlowsHaveProof, requestsAreKept } from "../probes/trail.ts"

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

/** Rows of FR 2: what each may do, and what is written of it. */
export const USE_CONTROLS: readonly Control[] = [
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
    requirement: "CR 2.1 RE(3)",
    claim:
      "Past a rule there is one way: an emergency that the signed policy names, switched on by somebody who may, for eight hours at most, " +
      "with a reason, told as an alarm. It ends by itself, by command, with another policy and with a restart.",
    enforcedIn: ["firmware/management/overrides.ts", "firmware/management/timed-switches.ts"],
    probes: [overridesAreBounded.id],
  },
  {
    requirement: "CR 2.1 RE(4)",
    claim:
      "The policy names what two persons must agree to. Such a command waits under a hash over all it would do, and runs once, when " +
      "another person with its permission and another key approves it in time; the entries name both.",
    enforcedIn: ["policy/command/gated.ts", "policy/people/approval.ts", "firmware/people/approvals.ts"],
    probes: [secondPersonIsAwaited.id],
  },
  {
    requirement: "CR 2.2",
    claim: "No radio of the board may be up unless the signed policy names it; one that is is an alarm at once.",
    enforcedIn: ["firmware/boundary/radios.ts"],
    probes: [onlyNamedRadios.id],
  },
  { requirement: "EDR 2.4", ...MOBILE_CODE },
  { requirement: "EDR 2.4 RE(1)", ...MOBILE_CODE_AUTHENTICITY },
  { requirement: "NDR 2.4", ...MOBILE_CODE },
  { requirement: "NDR 2.4 RE(1)", ...MOBILE_CODE_AUTHENTICITY },
  {
    requirement: "CR 2.5",
    claim:
      "A session that nobody uses for the policy's idle time is locked, and so is one whose person asks for it; it goes on when that person " +
      "signs in again, and for nobody else.",
    enforcedIn: ["policy/people/session.ts", "firmware/people/sessions.ts", "firmware/people/at-the-door.ts"],
    probes: [sessionsLock.id],
  },
  {
    requirement: "CR 2.6",
    claim:
      "A session is ended by its person, by an administrator's command at once, and by its longest time, however busy it is; with a change " +
      "of its account it may do no more than that account. Over the network nobody has a session: each command there is signed.",
    enforcedIn: ["firmware/people/sessions.ts", "firmware/people/session-handlers.ts", "policy/people/session.ts"],
    probes: [sessionsEnd.id],
  },
  {
    requirement: "CR 2.7",
    claim:
      "The policy says how many sessions one person has at a time, on all ways in together; all people together have at most 32, and the " +
      "local socket at most 8 connections.",
    enforcedIn: ["policy/people/session.ts", "firmware/people/sessions.ts", "firmware/management/local-socket.ts"],
    probes: [sessionsAreLimited.id],
  },
  {
    requirement: "CR 2.8",
    claim:
      "Access, refused requests, control system events, changes of configuration and what the log says of itself are written, each with " +
      "time, source, category, type, event id and outcome, on disk before a change is executed. Backup and restore of the gateway have no events, for this release has neither; the log " +
      "itself is kept in copies by collectors (CR 2.9).",
    enforcedIn: ["policy/audit/event.ts", "policy/audit/entry.ts", "firmware/audit/log.ts"],
    probes: [eventsAreWritten.id],
  },
  {
    requirement: "CR 2.9",
    claim:
      "The board file gives the log its room, all that belongs to it counted; when it is used up the oldest entries make room by " +
      "policy, told by an entry, and the tree over the log stays verifiable; or normal flows close. Collectors that the board file names " +
      "keep verified copies elsewhere, and by their signatures the gateway knows what it may drop.",
    enforcedIn: [
      "policy/audit/retention.ts",
      "firmware/audit/retention.ts",
      "firmware/audit/dropping.ts",
      "firmware/audit/witnessed.ts",
      "firmware/audit/collect-gateway.ts",
    ],
    probes: [logHasRoom.id, logFailureIsAnswered.id, copiesAreKept.id],
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
      "A log that cannot be written, or is full of what policy forbids to drop because no collector has it, closes normal flows and never " +
      "an essential one; it goes on by itself when it can, and says how many entries were lost.",
    enforcedIn: ["policy/posture.ts", "firmware/audit/log.ts", "firmware/audit/retention.ts"],
    probes: [logFailureIsAnswered.id],
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
]
