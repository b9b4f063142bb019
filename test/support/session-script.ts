/**
 * Random sessions of three clients as data, and their run on one broker. What a step may not do when its turn comes (publish
 * without a connection, use an alias that was never set) is left out, by the same rule on every broker.
 */
import fc from "fast-check"
import { wireClient, type Unfinished, type WireClient, type WireEnd, type WireVersion } from "./wire-client.ts"

/** What a script publishes. */
export interface ScriptMessage {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly payloadBytes: number
  /** 0 for none. Set with the topic at first, then used without it. */
  readonly alias: number
  readonly properties: Record<string, unknown>
}

/** The will that a script connects with. */
export interface ScriptWill extends Omit<ScriptMessage, "alias"> {
  readonly delay: number
}

export type Step =
  | {
      readonly do: "connect"
      readonly who: number
      readonly clean: boolean
      readonly expiry: number
      readonly will: ScriptWill | null
      readonly receiveMaximum: number
      readonly maximumPacketSize: number
      readonly nameless: boolean
    }
  | {
      readonly do: "subscribe"
      readonly who: number
      readonly filters: readonly { topic: string; qos: 0 | 1 | 2; nl: boolean; rap: boolean; rh: number }[]
      /** 0 for none. */
      readonly identifier: number
    }
  | { readonly do: "unsubscribe"; readonly who: number; readonly filters: readonly string[] }
  | { readonly do: "publish"; readonly who: number; readonly messages: readonly ScriptMessage[] }
  | { readonly do: "hold"; readonly who: number; readonly on: boolean }
  | { readonly do: "leave"; readonly who: number; readonly how: "disconnect" | "with-will" | "expire" | "drop" }

export type Script = readonly Step[]

const FILTERS = ["a", "a/b", "+", "a/+", "#", "+/b", "a/#", "$share/g/a/#", "$share/g/+", "$share/h/#"]

const who = fc.nat(2)
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const)
const text = fc.constantFrom("", "x", "ä/ß", "\u{1F512}", "y".repeat(300))
const properties = fc
  .record(
    {
      messageExpiryInterval: fc.constant(3600),
      payloadFormatIndicator: fc.constant(true),
      contentType: text,
      responseTopic: fc.constantFrom("d/answer", "d/answer/ü"),
      correlationData: text.map((s) => Buffer.from(s)),
      userProperties: fc.constantFrom<Record<string, string | string[]>>({ k: "v" }, { k: ["v", "w"], "": "" }),
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  .map((chosen): Record<string, unknown> => chosen)
const body = {
  topic: fc.constantFrom("a", "a/b", "a/b/c", "b", "ü/b"),
  qos,
  retain: fc.boolean(),
  payloadBytes: fc.constantFrom(0, 1, 50, 300, 5000),
  properties,
}
const message = fc.record({ ...body, alias: fc.constantFrom(0, 0, 1, 2) })
const will = fc.record({ ...body, delay: fc.constantFrom(0, 3600) })

const connect = fc.record({
  do: fc.constant("connect" as const),
  who,
  clean: fc.boolean(),
  expiry: fc.constantFrom(0, 3600, 3600),
  will: fc.option(will, { freq: 2 }),
  receiveMaximum: fc.constantFrom(0, 0, 1, 3),
  maximumPacketSize: fc.constantFrom(0, 0, 0, 200),
  nameless: fc.constantFrom(false, false, false, false, true),
})
const filter = fc.record({
  topic: fc.constantFrom(...FILTERS),
  qos,
  nl: fc.boolean(),
  rap: fc.boolean(),
  rh: fc.nat(2),
})

/** Steps of three clients; the first connect in order, so that something happens. */
export const anyScript: fc.Arbitrary<Script> = fc
  .tuple(
    fc.array(connect, { minLength: 3, maxLength: 3 }),
    fc.array(
      fc.oneof(
        { arbitrary: connect, weight: 2 },
        {
          arbitrary: fc.record({
            do: fc.constant("subscribe" as const),
            who,
            filters: fc.array(filter, { minLength: 1, maxLength: 3 }),
            identifier: fc.constantFrom(0, 1, 200, 268_435_455),
          }),
          weight: 4,
        },
        {
          arbitrary: fc.record({
            do: fc.constant("unsubscribe" as const),
            who,
            filters: fc.array(fc.constantFrom(...FILTERS), { minLength: 1, maxLength: 2 }),
          }),
          weight: 1,
        },
        {
          arbitrary: fc.record({
            do: fc.constant("publish" as const),
            who,
            messages: fc.array(message, { minLength: 1, maxLength: 5 }),
          }),
          weight: 8,
        },
        { arbitrary: fc.record({ do: fc.constant("hold" as const), who, on: fc.boolean() }), weight: 2 },
        {
          arbitrary: fc.record({
            do: fc.constant("leave" as const),
            who,
            how: fc.constantFrom("disconnect", "with-will", "expire", "drop"),
          }),
          weight: 2,
        },
      ),
      { minLength: 8, maxLength: 30 },
    ),
  )
  .map(([first, rest]) => [...first.map((step, i) => ({ ...step, who: i, nameless: false })), ...rest])

/** Where a script runs. */
export interface Ground {
  readonly end: WireEnd
  /** What the broker has logged, to know when it has noticed that somebody left. */
  logs(): string
}

/** What each connection of a script was sent, in the order of the connections. */
export type Transcript = readonly { readonly connection: string; readonly packets: readonly any[] }[]

interface Slot {
  readonly id: string
  client: WireClient | null
  hold: boolean
  /** Its connection has an id that the server gave it. */
  nameless: boolean
  lastId: number
  aliases: Map<number, string>
  readonly unfinished: Unfinished
}

/** Messages of one client that may be under way at once; less than any broker's receive maximum. */
const MOST_UNDER_WAY = 15

/** Run the script; topics are below `d/<name>/`, client ids begin with `d-<name>-`. */
export async function runScript(
  script: Script,
  version: WireVersion,
  ground: Ground,
  name: string,
): Promise<Transcript> {
  const transcript: { connection: string; packets: readonly any[] }[] = []
  const slots = [0, 1, 2].map((n): Slot => ({
    id: `d-${name}-${n}`,
    client: null,
    hold: false,
    nameless: false,
    lastId: 0,
    aliases: new Map(),
    unfinished: new Map(),
  }))
  try {
    for (const step of script) {
      const slot = slots[step.who]!
      if (step.do === "connect") await connectSlot(slot, step, version, ground, name, transcript)
      else if (slot.client !== null && !slot.client.closed) await act(slot, slot.client, step, version, ground, name)
      await settle(slots)
    }
    const told = transcript.map(({ connection, packets }) => ({ connection, packets: [...packets] }))
    // What the broker says of them must not be taken for news in the next script. Wills of theirs are not compared.
    for (const slot of slots) {
      const { client } = slot
      if (client !== null && !client.closed) await leave(slot, ground, () => client.drop())
    }
    return told
  } finally {
    for (const { client } of slots) client?.drop()
  }
}

async function connectSlot(
  slot: Slot,
  step: Step & { do: "connect" },
  version: WireVersion,
  ground: Ground,
  name: string,
  transcript: { connection: string; packets: readonly any[] }[],
): Promise<void> {
  const nameless = step.nameless && (version === 5 || step.clean)
  const old = slot.client
  // Without an id there is no take-over: the old connection would stay, unseen by the rest of the script.
  if ((nameless || slot.nameless) && old !== null && !old.closed) await leave(slot, ground, () => old.drop())
  slot.nameless = nameless
  const client = await wireClient(ground.end, version, slot.unfinished)
  client.hold = slot.hold
  slot.client = client
  slot.aliases = new Map()
  transcript.push({ connection: `${slot.id} #${transcript.length}`, packets: client.seen })
  if (step.clean || nameless) slot.unfinished.clear()
  const five = version === 5
  const numbers = {
    ...(step.expiry > 0 && !nameless ? { sessionExpiryInterval: step.expiry } : {}),
    ...(step.receiveMaximum > 0 ? { receiveMaximum: step.receiveMaximum } : {}),
    ...(step.maximumPacketSize > 0 ? { maximumPacketSize: step.maximumPacketSize } : {}),
  }
  const will = step.will === null ? {} : { will: willOf(step.will, version, name) }
  const before = client.seen.length
  client.say({
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: version,
    clientId: nameless ? "" : slot.id,
    clean: step.clean || nameless,
    keepalive: 0,
    ...(five ? { properties: numbers } : {}),
    ...will,
  })
  await client.until(() => client.seen.length > before, "CONNACK")
  // Who is taken over must have been told before anything else happens.
  if (old !== null && !old.closed) await old.until(() => old.closed, "the end of who is taken over")
  if (client.seen[before]?.sessionPresent !== true) slot.unfinished.clear()
  for (const [messageId, packet] of slot.unfinished)
    client.say(packet === null ? { cmd: "pubrel", messageId, reasonCode: 0 } : { ...packet, dup: true })
}

function willOf(will: ScriptWill, version: WireVersion, name: string): Record<string, unknown> {
  const { topic, qos, retain, payloadBytes, properties, delay } = will
  const more = { ...properties, ...(delay > 0 ? { willDelayInterval: delay } : {}) }
  const message = { topic: `d/${name}/${topic}`, qos, retain, payload: Buffer.alloc(payloadBytes, "w") }
  return version === 5 ? { ...message, properties: more } : message
}

async function act(
  slot: Slot,
  client: WireClient,
  step: Exclude<Step, { do: "connect" }>,
  version: WireVersion,
  ground: Ground,
  name: string,
): Promise<void> {
  const full = (topic: string): string =>
    topic.startsWith("$share/") ? topic.replace(/^(\$share\/[^/]+\/)/, `$1d/${name}/`) : `d/${name}/${topic}`
  const nextId = (): number => (slot.lastId = (slot.lastId % 60_000) + 1)
  switch (step.do) {
    case "subscribe": {
      const filters = step.filters.filter((f, i) => step.filters.findIndex((g) => g.topic === f.topic) === i)
      const subscriptions = filters.map(({ topic, qos, nl, rap, rh }) =>
        version === 4
          ? { topic: full(topic), qos }
          : { topic: full(topic), qos, nl: nl && !topic.startsWith("$"), rap, rh },
      )
      const properties = step.identifier > 0 ? { subscriptionIdentifier: step.identifier } : {}
      client.say({ cmd: "subscribe", messageId: nextId(), subscriptions, ...(version === 5 ? { properties } : {}) })
      return
    }
    case "unsubscribe":
      client.say({ cmd: "unsubscribe", messageId: nextId(), unsubscriptions: step.filters.map(full) })
      return
    case "publish":
      for (const message of step.messages) {
        if (message.qos > 0 && slot.unfinished.size >= MOST_UNDER_WAY) continue
        publish(slot, client, message, version, full, nextId)
      }
      return
    case "hold":
      // Who held back says nothing afterwards: a session that is resumed brings it all again.
      slot.hold = client.hold = step.on
      return
    case "leave":
      await leave(slot, ground, () => {
        if (step.how === "drop") client.drop()
        else if (version === 4 || step.how === "disconnect") client.say({ cmd: "disconnect" })
        else if (step.how === "with-will") client.say({ cmd: "disconnect", reasonCode: 4 })
        else client.say({ cmd: "disconnect", reasonCode: 0, properties: { sessionExpiryInterval: 0 } })
      })
  }
}

function publish(
  slot: Slot,
  client: WireClient,
  message: ScriptMessage,
  version: WireVersion,
  full: (topic: string) => string,
  nextId: () => number,
): void {
  const { qos, retain, payloadBytes } = message
  const packet: Record<string, unknown> = { cmd: "publish", topic: full(message.topic), qos, retain, dup: false }
  packet["payload"] = Buffer.alloc(payloadBytes, message.topic)
  if (qos > 0) packet["messageId"] = nextId()
  // What may be sent again on another connection cannot count on an alias.
  if (qos > 0) slot.unfinished.set(packet["messageId"] as number, { ...packet, ...(version === 5 ? { properties: message.properties } : {}) }) // prettier-ignore
  if (version === 5) {
    const { alias } = message
    packet["properties"] = alias > 0 ? { ...message.properties, topicAlias: alias } : message.properties
    if (alias > 0 && slot.aliases.get(alias) === packet["topic"]) packet["topic"] = ""
    else if (alias > 0) slot.aliases.set(alias, packet["topic"] as string)
  }
  client.say(packet)
}

/** Let a client go, and wait until the broker has noticed. */
async function leave(slot: Slot, ground: Ground, go: () => void): Promise<void> {
  // An id that the server gave is not known here, so somebody's end must do: all others are quiet then.
  const line = slot.nameless
    ? /Client \S+ (closed|disconnected)/g
    : new RegExp(`Client ${slot.id} (closed|disconnected)`, "g")
  const gone = (): number => ground.logs().match(line)?.length ?? 0
  const before = gone()
  go()
  const until = performance.now() + 5_000
  while (gone() === before) {
    if (performance.now() > until) throw new Error("the broker does not notice that a client has left")
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await slot.client?.until(() => slot.client?.closed === true, "the end of the connection")
}

/** Until nobody is sent anything any more: two rounds of pings that bring nothing. */
async function settle(slots: readonly Slot[]): Promise<void> {
  const seen = (): number => slots.reduce((sum, { client }) => sum + (client?.seen.length ?? 0), 0)
  for (let quiet = 0; quiet < 2;) {
    const before = seen()
    await Promise.all(slots.map(async ({ client }) => client?.ping()))
    quiet = seen() === before ? quiet + 1 : 0
  }
}
