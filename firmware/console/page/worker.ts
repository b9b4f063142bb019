/**
 * The worker: connects, verifies, remembers. The page stays free to draw, however long the log is.
 */
import mqtt, { type MqttClient } from "mqtt"
import { InputError, LockgateError } from "../../../policy/base/errors.ts"
import { encodeNoteKey, parseNoteKey, type NoteKey } from "../../../policy/audit/tlog/note.ts"
import { parseCosignerKey } from "../../../policy/audit/witness/cosignature.ts"
import { GatewayWatch } from "./gateway-watch.ts"
import { encodeLogRequest, type LogRequest } from "../../../policy/audit/log-request.ts"
import { answerTopic, gatewayTopic, pieceAt, pieceTopic } from "../../../policy/audit/topics.ts"
import { inflate } from "./inflate.ts"
import { noMemory, openMemory, type Memory } from "./memory.ts"
import { checkProof } from "./proof-check.ts"
import { PieceQueue } from "./piece-queue.ts"
import type { News, Order, Settings } from "./messages.ts"
import { canVerify, hexOf, sha256, verifySignature } from "./signatures.ts"

/** What of a dedicated worker's scope is used; the library of the page has no type for it. */
interface Port {
  postMessage(news: News): void
  onmessage: ((event: MessageEvent<Order>) => void) | null
}

const port = self as unknown as Port
/** What comes within this time is judged together. */
const SETTLE_MS = 25
const TELL_MS = 1_000
const MAX_GATEWAYS = 500
const ORIGIN = /^lockgate\/([A-Za-z0-9._-]{1,64})\/log$/

const tell = (news: News): void => port.postMessage(news)
const memory: Promise<Memory> = openMemory().catch(() => noMemory())
let session: Session | null = null

/** What can be asked of a connection. */
interface Session {
  stop(): void
  prove(gateway: string, seq: number): Promise<void>
  older(gateway: string): void
}

void greet()
port.onmessage = ({ data }) => void obey(data)

async function greet(): Promise<void> {
  const store = await memory
  const keys = (await store.all()).flatMap((one) => one.keys)
  tell({ kind: "remembered", url: await store.url(), keys, cosigners: await store.cosigners() })
}

async function obey(order: Order): Promise<void> {
  switch (order.kind) {
    case "connect":
      session?.stop()
      session = null
      tell({ kind: "begun" })
      try {
        session = await connect(order.settings)
      } catch (error) {
        if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
        tell({ kind: "refused", text: error.message })
      }
      return
    case "disconnect":
      session?.stop()
      session = null
      return
    case "prove":
      await session?.prove(order.gateway, order.seq)
      return
    case "older":
      session?.older(order.gateway)
      return
    case "check":
      tell({ kind: "checked", found: await checkProof(order.name, order.text, order.keys) })
      return
    case "forget":
      await (await memory).forget(order.gateway)
      return
  }
}

async function connect(settings: Settings): Promise<Session> {
  const { logs: keys, cosigners } = keysIn(settings.keys)
  const url = urlIn(settings.url)
  if (!(await canVerify())) {
    const text =
      "This browser cannot verify Ed25519 signatures. Use Chromium or Edge from 137, Firefox from 129, Safari from 17."
    throw new InputError("ERR_BROWSER", text)
  }
  const store = await memory
  await store.rememberUrl(url)
  await store.rememberCosigners(cosigners.map((key) => encodeNoteKey(sha256, key)))
  const life: Life = { stopped: false, client: null }
  const watches = new Map<string, GatewayWatch>()
  const remembered = new Map((await store.all()).map((one) => [one.gateway, one]))
  for (const [gateway, own] of keys) {
    const lines = own.map((key) => encodeNoteKey(sha256, key))
    const before = remembered.get(gateway) ?? null
    const otherKey = before !== null && !before.keys.some((line) => lines.includes(line))
    watches.set(
      gateway,
      new GatewayWatch({
        gateway,
        keys: own,
        cosigners,
        sha256,
        verify: verifySignature,
        inflate,
        known: before,
        otherKey,
        hex: hexOf,
        now: Date.now,
        nonce: () => crypto.randomUUID(),
        ask: (request) => askOlder(life.client, gateway, request),
        unask: (nonce) => void life.client?.unsubscribe(answerFilters(gateway, nonce)),
        rows: (rows) => life.stopped || tell({ kind: "rows", gateway, rows }),
        believe: ({ size, root }, keys) =>
          void store.remember({
            gateway,
            keys: keys.map((key) => encodeNoteKey(sha256, key)),
            size,
            root,
            at: Date.now(),
          }),
      }),
    )
  }
  return run(url, settings, watches, life)
}

/** One connection; what is stopped tells no more. */
interface Life {
  stopped: boolean
  client: MqttClient | null
}

/** `life`: what is not told any more once it is stopped, though work on it may be under way. */
function run(url: string, { username, password }: Settings, watches: Map<string, GatewayWatch>, life: Life): Session {
  tell({ kind: "link", link: "connecting", text: `connecting to ${url}` })
  const client: MqttClient = mqtt.connect(url, {
    protocolVersion: 4,
    clean: true,
    resubscribe: false,
    reconnectPeriod: 2_000,
    connectTimeout: 10_000,
    keepalive: 30,
    clientId: `console-${crypto.randomUUID()}`,
    timerVariant: "native",
    ...(username === "" ? {} : { username }),
    ...(password === "" ? {} : { password }),
  })
  life.client = client
  const strangers = new Set<string>()
  const queue: { topic: string; payload: Uint8Array; retained: boolean }[] = []
  let busy = false

  const queues = new Map(
    [...watches.keys()].map((gateway) => {
      const ask = (path: string): unknown => client.subscribe(`${pieceTopic(gateway, path)}/#`, { qos: 1 })
      return [
        gateway,
        new PieceQueue(
          (path) => void ask(path),
          () => performance.now(),
        ),
      ] as const
    }),
  )
  const settle = async (watched: ReadonlySet<GatewayWatch>, isBusy = false): Promise<void> => {
    for (const [gateway, watch] of watches) {
      if (!watched.has(watch)) continue
      await watch.settle(isBusy)
      queues.get(gateway)?.want(watch.wanted())
    }
    report()
  }
  const report = (): void => {
    if (life.stopped) return
    for (const watch of watches.values()) tell({ kind: "gateway", report: watch.report() })
  }
  const work = async (): Promise<void> => {
    if (busy) return
    busy = true
    const touched = new Set<GatewayWatch>()
    let saidAt = performance.now()
    for (let next = queue.shift(); next !== undefined && !life.stopped; next = queue.shift()) {
      const watch = watches.get(next.topic.split("/")[1] ?? "")
      if (watch === undefined) continue
      await watch.take(next.topic, next.payload, next.retained)
      touched.add(watch)
      // A long history: what is done so far is shown meanwhile.
      if (performance.now() - saidAt < 4 * SETTLE_MS) continue
      await settle(touched, true)
      saidAt = performance.now()
    }
    if (!life.stopped && touched.size > 0) await settle(touched)
    busy = false
    if (queue.length > 0 && !life.stopped) void work()
  }
  let timer: ReturnType<typeof setTimeout> | null = null
  client.on("message", (topic, payload, packet) => {
    const gateway = topic.split("/")[1] ?? ""
    if (!watches.has(gateway)) {
      if (strangers.size < MAX_GATEWAYS && !strangers.has(gateway)) strange(gateway)
      strangers.add(gateway)
      return
    }
    const piece = pieceAt(gateway, topic)
    if (piece !== null) queues.get(gateway)?.came(piece.path)
    queue.push({ topic, payload: new Uint8Array(payload), retained: packet.retain })
    timer ??= setTimeout(() => {
      timer = null
      void work()
    }, SETTLE_MS)
  })
  client.on("connect", () => {
    for (const one of queues.values()) one.restart()
    for (const watch of watches.values()) watch.restart()
    const own = [...watches.keys()].flatMap((gateway) =>
      ["log/edge/#", "audit/live", "heartbeat", "online", "alarm/#", "witness/#"].map(
        (t) => `lockgate/${gateway}/${t}`,
      ),
    )
    // Before the edge: the key that signed it may be one that the given key vouches for.
    client.subscribe(
      [...watches.keys()].map((gateway) => `lockgate/${gateway}/log/handover/+`),
      { qos: 1 },
    )
    client.subscribe([...own, "lockgate/+/online"], { qos: 1 }, (error, granted) => {
      const refused = (granted ?? []).filter(({ qos }) => qos === 128).map(({ topic }) => topic)
      const text = error !== null && refused.length === 0 ? error.message : `the broker refuses: ${refused.join(", ")}`
      const isWhole = refused.filter((topic) => topic !== "lockgate/+/online").length === 0 && error === null
      tell({ kind: "link", link: isWhole ? "connected" : "lost", text: isWhole ? `connected to ${url}` : text })
    })
  })
  client.on("error", (error) => {
    tell({
      kind: "link",
      link: "lost",
      text: `${error.message === "" ? "the broker cannot be reached" : error.message}; trying again`,
    })
  })
  client.on("close", () => {
    if (!life.stopped)
      tell({
        kind: "link",
        link: "lost",
        text: `no connection to ${url}: address, certificate or network; trying again`,
      })
  })
  const ticking = setInterval(() => {
    for (const one of queues.values()) one.tick()
    for (const watch of watches.values()) void watch.tick()
    report()
  }, TELL_MS)
  report()
  return {
    stop() {
      life.stopped = true
      clearInterval(ticking)
      client.end(true)
    },
    older(gateway) {
      watches.get(gateway)?.older()
      report()
    },
    async prove(gateway, seq) {
      const proof = await watches.get(gateway)?.prove(seq)
      if (proof !== undefined && proof !== null) tell({ kind: "proof", gateway, proof })
    },
  }
}

function answerFilters(gateway: string, nonce: string): string[] {
  const topic = answerTopic(gateway, nonce)
  return [topic, `${topic}/part/+`]
}

/** The only thing that this page ever publishes. Who may not gets no answer: MQTT 3.1.1 has no word for it. */
function askOlder(client: MqttClient | null, gateway: string, request: LogRequest): void {
  client?.subscribe(answerFilters(gateway, request.nonce), { qos: 1 }, (error) => {
    const text = new TextDecoder().decode(encodeLogRequest(request))
    if (error === null) client.publish(gatewayTopic(gateway, "log/request"), text, { qos: 1 })
  })
}

/** A gateway that speaks at this broker, and whose key was not given. */
function strange(gateway: string): void {
  const nothing = {
    faults: [],
    findings: [],
    checkpoint: null,
    done: 0,
    of: 0,
    seen: "",
    lastSignAt: null,
    heartbeat: null,
  }
  const why = "its key was not given, so nothing of it can be verified"
  tell({
    kind: "gateway",
    report: {
      gateway,
      verdict: "unverified",
      why,
      ...nothing,
      life: "unknown",
      alarms: [],
      witnesses: [],
      older: { from: 0, isAsking: false, text: "" },
    },
  })
}

/** The keys of logs by gateway; those of witnesses and collectors look at any. @throws InputError `ERR_NOTE_KEY`, `ERR_COSIGNER_KEY` */
function keysIn(text: string): { readonly logs: Map<string, NoteKey[]>; readonly cosigners: readonly NoteKey[] } {
  const cosigners: NoteKey[] = []
  const keys = new Map<string, NoteKey[]>()
  const lines = text.split("\n").map((line) => line.trim())
  for (const line of lines.filter((one) => one !== "" && !one.startsWith("#"))) {
    const key = parseNoteKey(sha256, line)
    if (key.type === "cosignature") {
      cosigners.push(parseCosignerKey(sha256, line))
      continue
    }
    const gateway = ORIGIN.exec(key.name)?.[1]
    if (gateway === undefined) throw new InputError("ERR_NOTE_KEY", `${key.name} is not the name of a gateway's log`)
    keys.set(gateway, [...(keys.get(gateway) ?? []), key])
  }
  if (keys.size === 0) throw new InputError("ERR_NOTE_KEY", "Give the log key of at least one gateway.")
  return { logs: keys, cosigners }
}

/** Clear text is for a broker on this very machine, as the demo has it. @throws InputError `ERR_URL` */
function urlIn(text: string): string {
  const url = URL.parse(text)
  const isOwn = url?.protocol === "ws:" && /^(localhost|127\.0\.0\.1)$/.test(url.hostname)
  if (url === null || (url.protocol !== "wss:" && !isOwn) || url.username !== "" || url.password !== "")
    throw new InputError("ERR_URL", "The broker's address begins with wss:// and holds no password.")
  return url.href
}
