/**
 * Ways round a topic filter that a client may try, as bytes. The policy of the test lets subject `w` publish to
 * `open/w/#` (but not `open/+/secret`), `by-id/<client id>/#` and, without retain and up to QoS 1, `quiet/w`, and receive
 * `down/w/#`. Whatever holds the mark must not come through.
 */
import {
  alias,
  connect,
  DISCONNECT,
  join,
  packet,
  publish,
  pubrel,
  subscribe,
  text,
  u16,
  type Raw,
} from "./mqtt-bytes.ts"

/** What a way is given: the client id that is its own, and the text that must not come through. */
export interface Attempt {
  readonly id: string
  readonly mark: string
}

/** One way round the topic filter, as bytes that a client says. */
export interface Way {
  readonly id: string
  readonly way: string
  /** Chunks to be written one after the other; the CONNECT is among them. */
  readonly say: (attempt: Attempt) => readonly Uint8Array[]
  /** Said directly to the broker, the mark does come through: the test can fail. */
  readonly direct: boolean
  /** Somebody publishes the mark here, and this client must not see it. */
  readonly listens?: string
  /** Seen by this client it is a leak, in place of the mark. */
  readonly leak?: string
  /** Said to the broker itself beforehand, under the same client id. */
  readonly before?: (attempt: Attempt) => readonly Uint8Array[]
}

/** One PUBLISH behind a CONNECT. */
function one(version: number, topic: Raw, given: Parameters<typeof publish>[3] = {}) {
  return ({ id, mark }: Attempt) => [connect(version, { id }), publish(version, topic, mark, given)]
}

const asking =
  (version: number, ...filters: readonly Raw[]) =>
  ({ id }: Attempt): readonly Uint8Array[] => [connect(version, { id }), subscribe(version, 1, ...filters)]

const ALIASES = [0x22, ...u16(5)]

/** Those that publish. */
export const PUBLISHING: readonly Way[] = [
  { id: "W1", way: "a topic that no rule names, QoS 0", direct: true, say: one(4, "secret/x") },
  { id: "W2", way: "the same with QoS 1", direct: true, say: one(5, "secret/x", { qos: 1, packetId: 1 }) },
  {
    id: "W3",
    way: "the same with QoS 2, and the PUBREL that belongs to it",
    direct: true,
    say: (attempt) => [...one(4, "secret/x", { qos: 2, packetId: 1 })(attempt), pubrel(1)],
  },
  {
    id: "W4",
    way: "a topic that is allowed by one rule and denied by another",
    direct: true,
    say: one(4, "open/w/secret"),
  },
  {
    id: "W5",
    way: "a topic alias set to an allowed topic, then to a denied one, then used alone",
    direct: true,
    say: ({ id, mark }) => [
      connect(5, { id }),
      publish(5, "open/w/a", "fine", { properties: alias(1) }),
      publish(5, "secret/x", mark, { properties: alias(1) }),
      publish(5, "", mark, { properties: alias(1) }),
    ],
  },
  {
    id: "W6",
    way: "a topic alias set by a denied message and used alone",
    direct: true,
    say: ({ id, mark }) => [
      connect(5, { id }),
      publish(5, "secret/x", "", { properties: alias(2) }),
      publish(5, "", mark, { properties: alias(2) }),
    ],
  },
  { id: "W7", way: "a topic alias that was never set", direct: false, say: one(5, "", { properties: alias(3) }) },
  { id: "W8", way: "a topic alias of 0", direct: false, say: one(5, "secret/x", { properties: alias(0) }) },
  {
    id: "W9",
    way: "a topic alias above the maximum",
    direct: false,
    say: one(5, "secret/x", { properties: alias(65535) }),
  },
  {
    id: "W10",
    way: "a topic alias before the CONNACK, in one write with the CONNECT",
    direct: true,
    say: ({ id, mark }) => [join(connect(5, { id }), publish(5, "secret/x", mark, { properties: alias(1) }))],
  },
  {
    id: "W11",
    way: "a will on a denied topic",
    direct: true,
    say: ({ id, mark }) => [connect(4, { id, will: { topic: "secret/will", payload: mark } })],
  },
  {
    id: "W12",
    way: "a retained will of QoS 2 on a denied topic, in version 5",
    direct: true,
    say: ({ id, mark }) => [connect(5, { id, will: { topic: "secret/will", payload: mark, retain: true, qos: 2 } })],
  },
  {
    id: "W13",
    way: "a retained will where the rule allows no retained messages",
    direct: true,
    say: ({ id, mark }) => [connect(4, { id, will: { topic: "quiet/w", payload: mark, retain: true } })],
  },
  {
    id: "W14",
    way: "a retained message where the rule allows none",
    direct: true,
    say: one(4, "quiet/w", { retain: true }),
  },
  { id: "W15", way: "a higher QoS than the rule allows", direct: true, say: (attempt) => [...one(4, "quiet/w", { qos: 2, packetId: 1 })(attempt), pubrel(1)] }, // prettier-ignore
  { id: "W16", way: "QoS 3", direct: false, say: one(4, "secret/x", { qos: 3, packetId: 1 }) },
  { id: "W17", way: "$share/<group>/<allowed topic> as a topic", direct: false, say: one(5, "$share/g/open/w/a") },
  { id: "W18", way: "a topic of the broker's own, $SYS/...", direct: false, say: one(4, "$SYS/broker/x") },
  { id: "W19", way: "another topic that begins with $", direct: false, say: one(4, "$control/dynamic-security/v1") },
  {
    id: "W20",
    way: "the gateway's own topics: forging its log",
    direct: true,
    say: one(4, "lockgate/gw-test/audit/live"),
  },
  { id: "W21", way: "another case: OPEN/w/a", direct: true, say: one(4, "OPEN/w/a") },
  { id: "W22", way: "a name that begins like the subject's: open/w2/a", direct: true, say: one(4, "open/w2/a") },
  { id: "W23", way: "a letter with a combining mark, which normalisation would change", direct: true, say: one(5, "open/w\u0301/a") }, // prettier-ignore
  { id: "W24", way: "full-width letters, which compatibility normalisation makes the allowed ones", direct: true, say: one(5, "\uff4fpen/w/a") }, // prettier-ignore
  { id: "W25", way: "a byte order mark before the allowed topic", direct: true, say: one(5, "\ufeffopen/w/a") },
  { id: "W26", way: "an empty level before the allowed topic", direct: true, say: one(4, "/open/w/a") },
  { id: "W27", way: "an empty level inside it", direct: true, say: one(4, "open//w/a") },
  { id: "W28", way: "a path with .. that leads to the allowed topic", direct: true, say: one(4, "open/x/../w/a") },
  { id: "W29", way: "percent and backslash escapes of the allowed topic", direct: true, say: one(4, "open%2Fw\\a") },
  { id: "W30", way: "the slash in overlong UTF-8", direct: false, say: one(4, join("open/w", [0xc0, 0xaf], "a")) },
  { id: "W31", way: "a surrogate in the topic", direct: false, say: one(5, join("open/w/", [0xed, 0xa0, 0x80])) },
  { id: "W32", way: "a NUL behind the allowed topic", direct: false, say: one(4, join("open/w/a", [0], "x")) },
  { id: "W33", way: "the wildcard + in a topic name", direct: false, say: one(4, "open/w/+") },
  { id: "W34", way: "the wildcard # in a topic name", direct: false, say: one(5, "open/w/#") },
  { id: "W35", way: "an empty topic without an alias", direct: false, say: one(5, "") },
  {
    id: "W36",
    way: "a client id with a slash, where a rule puts the id into a topic (%c)",
    direct: true,
    say: ({ id, mark }) => [connect(4, { id: `${id}/x` }), publish(4, `by-id/${id}/x/y`, mark)],
  },
  {
    id: "W37",
    way: "a client id with wildcards, where a rule puts the id into a topic (%c)",
    direct: true,
    say: ({ id, mark }) => [connect(4, { id: `${id}+#` }), publish(4, "by-id/else/y", mark)],
  },
  {
    id: "W38",
    way: "the client id of another subject",
    direct: true,
    say: ({ id, mark }) => [connect(4, { id: `v${id}` }), publish(4, `by-id/v${id}/y`, mark)],
  },
  {
    id: "W39",
    way: "a client id of the gateway's own",
    direct: true,
    say: ({ id, mark }) => [connect(4, { id: `lockgate-${id}` }), publish(4, "secret/x", mark)],
  },
  {
    id: "W40",
    way: "user name and password of somebody at the broker",
    direct: true,
    say: ({ id, mark }) => [connect(4, { id, user: "admin", password: "pass" }), publish(4, "secret/x", mark)],
  },
  {
    id: "W41",
    way: "a denied message cut at every byte",
    direct: true,
    say: (attempt) => one(5, "secret/x", { qos: 1, packetId: 1 })(attempt).flatMap((b) => Array.from(b, (byte) => Uint8Array.of(byte))), // prettier-ignore
  },
  {
    id: "W42",
    way: "an allowed QoS 1 message, then its identifier again with DUP and a denied topic",
    direct: true,
    say: ({ id, mark }) => [
      connect(4, { id }),
      publish(4, "open/w/a", "fine", { qos: 1, packetId: 5 }),
      publish(4, "secret/x", mark, { qos: 1, packetId: 5, dup: true }),
    ],
  },
  {
    id: "W43",
    way: "an allowed QoS 2 message, its identifier again with a denied topic, then PUBREL",
    direct: true,
    say: ({ id, mark }) => [
      connect(4, { id }),
      publish(4, "open/w/a", "fine", { qos: 2, packetId: 6 }),
      publish(4, "secret/x", mark, { qos: 2, packetId: 6, dup: true }),
      pubrel(6),
    ],
  },
  {
    id: "W44",
    way: "a denied QoS 2 message and PUBREL, then an allowed one under its identifier and PUBREL twice",
    direct: true,
    say: ({ id, mark }) => [
      connect(5, { id }),
      publish(5, "secret/x", mark, { qos: 2, packetId: 7 }),
      pubrel(7),
      publish(5, "open/w/a", "fine", { qos: 2, packetId: 7 }),
      pubrel(7),
      pubrel(7),
    ],
  },
  { id: "W45", way: "a wildcard in a response topic", direct: true, say: one(5, "open/w/a", { properties: join([8], text("secret/#")) }) }, // prettier-ignore
  { id: "W46", way: "a subscription identifier in a client's PUBLISH", direct: true, say: one(5, "open/w/a", { properties: [11, 1] }) }, // prettier-ignore
  {
    id: "W47",
    way: "messages behind the DISCONNECT, in the same write",
    direct: false,
    say: ({ id, mark }) => [
      join(connect(4, { id }), DISCONNECT, publish(4, "secret/x", mark), publish(4, "open/w/a", mark)),
    ],
  },
  {
    id: "W48",
    way: "a second CONNECT with a will on a denied topic",
    direct: false,
    say: ({ id, mark }) => [connect(4, { id }), connect(4, { id, will: { topic: "secret/x", payload: mark } })],
  },
  {
    id: "W49",
    way: "a denied message in one write with the CONNECT, before the CONNACK",
    direct: true,
    say: (attempt) => [join(...one(4, "secret/x")(attempt))],
  },
  { id: "W50", way: "a message before the CONNECT", direct: false, say: ({ id, mark }) => [publish(4, "open/w/a", mark), connect(4, { id })] }, // prettier-ignore
  {
    id: "W51",
    way: "MQTT 3.1",
    direct: true,
    say: ({ id, mark }) => [connect(3, { id, protocol: "MQIsdp" }), publish(4, "open/w/a", mark)],
  },
  {
    id: "W52",
    way: "the level by which mosquitto knows bridges (0x84)",
    direct: true,
    say: ({ id, mark }) => [connect(4, { id, level: 0x84 }), publish(4, "open/w/a", mark)],
  },
  {
    id: "W53",
    way: "a remaining length that ends inside the topic",
    direct: false,
    say: ({ id, mark }) => [connect(4, { id }), join([0x30, 6], text("open/w/a"), publish(4, "secret/x", mark))],
  },
  {
    id: "W54",
    way: "a remaining length padded with empty bytes",
    direct: true,
    say: ({ id, mark }) => [connect(4, { id }), padded(publish(4, "secret/x", mark))],
  },
  {
    id: "W55",
    way: "a remaining length of five bytes",
    direct: false,
    say: ({ id, mark }) => [connect(4, { id }), join([0x30, 0x80, 0x80, 0x80, 0x80, 1], text("open/w/a"), mark)],
  },
  {
    id: "W56",
    way: "a whole denied PUBLISH in the payload of an allowed one that says it is shorter",
    direct: true,
    say: ({ id, mark }) => {
      const inner = publish(4, "secret/x", mark)
      return [connect(4, { id }), join([0x30, 10], text("open/w/a"), inner)]
    },
  },
  {
    id: "W57",
    way: "a giant PUBLISH to a denied topic, of which only a part is sent",
    direct: false,
    say: ({ id, mark }) => [
      connect(4, { id }),
      join([0x30, 0xff, 0xff, 0xff, 0x7f], text("secret/x"), mark.repeat(3000)),
    ],
  },
  { id: "W58", way: "two topic aliases in one PUBLISH", direct: false, say: one(5, "secret/x", { properties: [...alias(1), ...alias(2)] }) }, // prettier-ignore
  { id: "W59", way: "the topic alias behind other properties", direct: true, say: one(5, "secret/x", { properties: join([1, 1, 38], text("k"), text("v"), alias(1)) }) }, // prettier-ignore
  { id: "W60", way: "a property list that is longer than its packet", direct: false, say: ({ id, mark }) => [connect(5, { id }), packet(0x30, text("open/w/a"), [0x7f], mark)] }, // prettier-ignore
  {
    id: "W61",
    way: "a payload larger than the rule allows, streamed",
    direct: true,
    say: ({ id, mark }) => [connect(4, { id }), publish(4, "quiet/w", mark + "x".repeat(100_000))],
  },
  {
    id: "W62",
    way: "an identifier of 0, a reserved flag, DUP with QoS 0",
    direct: false,
    say: ({ id, mark }) => [connect(4, { id }), publish(4, "open/w/a", mark, { qos: 1, packetId: 0 })],
  },
  {
    id: "W63",
    way: "Authentication Method, to reach another authentication at the broker",
    direct: false,
    say: ({ id, mark }) => [connect(5, { id, properties: join([21], text("PLAIN")) }), publish(5, "open/w/a", mark)],
  },
  {
    id: "W64",
    way: "an Alias Maximum of its own in the CONNECT, then a denied topic under alias 5",
    direct: true,
    say: ({ id, mark }) => [
      connect(5, { id, properties: ALIASES }),
      publish(5, "secret/x", mark, { properties: alias(5) }),
    ],
  },
]

function padded(bytes: Uint8Array): Uint8Array {
  return join([bytes[0]!, bytes[1]! | 0x80, 0x80, 0x00], bytes.subarray(2))
}

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
