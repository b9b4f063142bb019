import { randomBytes } from "node:crypto"
import type { LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { gatewayTopic } from "../../policy/audit/topics.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Clock } from "../../hal/clock.ts"
import type { KeyStore } from "../../hal/key-store.ts"
import { createMqttSource } from "./mqtt-source.ts"
import { nodeSha256 } from "./note-functions.ts"
import { openCosigner } from "./witness-key.ts"
import { handoversOver, unlessOurs, type SharedLink } from "./witness-link.ts"
import { openWitnessLog, SIGN_AGAIN_MS, type WitnessedLog, type WitnessLink, type WitnessLog } from "./witness-log.ts"
import { openWitnessMemory } from "./witness-memory.ts"

/** A log is looked at no more often, however fast it grows: as often as its anchor is written. What could not be cosigned is looked at again then. */
const PACE_MS = 10_000

/** What a gateway that witnesses others stands on. */
export interface WitnessDeps {
  /** Its own name: that of its cosigner too. */
  readonly gateway: string
  readonly logs: readonly WitnessedLog[]
  readonly keyStore: KeyStore
  readonly clock: Clock
  readonly interval: () => TimeInterval
  readonly report: (event: AuditEvent) => void
  /** Default 10 s. */
  readonly paceMs?: number
}

/** Witnesses the logs of others. */
export interface Witness {
  /** Watch over one link, until the signal or until the link fails; never rejects for that. `part` gives each log its own listener. */
  watch(part: () => SharedLink, signal: AbortSignal): Promise<void>
  /** Of each log: the newest size that is known; null before the first. */
  status(): readonly { readonly gateway: string; readonly size: number | null }[]
}

/**
 * The witness of this board; its key is made at the first use.
 *
 * @throws HardwareError `ERR_IO`
 * @see IEC 62443-4-2 CR 3.9
 */
export async function openWitness(deps: WitnessDeps): Promise<Witness> {
  const { clock, keyStore, report } = deps
  const cosigner = await openCosigner(keyStore, deps.gateway)
  if (cosigner.isNew)
    report({ id: "witness.key-made", outcome: "success", source: "witness", object: cosigner.key.name })
  const witnessed: { readonly log: WitnessedLog; readonly witness: WitnessLog }[] = []
  for (const log of deps.logs) {
    const witness = await openWitnessLog({
      ...{ log, cosigner, report, memory: openWitnessMemory(keyStore, log.gateway) },
      ...{ interval: deps.interval, monotonicMs: () => clock.monotonicMs() },
    })
    witnessed.push({ log, witness })
  }

  function pause(ms: number, signal: AbortSignal, wake?: (ring: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        signal.removeEventListener("abort", done)
        resolve()
      }
      const cancel = clock.after(ms, done)
      signal.addEventListener("abort", done, { once: true })
      wake?.(done)
      if (signal.aborted) done()
    })
  }

  async function watchOne(
    { log, witness }: (typeof witnessed)[number],
    part: () => SharedLink,
    signal: AbortSignal,
  ): Promise<void> {
    const own = part()
    const edge = gatewayTopic(log.gateway, "log/edge")
    let isNew = false
    const isNews = (): boolean => isNew
    let seen: string | null = null
    let ring = (): void => undefined
    own.onMessage(async ({ topic, payload }) => {
      if (topic !== edge) return
      // A look fetches it once more: only another one is news.
      const digest = Buffer.from(nodeSha256(payload)).toString("hex")
      if (digest === seen) return
      seen = digest
      isNew = true
      ring()
    })
    const link: WitnessLink = {
      source: createMqttSource({
        ...{ link: part(), gateway: log.gateway, clock },
        nonce: () => randomBytes(16).toString("base64url"),
      }),
      handovers: handoversOver(part(), log.gateway, clock),
      publish: (topic, payload) => own.publish(topic, payload, true),
      pause: (ms) => pause(ms, signal),
    }
    witness.linked()
    // By another filter than the one with which the source asks for the edge, and which it gives up again.
    await own.subscribe([edge.replace(/edge$/, "+")])
    while (!signal.aborted) {
      isNew = false
      const waits = await look(witness, link)
      await pause(deps.paceMs ?? PACE_MS, signal)
      if (!isNews() && !waits) await pause(SIGN_AGAIN_MS, signal, (done) => (ring = done))
    }
  }

  /** Whether it is to be looked at again soon. @throws HardwareError `ERR_LINK` */
  async function look(witness: WitnessLog, link: WitnessLink): Promise<boolean> {
    try {
      return (await witness.look(link)) === "waits"
    } catch (error) {
      unlessOurs(error)
      if ((error as LockgateError).code === "ERR_LINK") throw error
      // The disk or the key store fails: what was not stored was not signed.
      return true
    }
  }

  return {
    status: () => witnessed.map(({ log, witness }) => ({ gateway: log.gateway, size: witness.size })),
    async watch(part, signal) {
      await Promise.all(witnessed.map((one) => watchOne(one, part, signal).catch(unlessOurs)))
    },
  }
}
