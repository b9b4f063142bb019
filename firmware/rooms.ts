/**
 * The rooms that a gateway enters only when it has to: code that nobody needs takes memory, time at the start, and is one
 * more thing that could be attacked. Everything else the composition root loads at once.
 *
 * | room        | loaded when                                                                           |
 * |-------------|---------------------------------------------------------------------------------------|
 * | lines       | the board file names a serial line                                                    |
 * | outputs     | the board file names an output of the board                                           |
 * | gpio        | it names an input or output; an alarm of an earlier run is latched; a command asks    |
 * | spool       | a message has to be kept, or an earlier run left some                                 |
 * | recording   | a recording is started or asked for, or an earlier run left one                       |
 * | publication | the board file names a broker for the log                                             |
 * | witnesses   | the board file names a witness, a collector, or a log to witness                      |
 * | witness     | it names a log to witness                                                             |
 * | rights      | a client asks for its own rights                                                      |
 * | assessment  | `lockgate assess run`                                                                 |
 *
 * Modbus and the way to serial lines are loaded likewise by the engine's thread (`conduits/engine-worker.ts`); the policy's
 * language is read in the compiler's (`bundles/compile-worker.ts`). `test/system/rooms.test.ts` watches what is loaded.
 */
export const ROOMS = {
  lines: () => import("./lines/keeper.ts"),
  outputs: () => import("./gpio/outputs.ts"),
  gpio: () => import("./gpio/lines.ts"),
  spool: () => import("./spool/store.ts"),
  recording: () => import("./recording/keeper.ts"),
  publication: () =>
    Promise.all([
      import("./audit/mqtt-link.ts"),
      import("./audit/publisher.ts"),
      import("./audit/heartbeat.ts"),
      import("./audit/alarm-publisher.ts"),
      import("./people/command-link.ts"),
    ]),
  witnesses: () =>
    Promise.all([import("./audit/mqtt-link.ts"), import("./audit/witnessed.ts"), import("./audit/shared-link.ts")]),
  witness: () => import("./audit/witness.ts"),
  rights: () => import("../policy/analysis/rights.ts"),
  assessment: () =>
    Promise.all([
      import("./assess/controls.ts"),
      import("./assess/run.ts"),
      import("./assess/open-sockets.ts"),
      import("./people/rehearse-approval.ts"),
      import("./management/rehearse-override.ts"),
      import("./people/rehearse-signing-in.ts"),
    ]),
} as const
