import type { Flow, RecordedPeer, Recording } from "./recording.ts"

/** SHA-256 of bytes in lower-case hex; passed in, since this room has no hash of its own. */
export type Sha256 = (bytes: Uint8Array) => string

/**
 * The file of a recording. The same recording gives the same bytes; `parseRecording` takes no others.
 *
 * Nothing is checked here: what a `Recorder` collected fits the bounds.
 */
export function encodeRecording(recording: Recording, sha256: Sha256): Uint8Array {
  const { header, peers, end } = recording
  const lines = [
    JSON.stringify({
      "lockgate-recording": 1,
      gateway: header.gateway,
      policy: header.policy === null ? null : policyLine(header.policy),
      from: timeLine(header.from),
      minutes: header.minutes,
    }),
  ]
  for (const peer of peers) lines.push(peerLine(peer), ...peer.flows.map(flowLine))
  lines.push(
    JSON.stringify({
      end: {
        reason: end.reason,
        to: timeLine(end.to),
        peers: peers.length,
        flows: peers.reduce((sum, peer) => sum + peer.flows.length, 0),
        messages: end.messages,
        missed: { peers: end.missed.peers, messages: end.missed.messages },
        policies: end.policies.map(policyLine),
      },
    }),
  )
  const body = new TextEncoder().encode(lines.join("\n") + "\n")
  const seal = new TextEncoder().encode(JSON.stringify({ sha256: sha256(body) }) + "\n")
  const whole = new Uint8Array(body.length + seal.length)
  whole.set(body)
  whole.set(seal, body.length)
  return whole
}

function policyLine({ version, sha256 }: { version: number; sha256: string }): object {
  return { version, sha256 }
}

function timeLine({ earliestAt, latestAt, wallAt }: Recording["header"]["from"]): object {
  return { earliestAt, latestAt, wallAt }
}

function peerLine(peer: RecordedPeer): string {
  const { sanUri, sanDns, commonName } = peer.names
  return JSON.stringify({
    peer: {
      conduit: peer.conduit,
      zone: peer.zone,
      subject: peer.subject,
      roles: peer.roles,
      clientId: peer.clientId,
      names: { sanUri, sanDns, commonName },
      fingerprint: peer.fingerprint,
      busiestUp: peer.busiestUp,
      busiestDown: peer.busiestDown,
      missed: peer.missed,
    },
  })
}

function flowLine(flow: Flow): string {
  const { verdict, count, busiest, firstMs, lastMs } = flow
  const counts = { verdict, count, busiest, firstMs, lastMs }
  if (flow.kind === "mqtt") {
    const { action, topic, qos, retain, will, minBytes, maxBytes } = flow
    return JSON.stringify({ mqtt: { action, topic, qos, retain, will, minBytes, maxBytes, ...counts } })
  }
  const { unit, function: code, sub, range, written } = flow
  return JSON.stringify({
    modbus: { unit, function: code, sub, range: rangeLine(range), written: rangeLine(written), ...counts },
  })
}

function rangeLine(range: { from: number; to: number } | null): object | null {
  return range === null ? null : { from: range.from, to: range.to }
}
