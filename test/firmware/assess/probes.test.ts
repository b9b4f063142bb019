import { suite } from "uvu"
import * as assert from "uvu/assert"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { createServer as createTcpServer, type Socket } from "node:net"
import { createServer, type TlsOptions, type TLSSocket } from "node:tls"
import { CONTROLS, PROBES } from "../../../firmware/assess/controls.ts"
import type { GpioStatus } from "../../../firmware/gpio/lines.ts"
import type { ProbeContext } from "../../../firmware/assess/probe-context.ts"
import { strangersAreRefused } from "../../../firmware/assess/probes/transport.ts"
import { assess, runProbe } from "../../../firmware/assess/run.ts"

import type { CommandPort } from "../../../policy/command/port.ts"
import { COMMANDS } from "../../../policy/command/table.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { catalogue, controlFaults } from "../../../policy/requirements/catalogue.ts"

import { POLICY } from "../../support/rig.ts"
import {
  policyOf,
  POLICY_VALUE,
  portOf,
  rehearsing,
  bundles,
  commands,
  OUTPUT,
  DOOR,
  LINES,
  world,
  strict,
  outcomes,
  breaks,
  type World,
} from "../../support/probe-world.ts"

const test = suite("firmware/assess/probes")

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
  const owned = [
    "CR 1.1",
    "CR 1.1 RE(1)",
    "CR 1.1 RE(2)",
    "CR 1.2",
    "CR 1.3",
    "CR 1.4",
    "CR 1.5",
    "CR 1.7",
    "CR 1.7 RE(1)",
    "CR 1.7 RE(2)",
    "CR 1.10",
    "CR 1.11",
    "CR 1.12",
    "CR 2.1",
    "CR 2.1 RE(1)",
    "CR 2.1 RE(2)",
    "CR 2.1 RE(3)",
    "CR 2.1 RE(4)",
    "CR 1.9",
    "CR 2.2",
    "CR 2.5",
    "CR 2.6",
    "CR 2.7",
    "CR 2.11",
    "CR 2.11 RE(1)",
    "CR 2.11 RE(2)",
    "CR 2.9",
    "CR 2.9 RE(1)",
    "CR 2.10",
    "CR 2.8",
    "CR 2.12",
    "CR 3.1",
    "CR 3.1 RE(1)",
    "CR 3.5",
    "CR 3.6",
    "CR 3.7",
    "CR 3.8",
    "CR 3.9",
    "CR 4.1",
    "CR 4.3",
    "CR 5.1",
    "CR 6.2",
    "CR 6.1",
    "CR 6.1 RE(1)",
    "CR 7.1",
    "CR 7.1 RE(1)",
    "CR 7.2",
    "CR 7.7",
  ]
  owned.push("NDR 1.6", "NDR 1.6 RE(1)")
  owned.push(
    "EDR 2.4",
    "EDR 2.4 RE(1)",
    "NDR 2.4",
    "NDR 2.4 RE(1)",
    "NDR 5.2",
    "NDR 5.2 RE(1)",
    "NDR 5.2 RE(2)",
    "NDR 5.2 RE(3)",
    "NDR 5.3",
  )
  owned.push("EDR 3.11", "EDR 3.11 RE(1)", "NDR 3.11", "NDR 3.11 RE(1)")
  const failed = rows.flatMap(({ probes }) => probes).filter(({ result }) => result.outcome === "failed")
  assert.equal(failed, [])
  assert.equal(met.sort(), owned.sort())
  assert.is(rows.filter((row) => row.result === "not met").length, 0)
  assert.ok(
    rows
      .filter((row) => row.result === "not tested")
      .every((row) => row.claim === null || ["NDR 1.13", "CR 2.12 RE(1)"].some((id) => row.requirement.startsWith(id))),
  )
})

test("nothing is met without a policy: what could not be tested says so", async () => {
  const { context, close } = await world()
  const none = { ...context, policy: () => null, bundleInForce: () => null, listening: () => [], rehearse: async () => null } // prettier-ignore
  const rows = await assess(CONTROLS, PROBES, none)
  await close()
  const traffic = ["NDR 5.2", "NDR 5.2 RE(1)", "NDR 5.3", "CR 2.1", "CR 2.1 RE(1)", "CR 2.1 RE(2)", "CR 1.2", "CR 4.3"]
  for (const id of [...traffic, "EDR 2.4", "NDR 2.4", "NDR 2.4 RE(1)"]) {
    assert.is(rows.find((row) => row.requirement === id)?.result, "not tested", id)
  }
})

test("[NDR 5.2 RE(1)] a filter that allows more than the policy is found", async () => {
  const wide = policyOf(POLICY.replace('topics: ["plant/%u/#"]', 'topics: ["#"]'))
  const failing = ["boundary.filter-agrees-with-policy", "boundary.person-to-person"]
  await breaks(() => ({ rehearse: rehearsing(wide) }), failing)
})

test("[NDR 5.2] a filter that allows less than the policy is found", async () => {
  const narrow = policyOf(POLICY.replace('topics: ["plant/%u/#"]', 'topics: ["plant/%u/x"]'))
  const failing = ["boundary.filter-agrees-with-policy", "authority.roles-by-policy"]
  await breaks(() => ({ rehearse: rehearsing(narrow) }), failing)
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
      "boundary.person-to-person",
      "authority.every-user",
      "authority.roles-by-policy",
    ],
  )
})

/** A door that is a stand-in writes nothing down: the probes of the trail say so, too. */
const SILENT = [
  "audit.events-written",
  "audit.requests-kept",
  "monitoring.reaches-operator",
  "people.feedback-reveals-nothing",
  "people.notice-shown",
]

test("[CR 2.1] a command door that does not authorise is found", async () => {
  const open: CommandPort = { execute: async () => ({ ok: true, result: null }) }
  await breaks(
    () => ({ commands: open }),
    ["command.permission-enforced", "authority.every-user", "override.bounded", ...SILENT],
  )
  const anybody: CommandPort = {
    execute: async (principal, request) =>
      principal === null ? { ok: false, code: "ERR_NOT_AUTHENTICATED", entry: null } : open.execute(principal, request),
  }
  await breaks(
    () => ({ commands: anybody }),
    ["command.permission-enforced", "authority.every-user", "override.bounded", ...SILENT],
  )
})

test("[CR 2.1 RE(1)] a door that trusts those who come one way, or lets nobody in, is found", async () => {
  const trusting: CommandPort = {
    execute: async (principal, request) =>
      principal?.via === "serial" ? { ok: true, result: null } : commands.execute(principal, request),
  }
  await breaks(() => ({ commands: trusting }), ["authority.every-user", "override.bounded", ...SILENT])
  const shut: CommandPort = {
    execute: async (principal) => ({ ok: false, code: principal === null ? "ERR_NOT_AUTHENTICATED" : "ERR_NOT_PERMITTED", entry: null }), // prettier-ignore
  }
  await breaks(() => ({ commands: shut }), ["authority.every-user", "override.bounded", ...SILENT])
})

test("[CR 2.1 RE(1)] a boundary that lets a device without roles subscribe is found", async () => {
  const lenient = rehearsing(POLICY_VALUE)
  const ears: ProbeContext["rehearse"] = async (asked) => {
    const seen = await lenient(asked)
    const subscribes = asked.roles.length === 0 && Buffer.from(asked.bytes).includes(0x82)
    return seen === null || !subscribes
      ? seen
      : { ...seen, forwarded: Uint8Array.of(...seen.forwarded, 0x82, 5, 0, 1, 0) }
  }
  await breaks(() => ({ rehearse: ears }), ["authority.every-user"])
})

test("[CR 2.1 RE(2)] rights that do not come from the roles in the policy are found", async () => {
  const swapped = policyOf(POLICY.replace("allow: publish, roles: [sensor]", "allow: publish, roles: [pump]"))
  const failing = ["boundary.filter-agrees-with-policy", "authority.roles-by-policy"]
  await breaks(() => ({ rehearse: rehearsing(swapped) }), failing)
  // A filter that knows one set of roles too many: only who asks with one role less sees it.
  const more = policyOf(
    POLICY.replace("conduits:", `  - { zone: field, match: { cn: "{name}" }, roles: [pump] }\nconduits:`),
  )
  const pumps = policyOf(POLICY.replace("allow: publish, roles: [sensor]", "allow: publish, roles: [sensor, pump]"))
  const both = { ...pumps, subjects: more.subjects }
  await breaks(() => ({ rehearse: rehearsing(both) }), ["authority.roles-by-policy"])
})

test("[NDR 2.4 RE(1)] a verification that reads what nobody signed is found, and one that refuses everything as well", async () => {
  const failing = ["authority.roles-by-policy", "code.bundles-authentic"]
  await breaks(() => ({ offerBundle: async () => null }), failing)
  const inForce = bundles.activation.bundle()
  const late = async (text: string): Promise<string | null> => (text === inForce ? "ERR_BUNDLE_VERSION" : "ERR_BUNDLE_STATEMENT") // prettier-ignore
  await breaks(() => ({ offerBundle: late }), ["code.bundles-authentic"])
  await breaks(() => ({ offerBundle: async () => "ERR_BUNDLE_SIGNATURES" }), ["code.bundles-authentic"])
  const flips = async (text: string): Promise<string | null> => {
    // A verifier that looks at the signatures only where there is more than one bit wrong.
    const reason = await bundles.activation.examine(text)
    return JSON.parse(text).signatures?.[0]?.signature !== JSON.parse(inForce!).signatures[0].signature ? null : reason
  }
  await breaks(() => ({ offerBundle: flips }), failing)
})

test("[NDR 2.4] an inspector that is open, allowed, or a signal away is found", async () => {
  const failing = ["code.no-inspector"]
  await breaks(() => ({ inspector: () => ({ allowed: false, open: true }) }), failing)
  await breaks(() => ({ inspector: () => ({ allowed: true, open: false }) }), failing)
  await breaks(() => ({ execArgv: ["--disallow-code-generation-from-strings"] }), failing)
})

test("[NDR 2.4] a gateway, or an engine, that makes code of text is found; so is a reader of policies that does", async () => {
  const failing = ["code.none-from-text"]
  await breaks(() => ({ codeFromText: async () => ({ gateway: true, engine: false }) }), failing)
  await breaks(() => ({ codeFromText: async () => ({ gateway: false, engine: true }) }), failing)
  await breaks(() => ({ execArgv: ["--disable-sigusr1"] }), failing)
  for (const codes of [[], [null], ["ERR_POLICY_FAULTS"]])
    await breaks(() => ({ readPolicies: async () => codes }), failing)
  // It takes the last of them only: each is looked at.
  const lax = async (documents: readonly string[]) => documents.map((_, n) => (n + 1 < documents.length ? "ERR_POLICY_FAULTS" : null)) // prettier-ignore
  await breaks(() => ({ readPolicies: lax }), failing)
  let mark = ""
  const naive = async (documents: readonly string[]) => {
    mark = documents.map((text) => /probe[0-9a-f]{32}/.exec(text)?.[0] ?? "").find((found) => found !== "") ?? ""
    Object.assign(globalThis, { [mark]: 1 })
    return documents.map(() => "ERR_POLICY_FAULTS")
  }
  await breaks(() => ({ readPolicies: naive }), failing)
  Reflect.deleteProperty(globalThis, mark)
})

test("[NDR 5.3] a boundary that lets the words of another protocol through, or stays open for more, is found", async () => {
  const strict = rehearsing(POLICY_VALUE)
  const words: ProbeContext["rehearse"] = async (asked) => {
    const seen = await strict(asked)
    const mail = Buffer.from(asked.bytes).includes("EHLO")
    return seen !== null && mail ? { ...seen, forwarded: asked.bytes } : seen
  }
  await breaks(() => ({ rehearse: words }), ["boundary.person-to-person"])
  const patient: ProbeContext["rehearse"] = async (asked) => {
    const seen = await strict(asked)
    return seen !== null && Buffer.from(asked.bytes).includes("INVITE") ? { ...seen, closed: null } : seen
  }
  await breaks(() => ({ rehearse: patient }), ["boundary.person-to-person"])
})

test("[NDR 5.3] a policy that lets everybody publish everywhere shows nothing, and says so", async () => {
  const wide = policyOf(POLICY.replace('topics: ["plant/%u/#"]', 'topics: ["#"]'))
  const { context, close } = await world()
  const probe = PROBES.find((p) => p.id === "boundary.person-to-person")!
  const result = await runProbe(probe, { ...context, policy: () => wide, rehearse: rehearsing(wide) })
  await close()
  assert.is(result.outcome, "not-tested")
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
  const guarded = Object.entries(COMMANDS).filter(([, { permission }]) => permission !== null)
  assert.equal([...asked].sort(), guarded.map(([id]) => id).sort())
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

test("[CR 1.9] conduits that do not know a kept list, know half of it, or refuse everybody are found", async () => {
  const failing = ["trust.revoked-refused"]
  for (const said of [false, null, true]) await breaks(() => ({ isRevoked: async () => said }), failing)
  await breaks(() => ({ isRevoked: async (_conduit, _issuer, serial) => serial === "a" }), failing)
  const { context, close } = await world()
  const probe = PROBES.find((p) => p.id === "trust.revoked-refused")!
  assert.is((await runProbe(probe, { ...context, revocations: () => [] })).outcome, "not-tested")
  await close()
})

test("[CR 3.1] an end without TLS, and a listener that does not notice an altered record, are found", async () => {
  const clear = { name: "conduit/lines", direction: "listens", kind: "tcp", at: "127.0.0.1:502", purpose: "", authentication: "" } // prettier-ignore
  const probe = PROBES.find((p) => p.id === "tls.altered-refused")!
  const { context, close } = await world()
  assert.is((await runProbe(probe, { ...context, interfaces: [clear as never] })).outcome, "failed")
  // It reads what comes, checks nothing, and hangs up.
  const deaf = createTcpServer(
    (socket) => void socket.on("error", () => undefined).once("data", () => socket.end("hello")),
  )
  deaf.listen(0, "127.0.0.1")
  await once(deaf, "listening")
  const { port } = deaf.address() as { port: number }
  const listening = () => [{ conduit: "telemetry", address: "127.0.0.1", port }]
  assert.is((await runProbe(probe, { ...context, listening })).outcome, "failed")
  deaf.close()
  await close()
})

test("[CR 3.1 RE(1)] a listener that resumes sessions is found", async () => {
  const lax = (c: World["credential"]): TlsOptions => ({ key: c.key, cert: c.certificate, minVersion: "TLSv1.2" })
  const made = await world(lax)
  const probe = PROBES.find((p) => p.id === "tls.no-resumption")!
  const tickets = createServer(lax(made.credential), (socket) => void socket.on("error", () => undefined).end("x"))
  tickets.listen(0, "127.0.0.1")
  await once(tickets, "listening")
  const { port } = tickets.address() as { port: number }
  const listening = () => [{ conduit: "telemetry", address: "127.0.0.1", port }]
  assert.is((await runProbe(probe, { ...made.context, listening })).outcome, "failed")
  tickets.close()
  await made.close()
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

/** What the probe makes of a listener that does this with whoever has sent something. */
async function strangersAt(does: (peer: TLSSocket, raw: Socket) => unknown): Promise<ProbeResult> {
  const made = await world()
  const sockets: Socket[] = []
  const open = createServer(strict(made.credential), (peer) => {
    peer.on("error", () => undefined)
    peer.on("data", () => void does(peer, sockets.at(-1)!))
  })
  open.on("connection", (raw: Socket) => sockets.push(raw))
  open.listen(0, "127.0.0.1")
  await once(open, "listening")
  const listening = () => [{ conduit: "telemetry", address: "127.0.0.1", port: portOf(open) }]
  const result = await runProbe(strangersAreRefused, { ...made.context, listening })
  open.close()
  for (const socket of sockets) socket.destroy()
  await made.close()
  return result
}

test("[CR 1.2] a listener that answers strangers is found, and one that leaves them connected", async () => {
  assert.is((await strangersAt((peer) => peer.write(Uint8Array.of(0x20, 2, 0, 0)))).outcome, "failed")
  assert.is((await strangersAt(() => undefined)).outcome, "failed")
})

test("[CR 1.2] to be cut off by a reset is to be cut off", async () => {
  assert.is((await strangersAt((peer) => peer.destroy())).outcome, "passed")
  const reset = await strangersAt((_, raw) => raw.resetAndDestroy())
  assert.is(reset.outcome, "passed", JSON.stringify(reset))
})

test("[CR 1.2] a listener that shows another certificate than its own is found", async () => {
  const other = await world()
  await breaks(() => ({ ownCertificates: new Map([...other.context.ownCertificates]) }), ["listener.proves-identity"])
  await other.close()
})

test("[CR 3.6] an output that nobody drives is found", async () => {
  const lines = (): GpioStatus => ({ ...LINES, outputs: [OUTPUT, { ...OUTPUT, name: "relay", on: null }] })
  await breaks(() => ({ lines }), ["outputs.held"])
})

test("[NDR 3.11] a tamper input that is lost, or that latched no alarm, is found", async () => {
  const one = (state: string | null): GpioStatus => ({ ...LINES, inputs: [{ ...DOOR, state }] })
  await breaks(() => ({ lines: () => one(null) }), ["tamper.watched"])
  await breaks(() => ({ lines: () => one("open") }), ["tamper.watched"])
})

test("[NDR 3.11 RE(1)] a tamper alarm that goes nowhere is found", async () => {
  const within = (context: ProbeContext) => context.interfaces.filter(({ name }) => name !== "management/mqtt")
  await breaks((context) => ({ interfaces: within(context) }), ["tamper.told"])
})

test("a probe that throws or hangs counts as failed", async () => {
  const { context, close } = await world()
  const throwing = { ...PROBES[0]!, run: () => Promise.reject(new Error("boom")) }
  assert.is((await runProbe(throwing, context)).outcome, "failed")
  await close()
})

test.run()
