/**
 * A Modbus conduit end to end against a dumb Node pipe: CPU per 100,000 requests, and the delay that a request gets.
 *
 *     node bench/modbus-conduit.bench.ts [--quick]
 *
 * Clear text at both ends, a master that asks and waits, as masters do; units that answer at once. The proxies run in
 * processes of their own, on a core of their own, rounds are interleaved. A wrong or missing answer fails it. `--quick` writes nothing.
 */
import { connect, type Socket } from "node:net"
import { loadavg } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { encodeMbap } from "../firmware/conduits/modbus/mbap.ts"
import { honest, listenModbus } from "../test/support/modbus-wire.ts"
import { startChild, type Child } from "./conduit/lines.ts"
import type { PipeRequest } from "./conduit/pipe.ts"
import { cpuMs } from "./conduit/process-cost.ts"
import { pinSelf, twoCores } from "./conduit/stage.ts"
import { environment, median, report, table } from "./harness.ts"
import type { ModbusEngineRequest } from "./modbus-conduit/engine.ts"

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false } } })
const REQUESTS = values.quick ? 2_000 : 20_000
const ROUNDS = values.quick ? 3 : 9
const MASTERS = 4

interface Proxy {
  readonly name: string
  readonly child: Child | null
  readonly port: number
  readonly cpu: number[]
  readonly p50: number[]
  readonly p99: number[]
}

const script = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

async function proxy(name: string, path: string, request: ModbusEngineRequest | PipeRequest): Promise<Proxy> {
  const child = startChild(script(path), core.proxy)
  const { port } = (await child.call("start", request)) as { port: number }
  return { name, child, port, cpu: [], p50: [], p99: [] }
}

/** One master: asks for ten registers, waits for the answer, asks again. Delays in microseconds. */
function master(port: number, count: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const delays: number[] = []
    const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true })
    let sentMs = 0
    let got = 0
    const ask = (): void => {
      sentMs = performance.now()
      const k = delays.length
      socket.write(encodeMbap(k & 0xffff, 1, Uint8Array.of(3, 0, k % 80, 0, 10)))
    }
    socket.on("connect", ask)
    socket.on("error", reject)
    socket.on("close", () => (delays.length < count ? reject(new Error(`closed after ${delays.length}`)) : undefined))
    socket.on("data", (chunk: Buffer) => {
      got += chunk.length
      if (got < 29) return
      // The last byte of the answer is the last register's address.
      if (got !== 29 || chunk.at(-1) !== (delays.length % 80) + 9) return reject(new Error("a wrong answer"))
      got = 0
      delays.push((performance.now() - sentMs) * 1000)
      if (delays.length < count) return ask()
      socket.destroy()
      resolve(delays)
    })
  })
}

async function round(one: Proxy): Promise<void> {
  const pid = one.child?.pid
  const before = pid === undefined ? 0 : cpuMs(pid)
  const delays = (await Promise.all(Array.from({ length: MASTERS }, () => master(one.port, REQUESTS / MASTERS)))).flat()
  const spent = pid === undefined ? 0 : cpuMs(pid) - before
  delays.sort((a, b) => a - b)
  one.cpu.push((spent / REQUESTS) * 100_000)
  one.p50.push(delays[delays.length >> 1]!)
  one.p99.push(delays[Math.floor(delays.length * 0.99)]!)
}

const load = loadavg()[0] ?? NaN
const core = twoCores()
pinSelf(core.ends)
const units = await listenModbus({ say: honest })
const upstreamPort = units.port
const direct: Proxy = { name: "no proxy", child: null, port: upstreamPort, cpu: [], p50: [], p99: [] }
const proxies = [
  direct,
  await proxy("node pipe", "conduit/pipe.ts", { upstreamPort, tls: null, pooled: false }),
  await proxy("lockgate, 10 rules", "modbus-conduit/engine.ts", { upstreamPort, rules: 10 }),
  await proxy("lockgate, 10,000 rules", "modbus-conduit/engine.ts", { upstreamPort, rules: 10_000 }),
]
for (let k = -1; k < ROUNDS; k++) {
  for (let at = 0; at < proxies.length; at++) await round(proxies[(at + k + 1) % proxies.length]!)
  // The first round warms up.
  if (k === -1) for (const { cpu, p50, p99 } of proxies) for (const list of [cpu, p50, p99]) list.length = 0
  units.seen.length = 0
}
const pipe = proxies[1]!
const rows = proxies.map(({ name, cpu, p50, p99 }) => [
  name,
  cpu.every((ms) => ms === 0) ? "-" : `${median(cpu).toFixed(0)} ms`,
  cpu.every((ms) => ms === 0) ? "-" : median(cpu.map((ms, k) => ms / pipe.cpu[k]!)).toFixed(2),
  `${median(p50).toFixed(0)} us`,
  `${median(p50.map((us, k) => us - direct.p50[k]!)).toFixed(0)} us`,
  `${median(p99).toFixed(0)} us`,
])
for (const { child } of proxies) await child?.stop()
await units.stop()
const body = `${REQUESTS} requests a round, ${MASTERS} masters that ask and wait, clear text; ${ROUNDS} interleaved rounds, medians. The proxies
on one core, masters and units on the other; ${load.toFixed(1)} processes wanted a core before it began.

${table(["", "CPU / 100k requests", "x node pipe", "p50", "added p50", "p99"], rows)}`
if (values.quick) console.log(`${environment()}\n\n${body}`)
else report("Modbus conduit", body)
