import { ALL_PERMISSIONS } from "../command/permission.ts"
import { BUILT_IN_ROLES, DEFAULT_PEOPLE, DIAGNOSTIC_INTERFACES, type PeopleRules } from "../people/rules.ts"
import { buildProvider, identityProvider } from "./identity-shape.ts"
import { list, object, optional, placedMap } from "./group-shapes.ts"
import { inputConditions } from "./input-condition.ts"
import { duration, durationText } from "./quantity-shapes.ts"
import { memberPath } from "./report.ts"
import type { Shape } from "./shape.ts"
import { checked, choice, integer, text, withStandIn } from "./shape.ts"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const D = DEFAULT_PEOPLE
const permissions = list(choice(ALL_PERMISSIONS), { max: ALL_PERMISSIONS.length })

const sessions = object("sessions", {
  idle: optional(
    duration(MINUTE, 24 * HOUR),
    D.sessions.idleMs,
    "Unused for so long, a session is locked.",
    durationText(D.sessions.idleMs),
  ),
  longest: optional(
    duration(5 * MINUTE, 168 * HOUR),
    D.sessions.longestMs,
    "No session outlives this.",
    durationText(D.sessions.longestMs),
  ),
  "per-person": optional(
    integer(1, 16),
    D.sessions.perPerson,
    "Sessions of one person at a time.",
    D.sessions.perPerson,
  ),
})

const passwords = object("passwords", {
  "min-length": optional(
    integer(8, 64),
    D.passwords.minLength,
    "Fewest characters of a password.",
    D.passwords.minLength,
  ),
  "longest-days": optional(integer(1, 3650), null, "After so many days it must be changed; absent: never."),
  "shortest-hours": optional(
    integer(0, 720),
    D.passwords.shortestHours,
    "It may not be changed again before so many hours.",
    D.passwords.shortestHours,
  ),
  remembered: optional(
    integer(0, 24),
    D.passwords.remembered,
    "How many earlier ones may not come back.",
    D.passwords.remembered,
  ),
})

const attempts = object("attempts", {
  free: optional(
    integer(1, 20),
    D.attempts.free,
    "So many failures to sign in cost nothing; each further one doubles a delay, from a second on.",
    D.attempts.free,
  ),
  longest: optional(
    duration(10_000, 24 * HOUR),
    D.attempts.longestMs,
    "The longest that such a delay becomes.",
    durationText(D.attempts.longestMs),
  ),
})

const presence = object("presence", {
  for: optional(permissions, [], "What asks for a person at the device.", []),
  when: optional(inputConditions, null, "Inputs that show somebody is there: all of them, surely."),
})

const keys = object("people", {
  roles: optional(
    withStandIn(placedMap(permissions, { max: 64 }), []),
    null,
    `What each role may do. Those that come with the gateway: ${Object.keys(BUILT_IN_ROLES).join(", ")}.`,
  ),
  "two-persons": optional(permissions, [], "What a second person must approve.", []),
  "approval-time": optional(
    duration(MINUTE, 24 * HOUR),
    D.approvalMs,
    "How long a command waits for that person.",
    durationText(D.approvalMs),
  ),
  presence: optional(withStandIn(presence, null), null, "What asks for a person at the device, and what shows one."),
  "two-factors": optional(
    permissions,
    [],
    "What asks for a second factor: a key that a token guards by a PIN, or a key and a password.",
    [],
  ),
  sessions: optional(withStandIn(sessions, null), null, "How long people stay signed in, and how often at once."),
  passwords: optional(withStandIn(passwords, null), null, "What a password must be like."),
  attempts: optional(withStandIn(attempts, null), null, "What failing to sign in costs."),
  "identity-provider": optional(
    withStandIn(identityProvider, null),
    null,
    "Who may say who somebody is, beside the gateway itself: an OpenID Connect provider, never asked over the network.",
  ),
  notice: optional(
    text({ expected: "what people read before they sign in", maxLength: 512 }),
    null,
    "Shown to whoever is about to sign in.",
  ),
  diagnostics: optional(
    list(choice(DIAGNOSTIC_INTERFACES), { max: DIAGNOSTIC_INTERFACES.length }),
    [],
    "Diagnostic interfaces that may be used.",
    [],
  ),
})

/** Accounts, roles, sessions and passwords of the people who work at the gateway. */
export const people = checked(keys, (entry, { node, path }, report) => {
  const { presence: asked } = entry
  if (asked !== null && asked.for.length > 0 && asked.when === null) {
    const message = "presence.for asks for a person, and no input shows one: what it names could never be done"
    report.add(node.at, memberPath(path, "presence"), message, "name inputs under presence.when")
  }
  const s = entry.sessions
  if (s !== null && s.idle > s.longest) {
    const message = `idle ${durationText(s.idle)} is longer than longest ${durationText(s.longest)}`
    report.add(node.at, memberPath(path, "sessions"), message)
  }
  const roles = new Map(entry.roles?.map(({ name, value }) => [name, value]))
  const administrators = { ...BUILT_IN_ROLES, ...Object.fromEntries(roles) }
  if (!Object.values(administrators).some((may) => may.includes("people"))) {
    const message = "no role may manage people: nobody could be let in or taken out"
    report.add(node.at, memberPath(path, "roles"), message, "give one role the permission people")
  }
})

export type PeopleEntry = typeof people extends Shape<infer T> ? T : never

/** The section as values, every default filled in. */
export function buildPeople(entry: PeopleEntry): PeopleRules {
  const own = Object.fromEntries((entry.roles ?? []).map(({ name, value }) => [name, value]))
  const { sessions: s, passwords: p, attempts: a } = entry
  return {
    roles: { ...BUILT_IN_ROLES, ...own },
    twoPersons: entry["two-persons"],
    approvalMs: entry["approval-time"],
    presence: entry.presence?.for ?? [],
    presentWhen: entry.presence?.when ?? null,
    twoFactors: entry["two-factors"],
    sessions: s === null ? D.sessions : { idleMs: s.idle, longestMs: s.longest, perPerson: s["per-person"] },
    passwords:
      p === null
        ? D.passwords
        : {
            minLength: p["min-length"],
            longestDays: p["longest-days"],
            shortestHours: p["shortest-hours"],
            remembered: p.remembered,
          },
    attempts: a === null ? D.attempts : { free: a.free, longestMs: a.longest },
    identityProvider: entry["identity-provider"] === null ? null : buildProvider(entry["identity-provider"]),
    notice: entry.notice,
    diagnostics: entry.diagnostics,
  }
}
