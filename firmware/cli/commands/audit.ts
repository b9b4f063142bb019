import { COMMON_EXITS, LOG_EXITS } from "../exit-codes.ts"
import type { CommandEntry } from "./entry.ts"

/** The audit log, its alarms and its viewers. */
export const AUDIT_COMMANDS: readonly CommandEntry[] = [
  {
    words: "audit tail",
    usage: "(--config <gateway.yaml> | --state <folder>) [-f] [-n <count>] [--json] [filters]",
    summary: "read the audit log",
    exits: LOG_EXITS,
    load: async () => (await import("../audit-tail.ts")).auditTail,
  },
  {
    words: "audit request",
    usage: "<SHA-256> (--config <gateway.yaml> | --state <folder>)",
    summary: "print a person's request exactly as it was received, and who vouches for it",
    details: ["the hash stands in the entries of the command, as `request`: lockgate audit tail --json"],
    load: async () => (await import("../audit-request.ts")).auditRequest,
  },
  {
    words: "alarms",
    usage: "[--json]",
    summary: "the alarms that nobody has acknowledged yet",
    load: async () => (await import("../alarms.ts")).alarms,
  },
  {
    words: "alarm acknowledge",
    usage: '<id> [--note "<what was done>"]',
    summary: "close an alarm: somebody has seen to it",
    load: async () => (await import("../alarms.ts")).alarmAcknowledge,
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
    load: async () => (await import("../console.ts")).consoleCommand,
  },
  {
    words: "audit key",
    usage: "[--cosigner | --rotate] (--config <gateway.yaml> | --state <folder>)",
    summary:
      "the public key of this gateway's log, to be noted down for those who verify; or the one it witnesses others with",
    details: ["--rotate   hand the log over to a new key; who has the old one follows, by a proof that both sign"],
    exits: [...new Set([...LOG_EXITS, ...COMMON_EXITS])],
    load: async () => (await import("../audit-key.ts")).auditKey,
  },
  {
    words: "audit show",
    usage: "<number> (--config <gateway.yaml> | --state <folder>) [--key <key or file>] [--json]",
    summary: "one entry of the log, whole, and whether it is proved",
    exits: LOG_EXITS,
    load: async () => (await import("../audit-show.ts")).auditShow,
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
    ],
    exits: LOG_EXITS,
    load: async () => (await import("../audit-verify.ts")).auditVerify,
  },
  {
    words: "audit export",
    usage:
      "(--config <gateway.yaml> | --state <folder>) [-o <file> | --proof <number> | --syslog <host:port> ...] [filters]",
    summary: "entries as JSON lines, CEF or OCSF, the proof of one in a file, or all to a syslog receiver over TLS",
    details: [
      "--format   json (as they lie in the log), cef or ocsf, a line each",
      "--syslog   with --ca, --cert, --cert-key <pem> and --cursor <file>; -f goes on, and waits for a receiver that went away",
    ],
    exits: LOG_EXITS,
    load: async () => (await import("../audit-export.ts")).auditExport,
  },
  {
    words: "audit acl",
    usage:
      "--config <gateway.yaml> [--operator <common name>]... [--collector <common name>[=<cosigner>]]... [--witness <common name>[=<cosigner>]]... [--person <common name>[=<account>]]...",
    summary: "who may read a gateway's audit at its broker, as a mosquitto ACL file",
    load: async () => (await import("../audit-acl.ts")).auditAcl,
  },
  {
    words: "audit collect",
    usage:
      "--broker mqtts://<host>[:<port>]... --store <folder> --key <file> (--gateway <name>=<key>... | --inventory <file>) ...",
    summary:
      "keep verified copies of gateways' logs on a server, cosign and so acknowledge them; --new-key makes its key",
    details: [
      "--once     fetch what there is, and end; code 5 if not all was to be had, 7 if a log is accused of a fork, a rewind or a hole",
    ],
    exits: LOG_EXITS,
    load: async () => (await import("../audit-collect.ts")).auditCollect,
  },
]
