import type { Control } from "../../../policy/requirements/control.ts"
import { floodsAreHeldOff, memoryIsBounded, silenceEnds } from "../probes/load.ts"
import { onlyDeclaredSockets } from "../probes/management.ts"

/** Rows of FR 7: that the gateway goes on. */
export const AVAILABILITY_CONTROLS: readonly Control[] = [
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
]
