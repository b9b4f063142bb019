/** Ways round a topic filter for whoever wants to hear what is not meant for him; policy and marks are those of `bypass-ways.ts`. */
import type { Attempt, Way } from "./bypass-ways.ts"
import { connect, DISCONNECT, join, subscribe, text, u16, type Raw } from "./mqtt-bytes.ts"

const asking =
  (version: number, ...filters: readonly Raw[]) =>
  ({ id }: Attempt): readonly Uint8Array[] => [connect(version, { id }), subscribe(version, 1, ...filters)]

/** Those that listen. */
export const LISTENING: readonly Way[] = [
  { id: "L1", way: "SUBSCRIBE #", direct: true, listens: "secret/x", say: asking(4, "#") },
  { id: "L2", way: "a wildcard in the first level: +/x", direct: true, listens: "secret/x", say: asking(5, "+/x") },
  { id: "L3", way: "$SYS/#", direct: true, leak: "$SYS/broker", say: asking(4, "$SYS/#") },
  {
    id: "L4",
    way: "$share/<group>/#, in both versions",
    direct: true,
    listens: "secret/x",
    say: asking(5, "$share/own/#"),
  },
  { id: "L5", way: "$share/<group>/<allowed filter> without a rule for the group", direct: true, listens: "down/w/x", say: asking(4, "$share/l5/down/w/x") }, // prettier-ignore
  { id: "L6", way: "a denied filter between allowed ones", direct: true, listens: "secret/x", say: asking(4, "down/w/a", "secret/x", "down/w/b") }, // prettier-ignore
  {
    id: "L7",
    way: "a filter that is wider than the rule: down/+/x",
    direct: true,
    listens: "down/v/x",
    say: asking(5, "down/+/x"),
  },
  {
    id: "L8",
    way: "the parent of an allowed filter: down/#",
    direct: true,
    listens: "down/v/x",
    say: asking(4, "down/#"),
  },
  { id: "L9", way: "a filter with a NUL behind the allowed part", direct: false, listens: "down/v/x", say: asking(4, join("down/w/#", [0])) }, // prettier-ignore
  {
    id: "L10",
    way: "a wildcard that is not a whole level",
    direct: false,
    listens: "down/v/x",
    say: asking(4, "down/w+/x"),
  },
  {
    id: "L11",
    way: "resuming a session that the broker keeps with a wider subscription",
    direct: true,
    listens: "secret/x",
    before: ({ id }) => [connect(4, { id, clean: false }), subscribe(4, 1, "secret/x"), DISCONNECT],
    say: ({ id }) => [connect(4, { id, clean: false })],
  },
  {
    id: "L12",
    way: "a SUBSCRIBE behind the DISCONNECT",
    direct: false,
    listens: "secret/x",
    say: ({ id }) => [join(connect(4, { id }), DISCONNECT, subscribe(4, 1, "secret/x"))],
  },
  {
    id: "L13",
    way: "a SUBSCRIBE in one write with the CONNECT",
    direct: true,
    listens: "secret/x",
    say: (attempt) => [join(...asking(5, "secret/x")(attempt))],
  },
  {
    id: "L14",
    way: "a SUBSCRIBE that says it is longer, with a denied filter in what follows",
    direct: false,
    listens: "secret/x",
    say: ({ id }) => [connect(4, { id }), join([0x82, 40], u16(1), text("down/w/a"), [0], text("secret/x"))],
  },
  {
    id: "L15",
    way: "as a bridge (0x84), which a broker trusts more",
    direct: true,
    listens: "secret/x",
    say: ({ id }) => [connect(4, { id, level: 0x84 }), subscribe(4, 1, "secret/x")],
  },
]
