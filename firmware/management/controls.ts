import type { Control } from "../../policy/requirements/control.ts"

/** What the command door answers for. */
export const CONTROLS: readonly Control[] = [
  {
    requirement: "CR 2.1",
    claim:
      "Every command has one permission in one table, and is executed only for an authenticated principal that holds it. " +
      "What is not in the table does not exist.",
    enforcedIn: ["policy/command/table.ts", "policy/command/authorise.ts", "firmware/management/pipeline.ts"],
    probes: ["command-authorisation"],
  },
  {
    requirement: "CR 3.7",
    claim:
      "Whoever asks is told a stable code and the number of the log entry, never a text. Texts, inner codes and places of " +
      "faults go to the audit log only.",
    enforcedIn: ["firmware/management/pipeline.ts", "firmware/management/local-socket.ts"],
    probes: ["command-error-codes"],
  },
]
