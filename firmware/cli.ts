/**
 * `lockgate`: every command of gateway, owner and demo in one entry. Each command is a file of its own, loaded when used.
 *
 * On a board the gateway runs from `gateway.ts` through `lockgate run`; nothing that only an OEM, technician or owner
 * needs is loaded for it.
 */
import { AUDIT_EXIT_HELP } from "./cli/audit-exit.ts"
import type { CliHandler, CliIo } from "./cli/handler.ts"
import { printable } from "./cli/text.ts"

interface Entry {
  readonly words: string
  readonly usage: string
  readonly summary: string
  /** What `--help` says beside, a line each. */
  readonly details?: readonly string[]
  load(): Promise<CliHandler>
}

const COMMANDS: readonly Entry[] = [
  {
    words: "run",
    usage: "--config <gateway.yaml>",
    summary: "run the gateway",
    load: async () => (await import("./cli/run.ts")).run,
  },
  {
    words: "demo",
    usage: "[--folder <path>]",
    summary: "a whole gateway and a small plant on this machine",
    load: async () => (await import("./demo/demo.ts")).demo,
  },
  {
    words: "status",
    usage: "[--config <gateway.yaml> | --socket <path>] [--json]",
    summary: "what the gateway does now",
    load: async () => (await import("./cli/status.ts")).status,
  },
  {
    words: "audit tail",
    usage: "(--config <gateway.yaml> | --state <folder>) [-f] [-n <count>] [--json] [filters]",
    summary: "read the audit log",
    details: AUDIT_EXIT_HELP,
    load: async () => (await import("./cli/audit-tail.ts")).auditTail,
  },
  {
    words: "audit request",
    usage: "<SHA-256> (--config <gateway.yaml> | --state <folder>)",
    summary: "print a person's request exactly as it was received, and who vouches for it",
    details: [
      "the hash stands in the entries of the command, as `request`: lockgate audit tail --json",
      "exit code  0 printed, 1 not kept or not what was received, 2 wrong usage",
    ],
    load: async () => (await import("./cli/audit-request.ts")).auditRequest,
  },
  {
    words: "alarms",
    usage: "[--json]",
    summary: "the alarms that nobody has acknowledged yet",
    load: async () => (await import("./cli/alarms.ts")).alarms,
  },
  {
    words: "alarm acknowledge",
    usage: '<id> [--note "<what was done>"]',
    summary: "close an alarm: somebody has seen to it",
    load: async () => (await import("./cli/alarms.ts")).alarmAcknowledge,
  },
  {
    words: "console",
    usage: "[--broker wss://<host>:<port>]... [--log-key <file>]... [--port <n>]",
    summary: "serve the page in which a browser reads and verifies the audit logs of gateways",
    details: [
      "--broker   where the page may connect; without it: any broker over TLS",
      "--log-key  file with a gateway's log key (name+id+base64), one a line; or paste it into the page",
      "--port     default 8400; this machine alone, unless --cert <pem> --key <pem> --host <address> [--name <name>]",
    ],
    load: async () => (await import("./cli/console.ts")).consoleCommand,
  },
  {
    words: "audit key",
    usage: "[--cosigner] (--config <gateway.yaml> | --state <folder>)",
    summary:
      "the public key of this gateway's log, to be noted down for those who verify; or the one it witnesses others with",
    load: async () => (await import("./cli/audit-key.ts")).auditKey,
  },
  {
    words: "audit show",
    usage: "<number> (--config <gateway.yaml> | --state <folder>) [--key <key or file>] [--json]",
    summary: "one entry of the log, whole, and whether it is proved",
    details: AUDIT_EXIT_HELP,
    load: async () => (await import("./cli/audit-show.ts")).auditShow,
  },
  {
    words: "audit verify",
    usage:
      "(<folder> | <proof file> | --config <gateway.yaml> | --broker mqtts://<host>[:<port>]) [--key <key or file>] [--known <file>] [--json]",
    summary: "say whether a log, or the proof of one entry, is what the gateway signed, and which entry or tile is not",
    details: [
      "--key      the key of this gateway's log, from elsewhere: without it nobody vouches, and the code is 4",
      "--broker   from the broker alone, the gateway may be off: with --ca, --cert, --cert-key <pem>, --ask, --mqtt 5",
      "--known    remember the checkpoint in a file, so that a log that was put back is noticed the next time",
      ...AUDIT_EXIT_HELP,
    ],
    load: async () => (await import("./cli/audit-verify.ts")).auditVerify,
  },
  {
    words: "audit export",
    usage:
      "(--config <gateway.yaml> | --state <folder>) [-o <file> | --proof <number> | --syslog <host:port> ...] [filters]",
    summary: "entries as JSON lines, CEF or OCSF, the proof of one in a file, or all to a syslog receiver over TLS",
    details: [
      "--format   json (as they lie in the log), cef or ocsf, a line each",
      "--syslog   with --ca, --cert, --cert-key <pem> and --cursor <file>; -f goes on, and waits for a receiver that went away",
      ...AUDIT_EXIT_HELP,
    ],
    load: async () => (await import("./cli/audit-export.ts")).auditExport,
  },
  {
    words: "audit acl",
    usage:
      "--config <gateway.yaml> [--operator <common name>]... [--collector <common name>[=<cosigner>]]... [--witness <common name>[=<cosigner>]]...",
    summary: "who may read a gateway's audit at its broker, as a mosquitto ACL file",
    load: async () => (await import("./cli/audit-acl.ts")).auditAcl,
  },
  {
    words: "audit collect",
    usage:
      "--broker mqtts://<host>[:<port>]... --store <folder> --key <file> (--gateway <name>=<key>... | --inventory <file>) ...",
    summary:
      "keep verified copies of gateways' logs on a server, cosign and so acknowledge them; --new-key makes its key",
    details: [
      "--once     fetch what there is, and end; code 5 if not all was to be had, 2 if a log is accused of a fork, a rewind or a hole",
      ...AUDIT_EXIT_HELP,
    ],
    load: async () => (await import("./cli/audit-collect.ts")).auditCollect,
  },
  {
    words: "policy check",
    usage: "[--strict] [--posture] <policy.yaml>...",
    summary: "list every fault of a policy, and what its author may not have meant",
    details: [
      "--strict   exit code 1 for a warning, too",
      "--posture  print what stays open in island mode, without a valid policy, ...",
      "exit code  0 good, 1 a finding that is an error, 2 a fault",
    ],
    load: async () => (await import("./cli/policy-check.ts")).policyCheck,
  },
  {
    words: "policy fmt",
    usage: "<policy.yaml> [--check | --write]",
    summary: "lay a policy out in its canonical form; comments stay",
    load: async () => (await import("./cli/policy-fmt.ts")).policyFmt,
  },
  {
    words: "policy explain",
    usage: "<policy.yaml> --as <subject> publish <topic> ... | --last --config <gateway.yaml>",
    summary: "say why a policy allows or denies, and what would have to change",
    details: [
      "what   publish|receive <topic> [--qos <n>] [--retain] [--size <bytes> | --text <payload> | --hex <bytes>]",
      "       subscribe <filter> [--qos <n>]",
      '       --modbus "unit 3 write-single-register 107 = 1500", or "unit 3 read-holding-registers 100..109"',
      "who    --as <subject>, and where the policy leaves a choice --roles <a,b>, --conduit <name>, --client-id <id>",
      "when   --at <time> (default: now), --posture <condition> such as island, --emergency <name>",
      "whose  <policy.yaml>, or what is in force: --config <gateway.yaml> or --state <folder>",
      "--last the last denial in a gateway's log, of one subject with --as, by its policy or by <policy.yaml>",
      "example: lockgate policy explain plant.yaml --as pump-3 publish plant/pump-3/state --retain --text on",
    ],
    load: async () => (await import("./cli/policy-explain.ts")).policyExplain,
  },
  {
    words: "policy diff",
    usage: "(<old.yaml> | --config <gateway.yaml>) <new.yaml> [--all]",
    summary: "say what a change of policy allows and denies, for whom, with examples",
    load: async () => (await import("./cli/policy-diff.ts")).policyDiff,
  },
  {
    words: "policy test",
    usage: "<policy.yaml> [<cases.yaml>...]",
    summary: "ask a policy the cases kept beside it",
    details: [
      "cases      of plant.yaml in plant.cases.yaml, unless files are named; policy/analysis/README.md has the keys",
      "exit code  0 all pass, 1 one fails, 2 a fault in a file",
    ],
    load: async () => (await import("./cli/policy-test.ts")).policyTest,
  },
  {
    words: "policy schema",
    usage: "[policy|cases|gateway]",
    summary: "print the JSON Schema of a policy, of its cases or of a board file, for editors",
    details: ["save it, and begin a document with: # yaml-language-server: $schema=policy.json"],
    load: async () => (await import("./cli/policy-schema.ts")).policySchema,
  },
  {
    words: "policy simulate",
    usage: "<candidate.yaml> <recording>... [--json]",
    summary: "what a policy would have denied, or let pass, of recorded traffic",
    load: async () => (await import("./cli/policy-simulate.ts")).policySimulate,
  },
  {
    words: "policy learn",
    usage: "<recording>... [--base <policy.yaml>] [--wild <n>] [--include-denied]",
    summary: "propose least privilege from recorded traffic",
    load: async () => (await import("./cli/policy-learn.ts")).policyLearn,
  },
  {
    words: "policy firewall",
    usage: "<policy.yaml> --config <gateway.yaml> [--address <name>=<address>] [--sysctl]",
    summary: "print what a policy means for nftables",
    load: async () => (await import("./cli/policy-firewall.ts")).policyFirewall,
  },
  {
    words: "policy broker",
    usage: "<policy.yaml> --config <gateway.yaml> [--broker <host:port>] [-o <folder>]",
    summary: "print what a policy means for the mosquitto behind the gateway",
    load: async () => (await import("./cli/policy-broker.ts")).policyBroker,
  },
  {
    words: "policy graph",
    usage: "<policy.yaml> [-o <file.svg>]",
    summary: "draw zones, conduits and who may do what",
    load: async () => (await import("./cli/policy-graph.ts")).policyGraph,
  },
  {
    words: "policy sign",
    usage: "<policy.yaml> --key <pem> --version <n> [--gateway <name>]... [--cases <file>] [--out <file>]",
    summary: "make a signed bundle",
    load: async () => (await import("./cli/policy-sign.ts")).policySign,
  },
  {
    words: "policy approve",
    usage: "<bundle> (--key <pem> [--out <file>] | --show)",
    summary: "tell what a bundle holds, and add a signature to it",
    load: async () => (await import("./cli/policy-approve.ts")).policyApprove,
  },
  {
    words: "policy activate",
    usage: "<bundle> [--trial <seconds>]",
    summary: "put a bundle in force on trial",
    load: async () => (await import("./cli/policy-activate.ts")).policyActivate,
  },
  {
    words: "policy confirm",
    usage: "<version>",
    summary: "keep the policy on trial",
    load: async () => (await import("./cli/policy-activate.ts")).policyConfirm,
  },
  {
    words: "policy rollback",
    usage: "",
    summary: "drop the policy on trial",
    load: async () => (await import("./cli/policy-activate.ts")).policyRollback,
  },
  {
    words: "record start",
    usage: "[--minutes <n>]",
    summary: "record what passes and what is denied, without payloads",
    load: async () => (await import("./cli/record.ts")).recordStart,
  },
  {
    words: "record stop",
    usage: "",
    summary: "end the recording now",
    load: async () => (await import("./cli/record.ts")).recordStop,
  },
  {
    words: "record status",
    usage: "",
    summary: "whether a recording runs, and what the last one holds",
    load: async () => (await import("./cli/record.ts")).recordStatus,
  },
  {
    words: "record fetch",
    usage: "-o <file>",
    summary: "bring the recording here",
    load: async () => (await import("./cli/record.ts")).recordFetch,
  },
  {
    words: "island",
    usage: "on|off",
    summary: "close or reopen all normal conduits",
    load: async () => (await import("./cli/island.ts")).island,
  },
  {
    words: "tamper clear",
    usage: '--reason "<what was found>"',
    summary: "clear the tamper alarm, once the enclosure is shut",
    load: async () => (await import("./cli/board-lines.ts")).tamperClear,
  },
  {
    words: "board input",
    usage: "<input> <state>",
    summary: "set an input of a simulated board, as its wire would",
    load: async () => (await import("./cli/board-lines.ts")).boardInput,
  },
  {
    words: "override start",
    usage: '<emergency> --minutes <1..480> --reason "<why>"',
    summary: "switch on an emergency of the policy for a time",
    load: async () => (await import("./cli/override.ts")).overrideStart,
  },
  {
    words: "override end",
    usage: "<emergency>",
    summary: "switch it off again",
    load: async () => (await import("./cli/override.ts")).overrideEnd,
  },
  {
    words: "trust status",
    usage: "[--json]",
    summary: "whom the gateway believes, who is revoked, how long its certificates last",
    load: async () => (await import("./cli/trust.ts")).trustStatus,
  },
  {
    words: "trust reload",
    usage: "",
    summary: "read credentials, authorities and lists of revoked certificates anew; who stays trusted stays connected",
    load: async () => (await import("./cli/trust.ts")).trustReload,
  },
  {
    words: "trust crl",
    usage: "<file>",
    summary: "hand a newer list of revoked certificates over (PEM or DER); who is revoked is cut off at once",
    load: async () => (await import("./cli/trust.ts")).trustCrl,
  },
  {
    words: "access list",
    usage: "",
    summary: "every way in from an untrusted zone: who approved it, until when, what passes",
    load: async () => (await import("./cli/access.ts")).accessList,
  },
  {
    words: "access grant",
    usage: '<conduit> --minutes <1..480> --reason "<why>"',
    summary: "approve a way in for a time",
    load: async () => (await import("./cli/access.ts")).accessGrant,
  },
  {
    words: "access end",
    usage: "<conduit>",
    summary: "end its approval",
    load: async () => (await import("./cli/access.ts")).accessEnd,
  },
  {
    words: "access end-all",
    usage: "",
    summary: "switch off every way in that was approved",
    load: async () => (await import("./cli/access.ts")).accessEndAll,
  },
  {
    words: "conduit restore",
    usage: "<conduit>",
    summary: "open a conduit again that a fault of the gateway had closed",
    load: async () => (await import("./cli/access.ts")).conduitRestore,
  },
  {
    words: "time status",
    usage: "[--json]",
    summary: "what the gateway knows of the time: from whom, between which bounds",
    load: async () => (await import("./cli/time.ts")).timeStatus,
  },
  {
    words: "time nonce",
    usage: "[--out <file>]",
    summary: "get a number from the gateway, for somebody to answer with a signed time",
    load: async () => (await import("./cli/time.ts")).timeNonce,
  },
  {
    words: "time sign",
    usage: "<nonce or signed time> --key <pem> [--within <seconds>] [--at <time>] [--lower] [--out <file>]",
    summary: "sign this machine's time in answer to a nonce, or approve a signed time",
    details: [
      "--within   how far off this machine's clock may be, in seconds (default: 5)",
      "--at       another time than this machine's, such as 2026-11-23T09:30:00Z",
      "--lower    the floor is wrong: set it back to this time",
      "two signers are needed for a step over 400 days: the second signs what the first has signed",
    ],
    load: async () => (await import("./cli/time-sign.ts")).timeSign,
  },
  {
    words: "time set",
    usage: "<signed time>",
    summary: "hand a signed time over to the gateway",
    load: async () => (await import("./cli/time.ts")).timeSet,
  },
  {
    words: "assess run",
    usage: "[--json]",
    summary: "run the probes and answer the requirement rows",
    load: async () => (await import("./cli/assess-run.ts")).assessRun,
  },
]

function help(): string {
  const rows = COMMANDS.map((c) => `  ${`lockgate ${c.words} ${c.usage}`.trim()}\n      ${c.summary}`)
  return `Lockgate: security-policy firmware for IIoT gateways\n\n${rows.join("\n")}\n`
}

function find(argv: readonly string[]): { entry: Entry; rest: readonly string[] } | null {
  for (const words of [2, 1]) {
    const entry = COMMANDS.find((c) => c.words === argv.slice(0, words).join(" "))
    if (entry !== undefined) return { entry, rest: argv.slice(words) }
  }
  return null
}

async function main(argv: readonly string[]): Promise<number> {
  const abort = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => abort.abort())
  // A reader that went away (`| head`) is no fault of ours.
  process.stdout.on("error", () => abort.abort())
  const io: CliIo = {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    isTTY: process.stdout.isTTY,
    errIsTTY: process.stderr.isTTY,
    noColour: (process.env["NO_COLOR"] ?? "") !== "",
    signal: abort.signal,
  }
  const [first] = argv
  if (first === undefined || first === "help" || first === "--help" || first === "-h") {
    io.out(help())
    return first === undefined ? 2 : 0
  }
  const found = find(argv)
  if (found === null) {
    io.err(`lockgate: no command "${printable(argv.slice(0, 2).join(" "))}"; \`lockgate help\` lists them\n`)
    return 2
  }
  if (found.rest.includes("--help")) {
    const { words, usage, summary, details = [] } = found.entry
    const more = details.length === 0 ? "" : `\n${details.map((line) => `    ${line}\n`).join("")}`
    io.out(`${`lockgate ${words} ${usage}`.trim()}\n    ${summary}\n${more}`)
    return 0
  }
  const command = await found.entry.load()
  return command(found.rest, io)
}

process.exitCode = await main(process.argv.slice(2))
