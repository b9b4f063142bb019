/** Entry of the thread that reads, compiles and tests policies, and ends. Started by `compile-port.ts`; nothing imports it. */
import { once } from "node:events"
import { parentPort, workerData } from "node:worker_threads"
import { InputError, InvariantError } from "../../policy/base/errors.ts"
import type { ErrorDetail } from "../../policy/base/errors.ts"
import { compilePolicy } from "../../policy/compile/compile.ts"
import { GATEWAY_POLICY_LIMITS, parsePolicy } from "../../policy/language/parse-policy.ts"
import { buffersOf } from "../transferables.ts"
import { testCases } from "./cases.ts"
import type { CompileJob, FromCompiler } from "./compile-messages.ts"
import { preparePolicy } from "./prepare.ts"
import type { PolicySource, PreparedPolicy } from "./prepare.ts"

/** Rules a message: a few milliseconds of the gateway's loop. */
const SLICE = 500

if (parentPort === null) throw new InvariantError("ERR_NO_PARENT", "compile-worker.ts runs in a worker thread only")
const port = parentPort
const post = (message: FromCompiler): void => port.postMessage(message, buffersOf(message))

function prepared(source: PolicySource): PreparedPolicy {
  return preparePolicy(source, {
    parsePolicy: (text, file) => parsePolicy(text, file, GATEWAY_POLICY_LIMITS),
    compile: compilePolicy,
    testCases,
  })
}

/** The fault of the source. What is no fault of the policy is not caught: the thread dies of it. */
function refusal(error: unknown): { code: string; message: string; detail: ErrorDetail } {
  if (!(error instanceof InputError)) throw error
  return { code: String(error.code), message: error.message, detail: error.detail }
}

async function prepare(source: PolicySource): Promise<void> {
  let result: PreparedPolicy
  try {
    result = prepared(source)
  } catch (error) {
    post({ kind: "refused", ...refusal(error) })
    return
  }
  const { rules, ...policy } = result.policy
  for (let at = 0; at < rules.length; at += SLICE) {
    port.postMessage({ kind: "rules", rules: rules.slice(at, at + SLICE) } satisfies FromCompiler)
    await once(port, "message")
  }
  post({ kind: "done", policy, engine: result.engine })
}

function codeOf(policy: string): string | null {
  try {
    prepared({ policy, file: "document.yaml", cases: null })
    return null
  } catch (error) {
    return refusal(error).code
  }
}

const job = workerData as CompileJob
if (job.kind === "prepare") await prepare(job.source)
else post({ kind: "examined", codes: job.documents.map(codeOf) })
port.close()
