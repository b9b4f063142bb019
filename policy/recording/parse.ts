import { InputError } from "../base/errors.ts"
import { REASON, type Reason } from "../filter/verdict.ts"
import { encodeRecording, type Sha256 } from "./encode.ts"
import { array, bool, closed, integer, names, record, refuse, text, word } from "./fields.ts"
import {
  END_REASONS,
  MAX_FLOWS,
  MAX_MINUTES,
  MAX_NAMES,
  MAX_NAME_LENGTH,
  MAX_PEERS,
  MAX_RECORDING_BYTES,
  MAX_TOPIC_BYTES,
  type Flow,
  type FlowCounts,
  type RecordedPeer,
  type RecordedPolicy,
  type RecordedTime,
  type Recording,
  type RecordingEnd,
  type RecordingHeader,
} from "./recording.ts"

export type RecordingErrorCode = "ERR_RECORDING_SIZE" | "ERR_RECORDING_MALFORMED" | "ERR_RECORDING_DAMAGED"

/** Characters of a line: the names of a peer and its roles take the most. */
const MAX_LINE = 128 * 1024
const ACTIONS = ["publish", "subscribe", "receive"] as const
const REASONS = Object.keys(REASON) as Reason[]
const HEX = /^[0-9a-f]{64}$/

/**
 * Read a recording whole. Takes exactly the bytes that `encodeRecording` writes: no other spelling, order or member.
 *
 * @throws InputError `ERR_RECORDING_SIZE` (before anything is read), `ERR_RECORDING_MALFORMED` (with the line),
 *   `ERR_RECORDING_DAMAGED` (cut, or not what its hash says)
 * @see IEC 62443-4-2 CR 3.5
 */
export function parseRecording(bytes: Uint8Array, sha256: Sha256): Recording {
  if (bytes.length > MAX_RECORDING_BYTES) {
    throw new InputError("ERR_RECORDING_SIZE", `a recording has at most ${MAX_RECORDING_BYTES} bytes`)
  }
  const lines = linesOf(bytes)
  const seal = lines.at(-1) ?? ""
  if (bytes.at(-1) !== 0x0a || !seal.startsWith('{"sha256":')) throw damaged("its end is missing")
  const body = bytes.subarray(0, bytes.length - new TextEncoder().encode(seal).length - 1)
  if (seal !== JSON.stringify({ sha256: sha256(body) })) throw damaged("its hash does not fit: it was cut or changed")
  let at = 0
  try {
    const header = headerOf(json(lines[at++]))
    const peers: RecordedPeer[] = []
    let flows: Flow[] = []
    let total = 0
    for (; at < lines.length - 2; at++) {
      const line = record(json(lines[at]))
      if (Object.hasOwn(line, "peer")) {
        if (peers.length >= MAX_PEERS) refuse(`more than ${MAX_PEERS} peers`)
        flows = []
        peers.push(peerOf(closed(line, ["peer"])["peer"], flows))
      } else {
        if (peers.length === 0) refuse("a flow without a peer")
        if (total++ >= MAX_FLOWS) refuse(`more than ${MAX_FLOWS} flows`)
        flows.push(flowOf(line))
      }
    }
    const recording = { header, peers, end: endOf(json(lines[at])) }
    // Whatever the checks above let through twice, out of order or besides, is not written like this.
    const again = encodeRecording(recording, sha256)
    const differs = again.length !== bytes.length || again.some((byte, i) => byte !== bytes[i])
    if (differs) refuse("not written as a gateway writes it")
    return recording
  } catch (error) {
    if (!(error instanceof InputError) || error.detail["line"] !== undefined) throw error
    throw new InputError("ERR_RECORDING_MALFORMED", `line ${at + 1}: ${error.message}`, { detail: { line: at + 1 } })
  }
}

function linesOf(bytes: Uint8Array): readonly string[] {
  try {
    const lines = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).split("\n")
    lines.pop()
    return lines
  } catch {
    throw damaged("it is not UTF-8")
  }
}

function damaged(what: string): InputError<RecordingErrorCode> {
  return new InputError("ERR_RECORDING_DAMAGED", `this is no whole recording: ${what}`)
}

function json(line: string | undefined): unknown {
  if (line === undefined || line.length > MAX_LINE) return refuse("a line that is missing or too long")
  try {
    return JSON.parse(line)
  } catch {
    return refuse("not JSON")
  }
}

function headerOf(value: unknown): RecordingHeader {
  const line = closed(record(value), ["lockgate-recording", "gateway", "policy", "from", "minutes"])
  if (line["lockgate-recording"] !== 1) refuse("of a format that this version does not know")
  return {
    gateway: text(line["gateway"], 64),
    policy: line["policy"] === null ? null : policyOf(line["policy"]),
    from: timeOf(line["from"]),
    minutes: integer(line["minutes"], 1, MAX_MINUTES),
  }
}

function policyOf(value: unknown): RecordedPolicy {
  const line = closed(record(value), ["version", "sha256"])
  const sha256 = text(line["sha256"], 64)
  if (!HEX.test(sha256)) refuse("no SHA-256")
  return { version: integer(line["version"], 0, 2 ** 31), sha256 }
}

function timeOf(value: unknown): RecordedTime {
  const line = closed(record(value), ["earliestAt", "latestAt", "wallAt"])
  const at = (given: unknown): number => integer(given, 0, 8.64e15)
  const latestAt = line["latestAt"] === null ? null : at(line["latestAt"])
  return { earliestAt: at(line["earliestAt"]), latestAt, wallAt: at(line["wallAt"]) }
}

function peerOf(value: unknown, flows: readonly Flow[]): RecordedPeer {
  const line = closed(record(value), [
    ...[
      "conduit",
      "zone",
      "subject",
      "roles",
      "clientId",
      "names",
      "fingerprint",
      "busiestUp",
      "busiestDown",
      "missed",
    ],
  ])
  const given = closed(record(line["names"]), ["sanUri", "sanDns", "commonName"])
  return {
    conduit: text(line["conduit"], 64),
    zone: text(line["zone"], 64),
    subject: text(line["subject"], 64),
    roles: names(line["roles"], 1_024, 64),
    clientId: text(line["clientId"], 256),
    names: {
      sanUri: names(given["sanUri"], MAX_NAMES, MAX_NAME_LENGTH),
      sanDns: names(given["sanDns"], MAX_NAMES, MAX_NAME_LENGTH),
      commonName: given["commonName"] === null ? null : text(given["commonName"], MAX_NAME_LENGTH),
    },
    fingerprint: text(line["fingerprint"], 64),
    busiestUp: count(line["busiestUp"]),
    busiestDown: count(line["busiestDown"]),
    missed: count(line["missed"]),
    flows,
  }
}

const COUNTS = ["verdict", "count", "busiest", "firstMs", "lastMs"] as const

function flowOf(line: Readonly<Record<string, unknown>>): Flow {
  if (Object.hasOwn(line, "mqtt")) {
    const own = ["action", "topic", "qos", "retain", "will", "minBytes", "maxBytes"]
    const flow = closed(record(closed(line, ["mqtt"])["mqtt"]), [...own, ...COUNTS])
    const qos = integer(flow["qos"], 0, 2) as 0 | 1 | 2
    const topic = text(flow["topic"], MAX_TOPIC_BYTES)
    const minBytes = integer(flow["minBytes"], 0, 2 ** 28)
    const maxBytes = integer(flow["maxBytes"], minBytes, 2 ** 28)
    const action = word(flow["action"], ACTIONS)
    const flags = { retain: bool(flow["retain"]), will: bool(flow["will"]) }
    return { kind: "mqtt", action, topic, qos, ...flags, minBytes, maxBytes, ...countsOf(flow) }
  }
  const own = ["unit", "function", "sub", "range", "written"]
  const flow = closed(record(closed(line, ["modbus"])["modbus"]), [...own, ...COUNTS])
  return {
    kind: "modbus",
    unit: integer(flow["unit"], 0, 255),
    function: integer(flow["function"], 0, 255),
    sub: flow["sub"] === null ? null : integer(flow["sub"], 0, 65_535),
    range: rangeOf(flow["range"]),
    written: rangeOf(flow["written"]),
    ...countsOf(flow),
  }
}

function rangeOf(value: unknown): { from: number; to: number } | null {
  if (value === null) return null
  const range = closed(record(value), ["from", "to"])
  const from = integer(range["from"], 0, 65_535)
  return { from, to: integer(range["to"], from, 65_535 + 65_535) }
}

function countsOf(flow: Readonly<Record<string, unknown>>): FlowCounts {
  const firstMs = count(flow["firstMs"])
  const total = integer(flow["count"], 1, Number.MAX_SAFE_INTEGER)
  return {
    verdict: word(flow["verdict"], REASONS),
    count: total,
    busiest: integer(flow["busiest"], 1, total),
    firstMs,
    lastMs: integer(flow["lastMs"], firstMs, Number.MAX_SAFE_INTEGER),
  }
}

function endOf(value: unknown): RecordingEnd {
  const line = closed(record(closed(record(value), ["end"])["end"]), [
    ...["reason", "to", "peers", "flows", "messages", "missed", "policies"],
  ])
  const missed = closed(record(line["missed"]), ["peers", "messages"])
  return {
    reason: word(line["reason"], END_REASONS),
    to: timeOf(line["to"]),
    messages: count(line["messages"]),
    missed: { peers: count(missed["peers"]), messages: count(missed["messages"]) },
    policies: array(line["policies"], 1_024).map(policyOf),
  }
}

function count(value: unknown): number {
  return integer(value, 0, Number.MAX_SAFE_INTEGER)
}
