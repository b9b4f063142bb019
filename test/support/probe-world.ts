/** A gateway in name, healthy in all that probes look at, for tests that break one thing of it. */
import * as assert from "uvu/assert"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer as createUnixServer } from "node:net"
import { createServer, type Server, type TlsOptions } from "node:tls"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { MemoryClock } from "../../hal/memory/clock.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import { openRetention } from "../../firmware/audit/retention.ts"
import { PROBES } from "../../firmware/assess/controls.ts"
import type { GpioStatus } from "../../firmware/gpio/lines.ts"
import type { ProbeContext } from "../../firmware/assess/probe-context.ts"
import { silenceEnds } from "../../firmware/assess/probes/load.ts"
import { runProbe } from "../../firmware/assess/run.ts"
import { inspectorIsOpen } from "../../firmware/inspector.ts"
import { enginePolicyOf } from "../../firmware/conduits/engine-policy.ts"
import { canMakeCode } from "../../firmware/code-from-text.ts"
import { preparePolicy } from "../../firmware/bundles/prepare.ts"
import { signBundle } from "../../firmware/bundles/sign.ts"
import { createBundleVerifier } from "../../firmware/bundles/verify.ts"
import { prepareInForce } from "../../firmware/conduits/in-force.ts"
import { createFlowCache } from "../../policy/filter/cache/create.ts"
import { rehearseLoad } from "../../firmware/conduits/load/rehearse-load.ts"
import { DEFAULT_LIMITS } from "../../firmware/config/gateway-config.ts"
import { rehearse } from "../../firmware/conduits/mqtt/rehearse.ts"
import { certificateFacts } from "../../firmware/tls/certificate-facts.ts"
import { parsePemChain } from "../../firmware/tls/pem.ts"
import { serverOptions } from "../../firmware/tls/options.ts"
import { openSpool } from "../../firmware/spool/store.ts"
import type { LockgateError } from "../../policy/base/errors.ts"
import type { CommandAnswer, CommandPort, Principal } from "../../policy/command/port.ts"
import { authorise } from "../../policy/command/authorise.ts"
import { type CommandId } from "../../policy/command/table.ts"
import { compilePolicy } from "../../policy/compile/compile.ts"
import { parsePolicy } from "../../policy/language/parse-policy.ts"
import type { Policy } from "../../policy/language/policy.ts"
import { createAuthority, issue } from "../../provisioning/owner/authority.ts"
import { createManagement } from "../../firmware/management/pipeline.ts"
import { rehearseOverride } from "../../firmware/management/rehearse-override.ts"
import { createGatekeeper } from "../../firmware/people/gatekeeper.ts"
import { rehearseApproval } from "../../firmware/people/rehearse-approval.ts"
import { rehearseSigningIn } from "../../firmware/people/rehearse-signing-in.ts"
import { sessionHandlers } from "../../firmware/people/session-handlers.ts"
import { NO_INPUTS } from "../../policy/filter/inputs.ts"
import { openKeptRequests, readKeptRequest } from "../../firmware/audit/requests.ts"
import { ALL_PERMISSIONS } from "../../policy/command/permission.ts"
import { DEFAULT_PEOPLE } from "../../policy/people/rules.ts"
import { AccountsWorld } from "./accounts.ts"
import { signingInOf } from "./signing-in.ts"
import { openTestLog } from "./audit.ts"
import { recordingHandlers } from "./commands.ts"
import { aStatement, makeSigner } from "./bundles.ts"
import { keptBoundary } from "./kept-boundary.ts"
import { clocksOf } from "./clocks.ts"
import { PolicyWorld } from "./policy-world.ts"
import { POLICY } from "./rig.ts"

export const NOW = Date.now()
export const DAY_MS = 86_400_000
export const validity = { notBeforeAt: NOW - DAY_MS, notAfterAt: NOW + DAY_MS }

/** The policy of that text, which must have no faults. */
export function policyOf(text: string): Policy {
  const parsed = parsePolicy(text, "policy.yaml")
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults))
  return parsed.value
}

export const POLICY_VALUE = policyOf(POLICY)

/** The live session and filter under `inForce`, whatever policy the probe believes in. */
export function rehearsing(inForce: Policy): ProbeContext["rehearse"] {
  const epoch = { epoch: 1, policy: enginePolicyOf(inForce, compilePolicy(inForce)), authorities: {} }
  const prepared = prepareInForce(epoch, { normal: "open", essential: "open" }, 1)
  const flows = createFlowCache({ seed: new Uint32Array(8) })
  return async (rehearsal) => rehearse(prepared, rehearsal, 0, flows)
}

/** What the live engine would have open under `inForce`. */
export function openingUnder(inForce: Policy): ProbeContext["openUnder"] {
  const epoch = { epoch: 1, policy: enginePolicyOf(inForce, compilePolicy(inForce)), authorities: {} }
  return async (posture, failed) => {
    const { conduits } = prepareInForce(epoch, posture, 1, undefined, undefined, { granted: [], failed })
    return [...conduits].filter(([, { open }]) => open).map(([name]) => name)
  }
}

export const portOf = (server: Server): number => (server.address() as { port: number }).port

/** The gateway's policy side with a real bundle in force. */
export const signer = await makeSigner("owner")
export const bundles = new PolicyWorld(undefined, {
  verify: createBundleVerifier([signer.trusted]),
  parsePolicy,
  compile: compilePolicy,
})
await bundles.activation.start()
await bundles.activation.installFromFile(await signBundle(aStatement({ policy: POLICY }), signer.signing))
bundles.activation.stop()

/** The codes with which the gateway refuses those texts as its policy; null for one that it takes. */
export async function readPolicies(documents: readonly string[]): Promise<readonly (string | null)[]> {
  return documents.map((policy) => {
    try {
      preparePolicy({ policy, file: "p", cases: null }, { parsePolicy, compile: compilePolicy, testCases: () => [] })
      return null
    } catch (error) {
      return (error as LockgateError).code
    }
  })
}

export const commands: CommandPort = {
  execute: async (principal: Principal | null, { command }): Promise<CommandAnswer> => {
    const code = authorise(principal, command as CommandId)
    // It writes nothing down: no entry has a number.
    return code === null ? { ok: true, result: null } : { ok: false, code, entry: null }
  },
}

export const OUTPUT = { name: "led", shows: "fault", on: false, safe: "on" } as const
export const DOOR = { name: "door", state: "shut", tamper: "open" }
export const LINES: GpioStatus = { inputs: [DOOR], outputs: [OUTPUT], tampered: [], simulated: true }

/** A log with all the room it wants. */
export async function roomyLog(storage = new MemoryStorage()): Promise<ProbeContext["auditRoom"]> {
  const clock = new MemoryClock()
  const log = await openTestLog(storage, { clock })
  const room = await openRetention({ log, storage, clock, capacityBytes: 2 ** 21, condition: () => undefined })
  await room.policyChanged(null)
  return room
}

/** What probes look at, its credential, and the end of it. */
export interface World {
  readonly context: ProbeContext
  readonly credential: { key: string; certificate: string }
  close(): Promise<void>
}

/** A healthy gateway as far as probes look: a real listener with our TLS options, a real command socket. */
export async function world(
  tls: (credential: World["credential"]) => TlsOptions = strict,
  answer = CODES,
): Promise<World> {
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
  // The broker hears nobody who has no certificate of its authority.
  const broker = createServer(
    { ...strict(credential), ca: [authority.certificate], rejectUnauthorized: true },
    (socket) => socket.write("CONNACK"),
  )
  broker.on("tlsClientError", (_error, socket) => socket.destroy())
  broker.listen(0, "127.0.0.1")
  await once(broker, "listening")
  const kept = await keptBoundary()
  const storage = new MemoryStorage()
  const spool = await openSpool({ storage, secret: randomBytes(32), note: () => undefined })
  const log = await openTestLog(storage)
  const requests = await openKeptRequests({ storage, audit: (event) => log.append(event), logSize: () => log.size })
  const row = { purpose: "", authentication: "", kind: "tcp-tls" } as const
  const people = new AccountsWorld()
  people.rules = { ...people.rules, notice: "Property of the plant." }
  const accounts = await people.withAnna()
  const signingIn = await signingInOf(people, accounts)
  return {
    credential,
    context: {
      policy: () => POLICY_VALUE,
      trialRunning: () => false,
      islandOn: () => false,
      essentialOnly: () => false,
      listening: () => [{ conduit: "telemetry", address: "127.0.0.1", port }],
      rehearse: rehearsing(POLICY_VALUE),
      rehearseLoad: async () => rehearseLoad(LIMITS, 1_000),
      limits: LIMITS,
      bundleInForce: () => bundles.activation.bundle(),
      offerBundle: (text) => bundles.activation.examine(text),
      readPolicies,
      codeFromText: async () => ({ gateway: canMakeCode(), engine: false }),
      execArgv: process.execArgv,
      inspector: () => ({ allowed: false, open: inspectorIsOpen() }),
      commands: createManagement({
        handlers: { ...recordingHandlers([]), ...sessionHandlers(signingIn) },
        audit: (event) => log.append(event),
        requests,
      }),
      commandSocket,
      interfaces: [
        { ...row, name: "conduit/telemetry", direction: "listens", at },
        { ...row, name: "upstream/telemetry", direction: "dials", at: `127.0.0.1:${portOf(broker)}` },
        { ...row, name: "management/mqtt", direction: "dials", at: `127.0.0.1:${portOf(broker)}` },
        { ...row, name: "management/local", kind: "unix", direction: "listens", at: commandSocket },
      ],
      openSockets: async () => [
        { kind: "tcp", at },
        { kind: "unix", at: commandSocket },
      ],
      openUnder: openingUnder(POLICY_VALUE),
      access: () => [],
      boundary: kept,
      atRest: { spool, files: storage },
      audit: { gateway: "gw", readBack: async () => "shown", witnesses: () => [] },
      lines: () => LINES,
      accounts,
      signingIn: { attempts: signingIn.attempts, sessions: signingIn.sessions, rehearse: rehearseSigningIn },
      now: () => ({ earliestAt: NOW, latestAt: NOW }),
      passwords: () => ({ ...DEFAULT_PEOPLE.passwords, longestDays: 365, shortestHours: 1 }),
      gates: {
        rules: () => ({ ...people.rules, twoFactors: ALL_PERMISSIONS }),
        judge: createGatekeeper({
          rules: () => ({ ...DEFAULT_PEOPLE, twoFactors: ALL_PERMISSIONS }),
          inputs: () => NO_INPUTS,
        }).judge,
        rehearse: rehearseApproval,
      },
      overrides: { status: () => [], rehearse: rehearseOverride },
      time: await clocksOf([signer.trusted]),
      auditRoom: await roomyLog(),
      trail: {
        append: (event) => log.append(event),
        read: (from, max) => log.read(from, max),
        get size() {
          return log.size
        },
        keptRequest: (hash) => readKeptRequest(storage, hash),
        alarmsLookedAt: () => log.size,
        published: () => log.size,
      },
      revocations: (authority) => (authority === "field-ca" ? [{ issuerDer: "30", serials: ["a", "b"] }] : []),
      isRevoked: async (_conduit, issuerDer, serial) => issuerDer === "30" && ["a", "b"].includes(serial),
      ownCertificates: new Map([
        ["conduit/telemetry", leaf],
        ["upstream/telemetry", leaf],
        ["management/mqtt", leaf],
      ]),
    },
    async close() {
      server.close()
      broker.close()
      local.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const LIMITS = { ...DEFAULT_LIMITS, halfOpenMs: 100 }

export const CODES = '{"ok":false,"code":"ERR_COMMAND_MALFORMED","entry":3}\n'

/** The TLS options that the gateway's listeners have. */
export function strict(credential: World["credential"]): TlsOptions {
  return serverOptions({ credential, tlsMin: "1.3", handshakeTimeoutMs: LIMITS.halfOpenMs })
}

/** What each probe says of that gateway: its outcome, and for a failed one what it expected and saw. */
export async function outcomes(context: ProbeContext): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  // It only waits for a connection of its own to end: beside the others.
  const waits = runProbe(silenceEnds, context)
  for (const probe of PROBES) {
    const result = await (probe === silenceEnds ? waits : runProbe(probe, context))
    found[probe.id] = result.outcome === "failed" ? `failed: ${result.expected} / ${result.seen}` : result.outcome
  }
  return found
}

/** Runs all probes on a world with one control broken; exactly those named may fail, and they must. */
export async function breaks(
  change: (context: ProbeContext) => Partial<ProbeContext>,
  failing: string[],
): Promise<void> {
  const { context, close } = await world()
  const seen = await outcomes({ ...context, ...change(context) })
  await close()
  const failed = Object.keys(seen).filter((id) => seen[id]!.startsWith("failed"))
  assert.equal(failed.sort(), failing.sort(), JSON.stringify(seen, null, 1))
}
