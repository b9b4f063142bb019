import { createHash } from "node:crypto"
import { CHUNK_BYTES } from "../../policy/command/transfer.ts"
import { askGateway } from "./gateway-call.ts"
import type { GatewayOptions } from "./gateway-call.ts"
import type { CliIo } from "./handler.ts"

/** A line of progress is told each time another part of this size is there. */
const TELL_BYTES = 2 * 1024 * 1024

/**
 * Send a bundle in pieces; resolves to its hash once all of it is at the gateway, or to the exit code after the reason was
 * told. What an earlier run sent is not sent again.
 */
export async function sendBundle(
  text: string,
  options: GatewayOptions,
  io: CliIo,
): Promise<{ readonly hash: string } | { readonly exitCode: number }> {
  const bytes = Buffer.from(text)
  const hash = createHash("sha256").update(bytes).digest("hex")
  const ask = async (command: string, args: object): Promise<{ have: number } | { exitCode: number }> => {
    const answer = await askGateway(options, { command, arguments: { hash, ...args } }, io)
    return "exitCode" in answer ? answer : (answer.result as { have: number })
  }
  const offered = await ask("bundle.offer", { length: bytes.length })
  if ("exitCode" in offered) return offered
  let { have } = offered
  const of = mebibytes(bytes.length)
  io.err(have === 0 ? `sending ${of}\n` : `${mebibytes(have)} of ${of} are there already; going on\n`)
  for (let told = have; have < bytes.length;) {
    const data = bytes.subarray(have, have + CHUNK_BYTES).toString("base64")
    const before = have
    const answer = await ask("bundle.chunk", { offset: have, data })
    if ("exitCode" in answer || answer.have === before) {
      io.err(`${mebibytes(have)} of ${of} are there; the same command goes on from here\n`)
      return "exitCode" in answer ? answer : { exitCode: 1 }
    }
    have = answer.have
    if (have - told < TELL_BYTES) continue
    told = have
    io.err(`sent ${mebibytes(have)} of ${of}\n`)
  }
  return { hash }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
