import { LockgateError } from "../../policy/base/errors.ts"
import { gatewayTopic } from "../../policy/audit/topics.ts"
import type { Clock } from "../../hal/clock.ts"
import type { CollectGateway } from "./collect-gateway.ts"
import { shareLink, type SharedLink } from "./collect-link.ts"
import { createCollectSource } from "./collect-source.ts"
import { reasonOf, type MqttLink } from "./mqtt-link.ts"

/** Logs that are worked on at the same time, so that many gateways do not take more memory than a few. */
const AT_ONCE = 4
/** What was held up is looked at again, and so is everything else. */
const LOOK_EVERY_MS = 30_000
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000

/** What a collector stands on. */
export interface CollectorDeps {
  readonly brokers: readonly { readonly name: string; readonly dial: () => Promise<MqttLink> }[]
  readonly gateways: ReadonlyMap<string, CollectGateway>
  readonly clock: Clock
  readonly nonce: () => string
  readonly signal: AbortSignal
  /** End when everything that the brokers show has been looked at. */
  readonly once?: boolean
  readonly waitMs?: number
  /** A broker went away, or is back (`reason` null). */
  readonly told: (broker: string, reason: string | null) => void
}

/**
 * Keeps the copies up to date until the signal: each time that a broker shows a new edge of a log, and every 30 s. One log that
 * is held up or accused holds up no other. Resolves when everything that was begun has ended.
 *
 * @throws HardwareError `ERR_IO` if the store cannot be written, and `ERR_LINK` with `once` if no broker can be reached
 */
export async function runCollector(deps: CollectorDeps): Promise<void> {
  const { gateways, clock, signal } = deps
  const ended = new AbortController()
  const waiting: { readonly gateway: string; readonly link: SharedLink }[] = []
  const working = new Set<string>()
  let failure: unknown = null
  let unattended = deps.brokers.length
  let wake: () => void = () => undefined
  const isOver = (): boolean => signal.aborted || ended.signal.aborted || failure !== null
  signal.addEventListener("abort", () => wake(), { once: true })

  function wanted(gateway: string, link: SharedLink): void {
    if (!waiting.some((one) => one.gateway === gateway && one.link === link)) waiting.push({ gateway, link })
    start()
  }

  function start(): void {
    while (working.size < AT_ONCE && !isOver()) {
      const at = waiting.findIndex(({ gateway }) => !working.has(gateway))
      const [next] = at < 0 ? [] : waiting.splice(at, 1)
      if (next === undefined) break
      working.add(next.gateway)
      void work(next.gateway, next.link)
    }
    if (deps.once === true && unattended <= 0 && working.size === 0 && waiting.length === 0) ended.abort()
    if (isOver()) wake()
  }

  async function work(gateway: string, link: SharedLink): Promise<void> {
    const source = createCollectSource({ ...deps, link, gateway })
    try {
      if ((await gateways.get(gateway)?.round(source)) === true) waiting.push({ gateway, link })
    } catch (error) {
      // A link that ended is dialled again by whoever has it; what the store throws ends the collector.
      if (!(error instanceof LockgateError) || error.code !== "ERR_LINK") failure ??= error
    } finally {
      source.close()
      working.delete(gateway)
      start()
    }
  }

  async function attend(name: string, dial: () => Promise<MqttLink>): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    for (let count = 1; !isOver(); count++) {
      try {
        const link = await dial()
        if (count > 1) deps.told(name, null)
        retryMs = FIRST_RETRY_MS
        await attendLink(link, `${name} ${count}`)
        await link.close()
      } catch (error) {
        if (!(error instanceof LockgateError) || error.code !== "ERR_LINK") throw error
        if (deps.once === true) throw error
        if (isOver()) return
        deps.told(name, reasonOf(error))
        await pause(retryMs)
        retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2)
      }
    }
  }

  /** Until the link is lost or the collector ends. @throws HardwareError `ERR_LINK` */
  async function attendLink(link: MqttLink, name: string): Promise<void> {
    const shared = shareLink(link, name)
    const names = [...gateways.keys()]
    const byTopic = new Map(names.map((gateway) => [gatewayTopic(gateway, "log/edge"), gateway]))
    const lost = new Promise<string>((resolve) => link.onLost(resolve))
    if (deps.once !== true) {
      shared.listen((topic, _payload, retained) => {
        const gateway = byTopic.get(topic)
        // What is retained comes because it was asked for, or is looked at below.
        if (gateway !== undefined && !retained) wanted(gateway, shared)
      })
      await shared.watch([...byTopic.keys()])
    }
    unattended--
    for (const gateway of names) wanted(gateway, shared)
    const end: { reason: string | null } = { reason: null }
    void lost.then((why) => {
      end.reason = why
      wake()
    })
    let lookedMs = clock.monotonicMs()
    while (!isOver() && end.reason === null) {
      await pause(LOOK_EVERY_MS)
      if (clock.monotonicMs() - lookedMs < LOOK_EVERY_MS || isOver()) continue
      lookedMs = clock.monotonicMs()
      for (const gateway of names) wanted(gateway, shared)
    }
    for (let at = waiting.length - 1; at >= 0; at--) if (waiting[at]?.link === shared) waiting.splice(at, 1)
    const { reason } = end
    if (reason !== null) throw new LockgateError("hardware", "ERR_LINK", "the broker went away", { detail: { reason } })
  }

  const wakers = new Set<() => void>()
  wake = () => {
    for (const one of [...wakers]) one()
  }
  function pause(ms: number): Promise<void> {
    if (isOver()) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        wakers.delete(done)
        resolve()
      }
      const cancel = clock.after(ms, done)
      wakers.add(done)
    })
  }

  const attending = deps.brokers.map(({ name, dial }) => attend(name, dial))
  try {
    await Promise.all(attending)
  } finally {
    ended.abort()
    wake()
    await Promise.allSettled(attending)
    while (working.size > 0) await new Promise<void>((resolve) => void clock.after(10, resolve))
  }
  if (failure !== null) throw failure instanceof Error ? failure : new LockgateError("hardware", "ERR_IO", "failed")
}
