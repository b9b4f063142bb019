/** Probes of accounts and passwords: nothing is made, what would be refused is asked of the live accounts. */
import { isExpired } from "../../../policy/people/account.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { GatewayProbe } from "../probe-context.ts"

const UNCLAIMED: ProbeResult = {
  outcome: "not-tested",
  why: "nobody has an account yet: who holds the machine is its owner, and no person is told from another",
}
/** Names and passwords that devices come with. */
const DEFAULTS = ["admin", "root", "user", "guest", "operator", "service", "engineer", "maintenance", "supplier"]
/** Each is refused whatever the policy says of length. */
const WEAK = ["password1234", "Administrator!", "qwertyuiop12", "aaaaaaaaaaaa", "short"]

/** Each account is one person's, for ever. */
export const accountsAreUnique: GatewayProbe = {
  id: "people.accounts-unique",
  summary: "an account of a name that is somebody's, or was, and one with a key that is somebody's, are refused",
  safety: "active-safe",
  vantage: "inside",
  async run({ accounts }) {
    if (accounts.fault !== null) return failed("accounts that can be believed", accounts.fault)
    if (accounts.unclaimed) return UNCLAIMED
    const { people } = accounts
    const used = [...people.accounts, ...people.retired]
    for (const { name } of used) {
      const code = accounts.examine({ name, roles: [], expiresAt: null, key: null })
      if (code === null) return failed(`the name ${name} to be taken`, "it would be given again")
    }
    for (const key of people.accounts.flatMap(({ keys }) => keys)) {
      const code = accounts.examine({ name: "probe-of-accounts", roles: [], expiresAt: null, key })
      if (code === null) return failed("a key that is somebody's to be taken", "another would get it")
    }
    const ids = new Set(used.map(({ id }) => id))
    if (ids.size !== used.length) return failed("an id for each account", "one that is two accounts'")
    return { outcome: "passed", evidence: `${used.length} names and their keys would not be given again` }
  },
}

/** Who is disabled, ended, removed or nobody is not let in. */
export const onlyAdmittedSignIn: GatewayProbe = {
  id: "people.only-admitted",
  summary: "names of nobody, and accounts that are removed, disabled or past their end, are not let in",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const { accounts } = context
    if (accounts.fault !== null) return failed("accounts that can be believed", accounts.fault)
    if (accounts.unclaimed) return UNCLAIMED
    const { people } = accounts
    const out = [
      ...people.retired,
      ...people.accounts.filter((account) => !account.enabled || isExpired(account, context.now()) === "yes"),
      { name: "probe-of-accounts" },
    ]
    for (const { name } of out) {
      if (accounts.principal(name, ["key"], "local") !== null) return failed(`${name} to be nobody`, "somebody")
    }
    return { outcome: "passed", evidence: `${out.length} names that are nobody's now are let in by no factor` }
  },
}

/** Nothing that was the same on every device lets anybody in. */
export const noDefaultAccount: GatewayProbe = {
  id: "people.no-default",
  summary: "names and passwords that devices come with are tried together: none lets anybody in",
  safety: "active-safe",
  vantage: "inside",
  async run({ accounts }) {
    if (accounts.fault !== null) return failed("accounts that can be believed", accounts.fault)
    for (const name of DEFAULTS) {
      if ((await accounts.checkPassword(name, name)) !== null) return failed(`no account ${name} with its name as password`, "one") // prettier-ignore
    }
    return { outcome: "passed", evidence: `${DEFAULTS.length} accounts that devices come with are not here` }
  },
}

/** Passwords have a length and are not among those that are tried first. */
export const weakPasswordsAreRefused: GatewayProbe = {
  id: "people.weak-passwords",
  summary:
    "short passwords, such as are tried first, and such as hold the account's name are refused; a good one is not",
  safety: "active-safe",
  vantage: "inside",
  async run({ accounts }) {
    for (const password of [...WEAK, "probe-of-accounts 7"]) {
      if (accounts.examinePassword("probe-of-accounts", password) === null) {
        return failed("a weak password to be refused", `one of ${password.length} characters was taken`)
      }
    }
    // Whoever refuses everything proves nothing.
    const good = accounts.examinePassword("somebody", "seven grey herons stand in the cold brook and look at rain")
    if (good !== null) return failed("a long, unguessable password to be taken", good)
    return { outcome: "passed", evidence: `${WEAK.length + 1} weak passwords refused, a good one taken` }
  },
}

/** The lifetime that the policy gives to passwords. */
export const passwordsHaveLifetime: GatewayProbe = {
  id: "people.password-lifetime",
  summary: "the policy in force gives passwords a longest and a shortest time, and earlier ones do not come back",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const { accounts } = context
    if (accounts.unclaimed) return UNCLAIMED
    const { longestDays, shortestHours, remembered } = context.passwords()
    const people = accounts.people.accounts.filter(({ password }) => password !== null).length
    if (longestDays !== null && shortestHours > 0 && remembered > 0) {
      const evidence = `${people} passwords: ${longestDays} days at most, ${shortestHours} hours at least, ${remembered} remembered`
      return { outcome: "passed", evidence }
    }
    return failed(
      "people.passwords of the policy to say longest-days, shortest-hours and remembered",
      `longest ${longestDays ?? "for ever"}, shortest ${shortestHours} hours, ${remembered} remembered`,
    )
  },
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
