import type { CommandEntry } from "./entry.ts"

/** The gateway itself: run it, look at it, switch it. */
export const GATEWAY_COMMANDS: readonly CommandEntry[] = [
  {
    words: "run",
    usage: "--config <gateway.yaml>",
    summary: "run the gateway",
    load: async () => (await import("../run.ts")).run,
  },
  {
    words: "demo",
    usage: "[--folder <path>]",
    summary: "a whole gateway and a small plant on this machine",
    load: async () => (await import("../../demo/demo.ts")).demo,
  },
  {
    words: "status",
    usage: "[--config <gateway.yaml> | --socket <path>] [--json]",
    summary: "what the gateway does now",
    load: async () => (await import("../status.ts")).status,
  },
  {
    words: "island",
    usage: "on|off",
    summary: "close or reopen all normal conduits",
    load: async () => (await import("../island.ts")).island,
  },
  {
    words: "tamper clear",
    usage: '--reason "<what was found>"',
    summary: "clear the tamper alarm, once the enclosure is shut",
    load: async () => (await import("../board-lines.ts")).tamperClear,
  },
  {
    words: "board input",
    usage: "<input> <state>",
    summary: "set an input of a simulated board, as its wire would",
    load: async () => (await import("../board-lines.ts")).boardInput,
  },
  {
    words: "override start",
    usage: '<emergency> --minutes <1..480> --reason "<why>"',
    summary: "switch on an emergency of the policy for a time",
    load: async () => (await import("../override.ts")).overrideStart,
  },
  {
    words: "override end",
    usage: "<emergency>",
    summary: "switch it off again",
    load: async () => (await import("../override.ts")).overrideEnd,
  },
  {
    words: "trust status",
    usage: "[--json]",
    summary: "whom the gateway believes, who is revoked, how long its certificates last",
    load: async () => (await import("../trust.ts")).trustStatus,
  },
  {
    words: "trust reload",
    usage: "",
    summary: "read credentials, authorities and lists of revoked certificates anew; who stays trusted stays connected",
    load: async () => (await import("../trust.ts")).trustReload,
  },
  {
    words: "trust crl",
    usage: "<file>",
    summary: "hand a newer list of revoked certificates over (PEM or DER); who is revoked is cut off at once",
    load: async () => (await import("../trust.ts")).trustCrl,
  },
  {
    words: "access list",
    usage: "",
    summary: "every way in from an untrusted zone: who approved it, until when, what passes",
    load: async () => (await import("../access.ts")).accessList,
  },
  {
    words: "access grant",
    usage: '<conduit> --minutes <1..480> --reason "<why>"',
    summary: "approve a way in for a time",
    load: async () => (await import("../access.ts")).accessGrant,
  },
  {
    words: "access end",
    usage: "<conduit>",
    summary: "end its approval",
    load: async () => (await import("../access.ts")).accessEnd,
  },
  {
    words: "access end-all",
    usage: "",
    summary: "switch off every way in that was approved",
    load: async () => (await import("../access.ts")).accessEndAll,
  },
  {
    words: "conduit restore",
    usage: "<conduit>",
    summary: "open a conduit again that a fault of the gateway had closed",
    load: async () => (await import("../access.ts")).conduitRestore,
  },
  {
    words: "time status",
    usage: "[--json]",
    summary: "what the gateway knows of the time: from whom, between which bounds",
    load: async () => (await import("../time.ts")).timeStatus,
  },
  {
    words: "time nonce",
    usage: "[--out <file>]",
    summary: "get a number from the gateway, for somebody to answer with a signed time",
    load: async () => (await import("../time.ts")).timeNonce,
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
    load: async () => (await import("../time-sign.ts")).timeSign,
  },
  {
    words: "time set",
    usage: "<signed time>",
    summary: "hand a signed time over to the gateway",
    load: async () => (await import("../time.ts")).timeSet,
  },
  {
    words: "completion",
    usage: "bash|zsh",
    summary: "a script by which the shell completes commands and options: source <(lockgate completion bash)",
    load: async () => (await import("../completion.ts")).completion,
  },
  {
    words: "assess run",
    usage: "[--json]",
    summary: "run the probes and answer the requirement rows",
    load: async () => (await import("../assess-run.ts")).assessRun,
  },
]
