import type { Control } from "../../policy/requirements/control.ts"
import { AVAILABILITY_CONTROLS } from "./controls/availability.ts"
import { CONFIDENTIALITY_CONTROLS } from "./controls/confidentiality.ts"
import { DATA_FLOW_CONTROLS } from "./controls/data-flow.ts"
import { EVENTS_CONTROLS } from "./controls/events.ts"
import { IDENTIFICATION_CONTROLS } from "./controls/identification.ts"
import { INTEGRITY_CONTROLS } from "./controls/integrity.ts"
import { USE_CONTROLS } from "./controls/use.ts"
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
import { copiesAreKept, logFailureIsAnswered, logHasRoom, logWarns } from "./probes/log-room.ts"
import { noPersonToPerson } from "./probes/person-to-person.ts"
import { listenersProveThemselves, strangersAreRefused, weakCryptographyIsRefused } from "./probes/transport.ts"
import { noWayAround, packetFilterInForce } from "./probes/beside.ts"
import { brokerRefusesStrangers } from "./probes/broker.ts"
import { faultsClose, islandCloses, waysInAreControlled, waysInNeedApproval } from "./probes/closing.ts"
import { clockFollowsSource, entriesAreStamped, forgedTimeIsRefused, stepsAreTold } from "./probes/time.ts"
import { overridesAreBounded, secondPersonIsAwaited, twoFactorsAreAsked } from "./probes/gates.ts"
import { onlyNamedRadios } from "./probes/radios.ts"
import { eventsAreWritten, operatorsHear, recordedFlowsHaveProof, requestsAreKept } from "./probes/trail.ts"
import { brokerShowsLog, strangersReadNoAudit } from "./probes/audit.ts"
import { witnessesAgree } from "./probes/witnesses.ts"
import {
  accountsAreUnique,
  noDefaultAccount,
  onlyAdmittedSignIn,
  passwordsHaveLifetime,
  weakPasswordsAreRefused,
} from "./probes/people.ts"
import {
  guessersAreDelayed,
  noticeIsShown,
  sessionsAreLimited,
  sessionsEnd,
  sessionsLock,
  signInRevealsNothing,
  tokensAreBound,
} from "./probes/sessions.ts"
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
  overridesAreBounded,
  secondPersonIsAwaited,
  twoFactorsAreAsked,
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
  copiesAreKept,
  logFailureIsAnswered,
  eventsAreWritten,
  requestsAreKept,
  recordedFlowsHaveProof,
  operatorsHear,
  strangersReadNoAudit,
  brokerShowsLog,
  witnessesAgree,
  accountsAreUnique,
  onlyAdmittedSignIn,
  noDefaultAccount,
  weakPasswordsAreRefused,
  passwordsHaveLifetime,
  signInRevealsNothing,
  guessersAreDelayed,
  noticeIsShown,
  sessionsLock,
  sessionsEnd,
  sessionsAreLimited,
  tokensAreBound,
]

/** The requirement rows that this gateway answers so far; what is not here is `not tested`. */
export const CONTROLS: readonly Control[] = [
  ...IDENTIFICATION_CONTROLS,
  ...USE_CONTROLS,
  ...INTEGRITY_CONTROLS,
  ...CONFIDENTIALITY_CONTROLS,
  ...DATA_FLOW_CONTROLS,
  ...EVENTS_CONTROLS,
  ...AVAILABILITY_CONTROLS,
]
