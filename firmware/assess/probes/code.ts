/** Probes of what may run here: policy bundles are the only thing that is loaded from outside, authentic, and data alone. */
import { randomUUID } from "node:crypto"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { NO_SIGNAL_FLAG } from "../../inspector.ts"
import type { GatewayProbe } from "../probe-context.ts"
import { alterations } from "./tampering.ts"

const FLAG = "--disallow-code-generation-from-strings"

/** Text never becomes code: not in the process, not in the engine's thread, not through a policy. */
export const noCodeFromText: GatewayProbe = {
  id: "code.none-from-text",
  summary:
    "the gateway and its engine refuse to make code of a text, and policy documents that try to be code (tags, prototypes, " +
    "aliases, calls) are refused whole and leave no trace",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    if (!context.execArgv.includes(FLAG)) return failed(`the process to run with ${FLAG}`, context.execArgv.join(" "))
    const { gateway, engine } = await context.codeFromText()
    if (gateway) return failed("the gateway to refuse code from a text", "it made a function of one")
    if (engine) return failed("the conduit engine to refuse code from a text", "it made a function of one")
    const mark = `probe${randomUUID().replaceAll("-", "")}`
    const documents = documentsThatTry(mark)
    const codes = await context.readPolicies(documents.map(({ text }) => text))
    const read = documents.find((_, n) => (codes[n] ?? null) === null)
    if (read !== undefined) return failed(`${read.what} to be refused`, "it was read as a policy")
    if (mark in globalThis || mark in {}) return failed("what was refused to leave no trace", "it changed something")
    const evidence = `no code from text in gateway and engine; ${documents.length} documents that try to be code refused`
    return { outcome: "passed", evidence }
  },
}

/** Nobody looks into the running process, or changes it there: no inspector is open, and no signal opens one. */
export const noInspector: GatewayProbe = {
  id: "code.no-inspector",
  summary: "the process has no inspector, was not allowed one, and runs with the flag by which no signal opens one",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const { execArgv } = context
    const { allowed, open } = context.inspector()
    if (open) return failed("no inspector of the runtime", "one is open in the gateway's process")
    if (allowed) return failed("a board file without inspector: allow", "it has that: take it out and start again")
    if (!execArgv.includes(NO_SIGNAL_FLAG))
      return failed(`the process to run with ${NO_SIGNAL_FLAG}`, execArgv.join(" "))
    return { outcome: "passed", evidence: `no inspector is open; ${NO_SIGNAL_FLAG} keeps signals from opening one` }
  },
}

/** What is loaded is what trusted signers signed, bit by bit. */
export const bundlesAreAuthentic: GatewayProbe = {
  id: "code.bundles-authentic",
  summary: "the bundle in force, altered in five ways, is refused; unaltered its signatures are good",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const bundle = context.bundleInForce()
    if (bundle === null) return { outcome: "not-tested", why: "no policy is in force: there is no bundle to alter" }
    // The version in force is never accepted again: this refusal comes after the signatures were found good.
    const unaltered = await context.offerBundle(bundle)
    if (unaltered !== "ERR_BUNDLE_VERSION") {
      return failed("the bundle in force to be refused for its version alone", unaltered ?? "it was accepted")
    }
    const altered = alterations(bundle)
    for (const { what, text } of altered) {
      const reason = await context.offerBundle(text)
      if (reason === null) return failed(`${what} to be refused`, "it was accepted")
      // Before anything else is asked: a bundle that is not authentic is not even read.
      if (!/^ERR_BUNDLE_(SIGNATURES|MALFORMED|HEADER|ALGORITHM)$/.test(reason)) {
        return failed(`${what} to be refused for its signatures`, reason)
      }
    }
    return { outcome: "passed", evidence: `${altered.length} altered bundles refused; the true one is authentic` }
  },
}

/** Whole policies but for one thing each: where a reader did more than read, `mark` would appear somewhere. */
function documentsThatTry(mark: string): readonly { readonly what: string; readonly text: string }[] {
  const head = "lockgate-policy: 1\n"
  const rest = "zones: {}\nroles: {}\nsubjects: []\nconduits: {}\nrules: []\n"
  const code = `globalThis.${mark} = 1`
  return [
    { what: "a function by tag", text: `${head}name: !!js/function "function () { ${code} }"\n${rest}` },
    { what: "a type by tag", text: `${head}name: !<tag:yaml.org,2002:js/undefined> ""\n${rest}` },
    { what: "an object by tag", text: `${head}name: !!python/object/apply:os.system ["true"]\n${rest}` },
    { what: "a prototype", text: `${head}name: x\n__proto__: { ${mark}: 1 }\n${rest}` },
    { what: "a prototype in JSON", text: `{"lockgate-policy":1,"name":"x","__proto__":{"${mark}":1},"zones":{},"roles":{},"subjects":[],"conduits":{},"rules":[]}` }, // prettier-ignore
    { what: "a constructor", text: `${head}name: x\nconstructor: { prototype: { ${mark}: 1 } }\n${rest}` },
    {
      what: "aliases",
      text: `${head}name: &a x\nroles: { a: *a, b: *a }\nzones: {}\nsubjects: []\nconduits: {}\nrules: []\n`,
    },
    { what: "a key that a merge brings", text: `${head}name: x\n<<: { ${mark}: 1 }\n${rest}` },
    { what: "a script", text: `#!/usr/bin/env node\n${code}\n` },
    { what: "a module", text: `export default (${code})\n` },
  ]
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
