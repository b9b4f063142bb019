import type { CommandEntry } from "./entry.ts"

const EXIT = "exit code  0 done, 1 refused or failed, 2 wrong usage, 3 it waits for a second person"
const CHANGE = [
  "--dry-run  say what would change, and whether it would wait for a second person; change nothing",
  "--yes      it is meant: what cannot be taken back is else asked for at the terminal",
  "--as, --key  whose command it is, and the key that signs it; or LOCKGATE_AS and LOCKGATE_KEY",
  "--key pkcs11:token=<label>;object=<label>?module-path=<file>  a key in a token; its PIN by --pin-file, LOCKGATE_TOKEN_PIN, or typed",
  EXIT,
]
const WHICH =
  "(--config <gateway.yaml> | --socket <path>) [--as <account> --key <key.pem>|<pkcs11:...> [--pin-file <file>]]"
const HOW = `[--dry-run] [--yes] [--json] ${WHICH}`

/** The people of a gateway: accounts, sessions, and what waits for a second person. */
export const PEOPLE_COMMANDS: readonly CommandEntry[] = [
  {
    words: "gateway accounts",
    usage: `[--json] ${WHICH}`,
    summary: "who has an account, with roles, keys, password and end; how to make the first",
    details: [EXIT],
    load: async () => (await import("../gateway-accounts.ts")).gatewayAccounts,
  },
  {
    words: "gateway account add",
    usage: `<name> --roles <a,b> [--new-key <file.pem> | --public-key <file> [--on-token]] [--expires <time>|never] ${HOW}`,
    summary: "make an account; the first one needs a key and the role security-admin, and ends the rule of who holds the machine", // prettier-ignore
    details: [
      "--new-key  make a key now: the private half in this file (0600, never over another), the public half at the gateway",
      "--public-key  the public half of a key that its person has, PEM or JWK; --on-token if a token guards it by a PIN; or pkcs11:..., read from the token that is here",
      "--expires  such as 2026-12-31T00:00:00Z",
      ...CHANGE,
    ],
    load: async () => (await import("../gateway-accounts.ts")).accountAdd,
  },
  {
    words: "gateway account change",
    usage: `<name> [--roles <a,b>] [--expires <time>|never] ${HOW}`,
    summary: "give an account other roles, or another end",
    details: CHANGE,
    load: async () => (await import("../gateway-accounts.ts")).accountChange,
  },
  {
    words: "gateway account disable",
    usage: `<name> ${HOW}`,
    summary: "let its person in no more, at once, until it is enabled again",
    details: CHANGE,
    load: async () => (await import("../gateway-accounts.ts")).accountDisable,
  },
  {
    words: "gateway account enable",
    usage: `<name> ${HOW}`,
    summary: "let its person in again",
    details: CHANGE,
    load: async () => (await import("../gateway-accounts.ts")).accountEnable,
  },
  {
    words: "gateway account remove",
    usage: `<name> ${HOW}`,
    summary: "remove an account for ever; nobody gets its name again",
    details: CHANGE,
    load: async () => (await import("../gateway-accounts.ts")).accountRemove,
  },
  {
    words: "gateway account key-add",
    usage: `<name> (--new-key <file.pem> | --public-key <file> [--on-token]) ${HOW}`,
    summary: "give an account one more key",
    details: CHANGE,
    load: async () => (await import("../gateway-account-secrets.ts")).accountKeyAdd,
  },
  {
    words: "gateway account key-remove",
    usage: `<name> <thumbprint> ${HOW}`,
    summary: "take a key from an account",
    details: CHANGE,
    load: async () => (await import("../gateway-account-secrets.ts")).accountKeyRemove,
  },
  {
    words: "gateway account password",
    usage: `<name> [--from <file>|- | --none] ${HOW}`,
    summary: "change one's own password, or give somebody a first one that must be changed; it is asked for, and never an argument", // prettier-ignore
    details: ["--from     the first line of a file, or with - of standard input", "--none     take somebody's password away", ...CHANGE], // prettier-ignore
    load: async () => (await import("../gateway-account-secrets.ts")).accountPassword,
  },
  {
    words: "gateway sessions",
    usage: `[--json] ${WHICH}`,
    summary: "who is signed in, since when, and on which way",
    details: [EXIT],
    load: async () => (await import("../gateway-sessions.ts")).gatewaySessions,
  },
  {
    words: "gateway session end",
    usage: `<id> ${HOW}`,
    summary: "end somebody's session, at once",
    details: CHANGE,
    load: async () => (await import("../gateway-sessions.ts")).sessionEnd,
  },
  {
    words: "gateway approvals",
    usage: `[--json] ${WHICH}`,
    summary: "the commands that wait for a second person, each under its hash",
    details: [EXIT],
    load: async () => (await import("../gateway-approvals.ts")).gatewayApprovals,
  },
  {
    words: "gateway approval give",
    usage: `<hash> ${HOW}`,
    summary: "let a command run that another person gave; it is shown first, and its hash is made again",
    details: CHANGE,
    load: async () => (await import("../gateway-approvals.ts")).approvalGive,
  },
  {
    words: "gateway approval withdraw",
    usage: `<hash> ${HOW}`,
    summary: "take back a command that waits",
    details: CHANGE,
    load: async () => (await import("../gateway-approvals.ts")).approvalWithdraw,
  },
]
