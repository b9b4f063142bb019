import { suite } from "uvu"
import * as assert from "uvu/assert"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { createServer as createUnixServer } from "node:net"
import { createServer, type Server, type TlsOptions } from "node:tls"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CONTROLS, PROBES } from "../../../firmware/assess/controls.ts"
import type { ProbeContext } from "../../../firmware/assess/probe-context.ts"
import { assess, runProbe } from "../../../firmware/assess/run.ts"
import { enginePolicyOf } from "../../../firmware/conduits/engine-policy.ts"
import { prepareInForce } from "../../../firmware/conduits/in-force.ts"
import { createFlowCache } from "../../../policy/filter/cache/create.ts"
import { rehearse } from "../../../firmware/conduits/mqtt/rehearse.ts"
import { certificateFacts } from "../../../firmware/tls/certificate-facts.ts"
import { parsePemChain } from "../../../firmware/tls/pem.ts"
import { serverOptions } from "../../../firmware/tls/options.ts"
import type { CommandAnswer, CommandPort, Principal } from "../../../policy/command/port.ts"
import { authorise } from "../../../policy/command/authorise.ts"
import { COMMANDS, type CommandId } from "../../../policy/command/table.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import { catalogue, controlFaults } from "../../../policy/requirements/catalogue.ts"
import { createAuthority, issue } from "../../../provisioning/owner/authority.ts"
import { POLICY } from "../../support/rig.ts"

const test = suite("firmware/assess/probes")

const NOW = Date.now()
const DAY_MS = 86_400_000
const validity = { notBeforeAt: NOW - DAY_MS, notAfterAt: NOW + DAY_MS }

function policyOf(text: string): Policy {
  const parsed = parsePolicy(text, "policy.yaml")
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults))
  return parsed.value
}

const POLICY_VALUE = policyOf(POLICY)

/** The live session and filter under `inForce`, whatever policy the probe believes in. */
function rehearsing(inForce: Policy): ProbeContext["rehearse"] {
  const epoch = { epoch: 1, policy: enginePolicyOf(inForce, compilePolicy(inForce)), authorities: {} }
  const prepared = prepareInForce(epoch, { normal: "open", essential: "open" }, 1)
  const flows = createFlowCache({ seed: new Uint32Array(8) })
  return async (rehearsal) => rehearse(prepared, rehearsal, 0, flows)
}

const commands: CommandPort = {
  execute: async (principal: Principal | null, { command }): Promise<CommandAnswer> => {
    const code = authorise(principal, command as CommandId)
    return code === null ? { ok: true, result: null } : { ok: false, code, entry: 1 }
  },
}

interface World {
  readonly context: ProbeContext
  readonly credential: { key: string; certificate: string }
  close(): Promise<void>
}

/** A healthy gateway as far as probes look: a real listener with our TLS options, a real command socket. */
async function world(tls: (credential: World["credential"]) => TlsOptions = strict, answer = CODES): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-probes-"))
  const authority = await createAuthority({ name: "ca", validity })
  const san = { dns: ["localhost"], ip: ["127.0.0.1"] }
  const issued = await issue(authority, { subject: { cn: "gateway" }, san, usage: "both", ...validity })
  const credential = { key: issued.key, certificate: issued.certificate }
  const server: Server = createServer(tls(credential), (socket) => {
    socket.on("error", () => undefined)
    // As the gateway does it: judged before any listener for data is attached. Here nobody is trusted.
    if (server.listenerCount("open") === 0) socket.destroy()
    else socket.on("data", () => socket.write("CONNACK"))
  })
  server.on("tlsClientError", (_error, socket) => socket.destroy())
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const port = (server.address() as { port: number }).port
  const commandSocket = join(folder, "c.sock")
  const local = createUnixServer((socket) => socket.on("data", () => socket.write(answer)))
  local.listen(commandSocket)
  await once(local, "listening")
  const leaf = certificateFacts(parsePemChain(issued.certificate)[0]!)
  const at = `127.0.0.1:${port}`
  const row = { purpose: "", authentication: "", kind: "tcp-tls" } as const
  return {
    credential,
    context: {
      policy: () => POLICY_VALUE,
      trialRunning: () => false,
      islandOn: () => false,
      essentialOnly: () => false,
      listening: () => [{ conduit: "telemetry", address: "127.0.0.1", port }],
      rehearse: rehearsing(POLICY_VALUE),
      commands,
      commandSocket,
      interfaces: [
        { ...row, name: "conduit/telemetry", direction: "listens", at },
        { ...row, name: "upstream/telemetry", direction: "dials", at: "127.0.0.1:1" },
        { ...row, name: "management/local", kind: "unix", direction: "listens", at: commandSocket },
      ],
      openSockets: async () => [
        { kind: "tcp", at },
        { kind: "unix", at: commandSocket },
      ],
      ownCertificates: new Map([
        ["conduit/telemetry", leaf],
        ["upstream/telemetry", leaf],
      ]),
    },
    async close() {
      server.close()
      local.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const CODES = '{"ok":false,"code":"ERR_COMMAND_MALFORMED","entry":3}\n'

function strict(credential: World["credential"]): TlsOptions {
  return serverOptions({ credential, tlsMin: "1.3", handshakeTimeoutMs: 2_000 })
}

async function outcomes(context: ProbeContext): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const probe of PROBES) {
    const result = await runProbe(probe, context)
    found[probe.id] = result.outcome === "failed" ? `failed: ${result.expected} / ${result.seen}` : result.outcome
  }
  return found
}

/** Runs all probes on a world with one control broken; exactly those named may fail, and they must. */
async function breaks(change: (context: ProbeContext) => Partial<ProbeContext>, failing: string[]): Promise<void> {
  const { context, close } = await world()
  const seen = await outcomes({ ...context, ...change(context) })
  await close()
  const failed = Object.keys(seen).filter((id) => seen[id]!.startsWith("failed"))
  assert.equal(failed.sort(), failing.sort(), JSON.stringify(seen, null, 1))
}

test("every control stands in the catalogue and has probes that exist; every probe bears on a control", () => {
  assert.equal(controlFaults(CONTROLS, new Set(PROBES.map((p) => p.id))), [])
  const used = new Set(CONTROLS.flatMap((c) => c.probes))
  assert.equal(
    PROBES.filter((p) => !used.has(p.id)).map((p) => p.id),
    [],
  )
  for (const file of CONTROLS.flatMap((c) => c.enforcedIn)) {
    assert.ok(existsSync(new URL(`../../../${file}`, import.meta.url)), file)
  }
  assert.is(catalogue().length, 122)
  assert.is(controlFaults([{ requirement: "CR 99.9", claim: "", enforcedIn: [], probes: [] }], new Set()).length, 2)
  const ghost = { requirement: "CR 2.1", claim: "", enforcedIn: [], probes: ["ghost"] }
  assert.is(controlFaults([ghost], new Set()).length, 1)
})

test("on a healthy gateway all probes pass, and exactly the owned rows are met", async () => {
  const { context, close } = await world()
  const rows = await assess(CONTROLS, PROBES, context)
  await close()
  const met = rows.filter((row) => row.result === "met").map((row) => row.requirement)
  const owned = ["CR 1.2", "CR 2.1", "CR 3.5", "CR 3.7", "CR 4.3", "CR 7.7", "NDR 5.2", "NDR 5.2 RE(1)"]
  assert.equal(
    met.sort(),
    owned.sort(),
    JSON.stringify(
      rows.filter((r) => r.claim !== null),
      null,
      1,
    ),
  )
  assert.is(rows.filter((row) => row.result === "not met").length, 0)
  assert.ok(rows.filter((row) => row.result === "not tested").every((row) => row.claim === null))
})

test("nothing is met without a policy: what could not be tested says so", async () => {
  const { context, close } = await world()
  const none = { ...context, policy: () => null, listening: () => [], rehearse: async () => null }
  const rows = await assess(CONTROLS, PROBES, none)
  await close()
  for (const id of ["NDR 5.2", "NDR 5.2 RE(1)", "CR 2.1", "CR 1.2", "CR 4.3"]) {
    assert.is(rows.find((row) => row.requirement === id)?.result, "not tested", id)
  }
})

test("[NDR 5.2 RE(1)] a filter that allows more than the policy is found", async () => {
  const wide = policyOf(POLICY.replace('topics: ["plant/%u/#"]', 'topics: ["#"]'))
  await breaks(() => ({ rehearse: rehearsing(wide) }), ["boundary.filter-agrees-with-policy"])
})

test("[NDR 5.2] a filter that allows less than the policy is found", async () => {
  const narrow = policyOf(POLICY.replace('topics: ["plant/%u/#"]', 'topics: ["plant/%u/x"]'))
  await breaks(() => ({ rehearse: rehearsing(narrow) }), ["boundary.filter-agrees-with-policy"])
})

test("[CR 2.1, NDR 5.2, CR 3.5] a gateway that forwards whatever it reads is found by every boundary probe", async () => {
  const nothing = { answered: new Uint8Array(0), denied: [], closed: null }
  await breaks(
    () => ({ rehearse: async ({ bytes }) => ({ forwarded: bytes, ...nothing }) }),
    [
      "boundary.no-role-no-rights",
      "boundary.filter-agrees-with-policy",
      "boundary.reserved-topics",
      "mqtt.malformed-refused",
    ],
  )
})

test("[CR 2.1] a command door that does not authorise is found", async () => {
  const open: CommandPort = { execute: async () => ({ ok: true, result: null }) }
  await breaks(() => ({ commands: open }), ["command.permission-enforced"])
  const anybody: CommandPort = {
    execute: async (principal, request) =>
      principal === null ? { ok: false, code: "ERR_NOT_AUTHENTICATED", entry: 1 } : open.execute(principal, request),
  }
  await breaks(() => ({ commands: anybody }), ["command.permission-enforced"])
})

test("[CR 7.7] a socket that nobody declared is found", async () => {
  await breaks(
    (context) => ({
      openSockets: async () => [...(await context.openSockets()), { kind: "tcp", at: "127.0.0.1:9229" }],
    }),
    ["interfaces.only-declared"],
  )
})

test("[CR 7.7] every command of the table is asked for by the probe with arguments that the table accepts", async () => {
  const asked = new Set<string>()
  const spy: CommandPort = {
    execute: (principal, request) => {
      asked.add(request.command)
      return commands.execute(principal, request)
    },
  }
  const { context, close } = await world()
  const probe = PROBES.find((p) => p.id === "command.permission-enforced")!
  assert.is((await runProbe(probe, { ...context, commands: spy })).outcome, "passed")
  await close()
  assert.equal([...asked].sort(), Object.keys(COMMANDS).sort())
})

test("[CR 3.7] an answer that explains the inside is found", async () => {
  const telling = '{"ok":false,"code":"ERR_COMMAND_FAILED","entry":3,"message":"ENOENT /state/policy"}\n'
  for (const answer of [telling, '{"ok":false,"code":"no such file","entry":3}\n', "Error: at x.ts:3\n"]) {
    const { context, close } = await world(strict, answer)
    const seen = await outcomes(context)
    await close()
    assert.match(seen["command.errors-are-codes"]!, /^failed/)
  }
})

test("[CR 4.3] a listener that takes weak offers is found", async () => {
  const weak = (c: World["credential"]): TlsOptions => ({
    key: c.key,
    cert: c.certificate,
    minVersion: "TLSv1.2",
    ciphers: "ECDHE-ECDSA-AES128-SHA256:TLS_AES_128_GCM_SHA256",
  })
  const { context, close } = await world(weak)
  const seen = await outcomes(context)
  await close()
  assert.match(seen["tls.weak-offers-refused"]!, /^failed: telemetry to refuse TLS 1.2 with CBC/)
})

test("[CR 4.3] an own certificate of a weak kind is found", async () => {
  await breaks(
    (context) => {
      const leaf = context.ownCertificates.get("upstream/telemetry")!
      const weak = { ...leaf, keyAlgorithm: "RSA:1024" }
      return { ownCertificates: new Map([...context.ownCertificates, ["upstream/telemetry", weak]]) }
    },
    ["tls.weak-offers-refused"],
  )
})

test("[CR 1.2] a listener that answers strangers is found", async () => {
  const made = await world()
  const open = createServer(strict(made.credential), (socket) => {
    socket.on("error", () => undefined)
    socket.on("data", () => socket.write(Uint8Array.of(0x20, 2, 0, 0)))
  })
  open.listen(0, "127.0.0.1")
  await once(open, "listening")
  const port = (open.address() as { port: number }).port
  const listening = (): ReturnType<ProbeContext["listening"]> => [{ conduit: "telemetry", address: "127.0.0.1", port }]
  const seen = await outcomes({ ...made.context, listening })
  open.close()
  await made.close()
  assert.match(seen["listener.strangers-refused"]!, /^failed/)
})

test("[CR 1.2] a listener that shows another certificate than its own is found", async () => {
  const other = await world()
  await breaks(() => ({ ownCertificates: new Map([...other.context.ownCertificates]) }), ["listener.proves-identity"])
  await other.close()
})

test("a probe that throws or hangs counts as failed", async () => {
  const { context, close } = await world()
  const throwing = { ...PROBES[0]!, run: () => Promise.reject(new Error("boom")) }
  assert.is((await runProbe(throwing, context)).outcome, "failed")
  await close()
})

test.run()
