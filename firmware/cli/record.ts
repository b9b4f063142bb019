import { LockgateError } from "../../policy/base/errors.ts"
import { parseRecording } from "../../policy/recording/parse.ts"
import { MAX_RECORDING_BYTES } from "../../policy/recording/recording.ts"
import type { RecordingChunk, RecordingFile, RecordingStatus } from "../recording/keeper.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE, sameGateway, type GatewayOptions } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { writeWhole } from "./policy-file.ts"
import { sha256 } from "./recording-files.ts"
import { localTime, thousands } from "./text.ts"

const START = `lockgate record start [--minutes <1..1440>] ${GATEWAY_USAGE}`
const STOP = `lockgate record stop ${GATEWAY_USAGE}`
const STATUS = `lockgate record status ${GATEWAY_USAGE}`
const FETCH = `lockgate record fetch -o <file> ${GATEWAY_USAGE}`

/** `lockgate record start`: record traffic, without payloads; an hour unless `--minutes` says otherwise. */
export async function recordStart(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, minutes: { type: "string" } }, 0, START, io)
  if (read === null) return 2
  const given = read.values.minutes ?? "60"
  const minutes = /^\d{1,5}$/.test(given) ? Number(given) : NaN
  const answer = await askGateway(read.values, { command: "recording.start", arguments: { minutes } }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { running } = answer.result as RecordingStatus
  const until = running === null ? "" : ` until ${localTime(running.endsAt, running.startedAt)}`
  io.out(`recording${until}: who, which topics, how often, how large; no payloads\n`)
  io.out(`\`lockgate record fetch -o day.rec${sameGateway(read.values)}\` brings it here then\n`)
  return 0
}

/** `lockgate record stop`: end the recording now. */
export async function recordStop(args: readonly string[], io: CliIo): Promise<number> {
  return tellStatus("recording.stop", STOP, args, io)
}

/** `lockgate record status`: whether one runs, and what the last one holds. */
export async function recordStatus(args: readonly string[], io: CliIo): Promise<number> {
  return tellStatus("recording.status", STATUS, args, io)
}

async function tellStatus(command: string, usage: string, args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 0, usage, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command, arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { running, file } = answer.result as RecordingStatus
  if (running === null) io.out("no recording runs\n")
  else io.out(`a recording runs until ${localTime(running.endsAt, running.startedAt)}\n`)
  if (file === null) io.out("none is on disk\n")
  else if (file === "damaged") io.out("the one on disk is damaged\n")
  else io.out(describe(file))
  return 0
}

function describe(file: RecordingFile): string {
  const span = `${localTime(file.startedAt, 0)} to ${localTime(file.endedAt, 0)}`
  const missed = file.missed === 0 ? "" : `, ${thousands(file.missed)} more had no room`
  const counts = `${thousands(file.peers)} peers, ${thousands(file.flows)} flows, ${thousands(file.messages)} messages${missed}`
  return `on disk: ${span} (ended by: ${file.ended}); ${counts}\n`
}

/** `lockgate record fetch`: bring the recording on the gateway's disk here; it is checked before it is kept. */
export async function recordFetch(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, out: { type: "string", short: "o" } }, 0, FETCH, io)
  if (read === null) return 2
  if (read.values.out === undefined) {
    io.err(`where to? usage: ${FETCH}\n`)
    return 2
  }
  const fetched = await fetchAll(read.values, io)
  if ("exitCode" in fetched) return fetched.exitCode
  try {
    const recording = parseRecording(fetched.bytes, sha256)
    if (!(await writeWhole(fetched.bytes, read.values.out, io))) return 1
    const { messages, reason } = recording.end
    io.out(`${read.values.out}: ${thousands(recording.peers.length)} peers, ${thousands(messages)} messages\n`)
    if (reason === "running") io.err("note: the recording still runs; this is what was written last\n")
    return 0
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    io.err(`what the gateway sent is no recording: ${error.message} (${error.code})\n`)
    return 1
  }
}

/** All pieces. Starts again when a running recording was written anew meanwhile. */
async function fetchAll(
  options: GatewayOptions,
  io: CliIo,
): Promise<{ readonly bytes: Uint8Array } | { readonly exitCode: number }> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const parts: Buffer[] = []
    let first: RecordingChunk | null = null
    for (let offset = 0; ;) {
      const answer = await askGateway(options, { command: "recording.read", arguments: { offset } }, io)
      if ("exitCode" in answer) return answer
      const chunk = answer.result as RecordingChunk
      first ??= chunk
      const data = Buffer.from(chunk.data, "base64")
      if (chunk.sha256 !== first.sha256 || chunk.total > MAX_RECORDING_BYTES || data.length === 0) break
      parts.push(data)
      offset += data.length
      if (offset >= chunk.total) return { bytes: Buffer.concat(parts) }
    }
  }
  io.err("the recording changes faster than it can be fetched: end it with `lockgate record stop`\n")
  return { exitCode: 1 }
}
