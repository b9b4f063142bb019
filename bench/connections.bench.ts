/**
 * What connections cost: 1, 100 and 1,000 of them through the gateway, a dumb Node pipe and HAProxy; memory while they idle, CPU while
 * all of them together send at one steady rate.
 *
 *     node bench/connections.bench.ts [--quick] [--rounds N] [--only tcp|tls]
 *
 * Every proxy is started once for each number of connections, which stay open from the weighing to the last round; rounds are
 * interleaved, ends and proxies pinned apart, content compared in every run (`bench/conduit/README.md`). `--quick` and `--only`
 * write nothing.
 */
import { loadavg } from "node:os"
import { parseArgs } from "node:util"
import { connectionsTable, judgeConnections } from "./connections/tables.ts"
import { measureConnections } from "./connections/measure.ts"
import type { Plan, Row } from "./connections/measure.ts"
import { haproxy, haproxyVersion } from "./conduit/haproxy.ts"
import { lockgate } from "./conduit/lockgate.ts"
import { makeMaterial } from "./conduit/material.ts"
import { nodePipe } from "./conduit/proxy.ts"
import type { Transport } from "./conduit/proxy.ts"
import { scratchFolder, twoCores } from "./conduit/stage.ts"
import { judgementTable } from "./conduit/tables.ts"
import { report } from "./harness.ts"

const FULL: Plan = {
  connections: [1, 100, 1_000],
  rounds: 15,
  maxSeconds: 110,
  perSecond: 2_000,
  count: 1_000,
  settleMs: 8_000,
}
const QUICK: Plan = {
  connections: [1, 100, 1_000],
  rounds: 3,
  maxSeconds: 30,
  perSecond: 2_000,
  count: 500,
  settleMs: 2_000,
}
const RULES = 1_000

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, rounds: { type: "string" }, only: { type: "string" } },
})
const plan = options.quick ? QUICK : FULL
const rounds = Number(options.rounds ?? process.env["LOCKGATE_BENCH_ROUNDS"] ?? plan.rounds)

// Each proxy leaves a listener that ends it with this process.
process.setMaxListeners(100)

async function measure(): Promise<string> {
  const load = loadavg()[0] ?? NaN
  const core = twoCores()
  const material = await makeMaterial(scratchFolder())
  const hasHaproxy = haproxyVersion() !== null
  if (!hasHaproxy) console.error("LEFT OUT: haproxy is not installed (apt-get install haproxy)")
  const over = (transport: Transport): Promise<Row[]> => {
    const own = lockgate(RULES, "lockgate", [], transport)
    const proxies = [nodePipe(transport), ...(hasHaproxy ? [haproxy(transport)] : []), ...(own === null ? [] : [own])]
    return measureConnections(proxies, material, core, { ...plan, rounds }, (text) =>
      process.stderr.write(`\r${transport}: ${text}   `),
    )
  }
  const rows: Row[] = []
  for (const transport of ["tls", "tcp"] as const)
    if (options.only === undefined || options.only === transport) rows.push(...(await over(transport)))
  process.stderr.write("\n")
  const kept = rows[0]!.runs.length
  if (kept < rounds) console.error(`STOPPED after ${kept} of ${rounds} rounds: the time was over`)
  return [
    `${kept} interleaved rounds of ${plan.count} messages of 142 bytes at QoS 0, one a write, ${plan.perSecond} messages/s over all ` +
      `connections together, policy of ${RULES} rules, content and order compared in every run. The connections of one row stay ` +
      `open throughout; memory (PSS) is weighed before they send. ${load.toFixed(1)} processes wanted a core before it began.`,
    judgementTable(judgeConnections(rows, "lockgate", plan.connections)),
    ...(["tls", "tcp"] as const).map((transport) => connectionsTable(rows, transport)),
  ]
    .filter((part) => part !== "")
    .join("\n\n")
}

const body = await measure()
if (options.quick || options.only !== undefined) console.log(body)
else report("Connections", body)
