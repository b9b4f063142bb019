/** What stands between publishers and subscriber: mosquitto, mosquitto behind the gateway, Aedes. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { startMosquitto } from "../../test/peers/mosquitto.ts"
import { commandPath } from "../../test/peers/packages.ts"
import { freePort } from "../../test/peers/ports.ts"
import { pinned, startChild } from "../conduit/lines.ts"
import { lockgate } from "../conduit/lockgate.ts"
import type { Proxy, StartOptions, Transport } from "../conduit/proxy.ts"
import type { AedesRequest, Habit } from "./aedes.ts"
import { aclText } from "./rules.ts"

/** The version of the mosquitto that is here, or null if there is none. */
export function mosquittoVersion(): string | null {
  const command = commandPath("mosquitto")
  return command === null
    ? null
    : (/version (\S+)/.exec(spawnSync(command, ["-h"], { encoding: "utf8" }).stdout)?.[1] ?? "?")
}

interface Broker {
  readonly pid: number
  /** For publishers. */
  readonly fieldPort: number
  /** For the subscriber, and for a gateway. The same as the other in clear text. */
  readonly controlPort: number
  stop(): Promise<void>
}

/** mosquitto with an ACL of `lines` lines, or with none for 0: a listener for each zone where there is TLS. */
async function broker(transport: Transport, lines: number, { material, core }: StartOptions): Promise<Broker> {
  const { proxyServer: field, broker: control } = material
  const controlPort = await freePort()
  const running = await startMosquitto({
    under: pinned(core, []),
    quiet: true,
    ...(lines > 0 ? { acl: aclText(lines) } : {}),
    ...(transport === "tcp"
      ? {}
      : { tls: { ca: field.authorityFile, cert: field.certificateFile, key: field.keyFile, requireCert: true } }),
    config: [
      ...(transport === "tcp" ? [] : [`listener ${controlPort} 127.0.0.1`, `cafile ${control.authorityFile}`]),
      ...(transport === "tcp" ? [] : [`certfile ${control.certificateFile}`, `keyfile ${control.keyFile}`]),
      ...(transport === "tcp" ? [] : ["require_certificate true", "use_identity_as_username true"]),
      // Small packets leave at once, and none is dropped when the subscriber is behind.
      ...["set_tcp_nodelay true", "max_queued_messages 0"],
    ],
  })
  const { pid, port, tlsPort } = running
  const ports = transport === "tcp" ? { fieldPort: port, controlPort: port } : { fieldPort: tlsPort, controlPort }
  return { pid, ...ports, stop: () => running.stop() }
}

/** mosquitto alone, with an ACL of `lines` lines over twenty users; 0: without any. */
export function mosquitto(transport: Transport, lines: number): Proxy {
  return {
    name: lines === 0 ? "mosquitto, no ACL" : `mosquitto, ACL of ${thousands(lines)} lines`,
    transport,
    async start(options) {
      const { pid, fieldPort, controlPort, stop } = await broker(transport, lines, options)
      return { pid, port: fieldPort, subscribeAt: controlPort, stop }
    },
  }
}

/** The gateway under `rules` rules with a mosquitto without ACL behind it; null where there is no gateway. */
export function lockgateAndMosquitto(transport: Transport, rules: number): Proxy | null {
  const gateway = lockgate(rules, `lockgate, ${thousands(rules)} rules`, [], transport)
  return gateway === null ? null : andMosquitto(gateway)
}

/** `proxy` with a mosquitto without ACL behind it. */
export function andMosquitto(proxy: Proxy): Proxy {
  return {
    name: `${proxy.name} + mosquitto`,
    transport: proxy.transport,
    async start(options) {
      const behind = await broker(proxy.transport, 0, options)
      const { pid, port, stop } = await proxy.start({ ...options, upstreamPort: behind.controlPort })
      return {
        pid,
        port,
        brokerPid: behind.pid,
        subscribeAt: behind.controlPort,
        async stop() {
          await stop()
          await behind.stop()
        },
      }
    },
  }
}

/** Aedes with `rules` rules in a hook, or without one for 0. */
export function aedes(rules: number, habit: Habit = "mqtt-match"): Proxy {
  return {
    name: rules === 0 ? "aedes, no hook" : `aedes, ${thousands(rules)} rules, ${habit}`,
    transport: "tcp",
    async start({ core }) {
      const child = startChild(fileURLToPath(new URL("aedes.ts", import.meta.url)), core)
      const { port } = await child.call("start", { rules, habit } satisfies AedesRequest)
      return { pid: child.pid, port, subscribeAt: port, stop: () => child.stop() }
    },
  }
}

function thousands(count: number): string {
  return count.toLocaleString("en")
}
