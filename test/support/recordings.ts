import { createHash } from "node:crypto"
import type {
  ModbusFlow,
  MqttFlow,
  PeerFacts,
  RecordedPeer,
  Recording,
  RecordingEnd,
} from "../../policy/recording/recording.ts"

/** SHA-256 in hex, as recordings want it. */
export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const TIME = { earliestAt: 1_893_456_000_000, latestAt: 1_893_456_001_000, wallAt: 1_893_456_000_500 }

/** An allowed publish, seen once a second for a minute; what a test is about is overridden. */
export function makeFlow(topic: string, over: Partial<MqttFlow> = {}): MqttFlow {
  return {
    kind: "mqtt",
    action: "publish",
    topic,
    qos: 0,
    retain: false,
    will: false,
    minBytes: 8,
    maxBytes: 12,
    verdict: "allowed",
    count: 60,
    busiest: 1,
    firstMs: 500,
    lastMs: 59_500,
    ...over,
  }
}

/** An allowed reading of registers 0 to 9 of unit 1, seen once a second for a minute; what a test is about is overridden. */
export function makeModbusFlow(over: Partial<ModbusFlow> = {}): ModbusFlow {
  const request = { unit: 1, function: 3, sub: null, range: { from: 0, to: 9 }, written: null }
  return {
    kind: "modbus",
    ...request,
    verdict: "allowed",
    count: 60,
    busiest: 1,
    firstMs: 500,
    lastMs: 59_500,
    ...over,
  }
}

/** A sensor of conduit `field` with these flows. */
export function makePeer(
  flows: readonly RecordedPeer["flows"][number][],
  over: Partial<RecordedPeer> = {},
): RecordedPeer {
  const busy = (up: boolean): number =>
    flows
      .filter((flow) => flow.kind === "modbus" || flow.action === (up ? "publish" : "receive"))
      .reduce((sum, flow) => sum + flow.busiest, 0)
  return { ...makeFacts("s-1"), busiestUp: busy(true), busiestDown: busy(false), missed: 0, flows, ...over }
}

/** What is known of a sensor `subject` that connected, with some of it changed. */
export function makeFacts(subject: string, over: Partial<PeerFacts> = {}): PeerFacts {
  return {
    conduit: "field",
    zone: "cell",
    subject,
    roles: ["sensor"],
    clientId: subject,
    names: { sanUri: [], sanDns: [], commonName: subject },
    fingerprint: "0".repeat(64),
    ...over,
  }
}

/** A recording of an hour of those peers, with some of its end changed. */
export function makeRecording(peers: readonly RecordedPeer[], end: Partial<RecordingEnd> = {}): Recording {
  const messages = peers.flatMap((peer) => peer.flows).reduce((sum, flow) => sum + flow.count, 0)
  return {
    header: { gateway: "gw-1", policy: { version: 7, sha256: "a".repeat(64) }, from: TIME, minutes: 60 },
    peers,
    end: { reason: "time", to: TIME, messages, missed: { peers: 0, messages: 0 }, policies: [], ...end },
  }
}
