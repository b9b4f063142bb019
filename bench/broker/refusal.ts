/** Whether what is measured judges at all: a broker whose ACL nobody asks would be fast, too. */
import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { connectAsync } from "mqtt"
import type { IClientOptions, MqttClient } from "mqtt"
import { clientId, commonName } from "../conduit/material.ts"
import type { Material } from "../conduit/material.ts"
import { topicOf } from "../conduit/message.ts"
import type { RunningProxy, Transport } from "../conduit/proxy.ts"
import { SUBSCRIBER } from "../conduit/rig.ts"
import type { TlsEnd } from "../conduit/tls-files.ts"

/** A topic on the first client's own line that no policy of the bench has a rule for. */
const FORBIDDEN = topicOf(99_980)

/**
 * Publishes what the first client may not, and then what it may; returns the topics that the subscriber got, and waits for
 * `count` of them.
 *
 * @throws Error if they are not there after two seconds.
 */
export async function delivered(
  { port, subscribeAt }: RunningProxy,
  transport: Transport,
  material: Material,
  count: number,
): Promise<string[]> {
  const open = (at: number, id: string, username: string, end: TlsEnd): Promise<MqttClient> => {
    const tls = {
      key: readFileSync(end.keyFile),
      cert: readFileSync(end.certificateFile),
      ca: readFileSync(end.authorityFile),
    }
    const options: IClientOptions = { protocolVersion: 4, clientId: id, username, reconnectPeriod: 0, keepalive: 0 }
    const url = `${transport === "tls" ? "mqtts" : "mqtt"}://127.0.0.1:${at}`
    return connectAsync(url, transport === "tls" ? { ...options, ...tls } : options, false)
  }
  const subscriber = await open(subscribeAt ?? port, SUBSCRIBER.name, SUBSCRIBER.user, material.proxyClient)
  const topics: string[] = []
  subscriber.on("error", () => undefined)
  subscriber.on("message", (topic) => topics.push(topic))
  await subscriber.subscribeAsync("plant/#")
  // Some close the connection on what they refuse: each topic has its own.
  for (const topic of [FORBIDDEN, topicOf(0)]) {
    const client = await open(port, clientId(0), commonName(0), material.clients[0]!)
    client.on("error", () => undefined)
    const closed = new Promise<void>((resolve) => client.once("close", () => resolve()))
    await client.publishAsync(topic, "x").catch(() => undefined)
    client.end()
    await closed
  }
  for (let tries = 0; tries < 200 && topics.length < count; tries++) await sleep(10)
  await subscriber.endAsync(true)
  if (topics.length < count) throw new Error(`only ${topics.length} of ${count} messages arrived: ${topics.join(" ")}`)
  return topics
}

/** @throws Error if the contender called `name` lets everything through though it `shouldRefuse`, or refuses what it should not. */
export async function checkRefusal(
  name: string,
  running: RunningProxy,
  transport: Transport,
  material: Material,
  shouldRefuse: boolean,
): Promise<void> {
  const expected = shouldRefuse ? [topicOf(0)] : [FORBIDDEN, topicOf(0)]
  const topics = await delivered(running, transport, material, expected.length)
  if (topics.join() !== expected.join()) throw new Error(`${name}, ${transport}: delivered ${topics.join(" ")}`)
}
