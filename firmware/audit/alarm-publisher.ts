import { LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Clock } from "../../hal/clock.ts"
import { createAlarmWatch } from "./alarm-watch.ts"
import type { AlarmSource } from "./alarms.ts"
import type { MqttLink } from "./mqtt-link.ts"
import { createAlterationTeller } from "./retained-teller.ts"
import { gatewayTopic } from "../../policy/audit/topics.ts"

/** An alarm that counts on is told this often at most. */
const PACE_MS = 1_000

/** What the telling of alarms over one link stands on. */
export interface AlarmSessionDeps {
  readonly link: Pick<MqttLink, "publish" | "subscribe" | "onMessage" | "onLost">
  readonly alarms: AlarmSource
  readonly clock: Clock
  readonly gateway: string
  readonly signal: AbortSignal
  readonly report: (event: AuditEvent) => void
}

/**
 * Tells the broker of every alarm, until the link ends or the signal stops it; never rejects for a link that ends.
 *
 * `lockgate/<gateway>/alarm/<id>` holds the alarm as JSON, retained, QoS 1; when it was acknowledged an empty retained message
 * clears it. Each link begins with all that is open and all that was acknowledged while there was none. What changes often
 * is told as it is now, once a second. What somebody else overwrites, clears or adds there is told (`audit.alarm-altered`) and put right.
 *
 * @see IEC 62443-4-2 CR 6.2
 */
export async function publishAlarms({ link, alarms, clock, gateway, signal, report }: AlarmSessionDeps): Promise<void> {
  const waiting = new Set(alarms.told())
  let ended = signal.aborted
  let ring = (): void => undefined
  const end = (): void => {
    ended = true
    ring()
  }
  const endChanges = alarms.onChange((id) => {
    waiting.add(id)
    ring()
  })
  const teller = createAlterationTeller({ clock, report }, "audit.alarm-altered")
  const watch = createAlarmWatch({ gateway, alarms, found: (reason, object) => teller.tell(reason, object) })
  link.onMessage(async (message) => {
    const id = watch.take(message)
    if (id !== null) waiting.add(id)
    ring()
  })
  link.onLost(end)
  signal.addEventListener("abort", end, { once: true })
  const isOver = (): boolean => ended
  try {
    // Who may not read them there tells them all the same; nobody watches over them then.
    await link.subscribe([gatewayTopic(gateway, "alarm/#")]).catch(unlessRefused)
    while (!isOver()) {
      for (const topic of watch.takeForeign()) await link.publish(topic, new Uint8Array(), true)
      for (const id of waiting) {
        waiting.delete(id)
        const alarm = alarms.get(id)
        const payload = alarm === null ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(alarm))
        watch.sent(id, payload)
        await link.publish(gatewayTopic(gateway, `alarm/${id}`), payload, true)
        if (alarm === null) alarms.cleared(id)
        if (isOver()) return
      }
      await new Promise<void>((resolve) => {
        const cancel = clock.after(PACE_MS, resolve)
        ring = () => {
          if (!ended) return
          cancel()
          resolve()
        }
      })
      if (!isOver() && waiting.size === 0 && !watch.hasForeign) await new Promise<void>((resolve) => (ring = resolve))
    }
  } catch (error) {
    // The link is gone; the next one begins anew.
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
  } finally {
    endChanges()
    teller.stop()
    signal.removeEventListener("abort", end)
  }
}

function unlessRefused(error: unknown): void {
  if (!(error instanceof LockgateError) || (error as LockgateError).detail["reason"] !== "refused") throw error
}
