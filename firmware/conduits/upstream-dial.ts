import { LockgateError } from "../../policy/base/errors.ts"
import { dialTrusted, type Dialled } from "../tls/dial.ts"
import type { EngineContext } from "./engine-context.ts"
import type { EngineConduit } from "./messages.ts"

/** Dials a conduit's upstream over TLS; the log learns when it is lost, and when it is back, once each. */
export function createUpstreamDial(conduit: EngineConduit, context: EngineContext): () => Dialled {
  let lost = false

  function report(id: "conduit.upstream-lost" | "conduit.upstream-restored", reason: string): void {
    context.report({
      id,
      outcome: id === "conduit.upstream-lost" ? "failure" : "success",
      source: `conduit/${conduit.name}`,
      conduit: conduit.name,
      object: `${conduit.upstream.host}:${conduit.upstream.port}`,
      ...(reason === "" ? {} : { reason }),
    })
  }

  return () => {
    const { credential, authority, revoked } = context.trust.upstream(conduit)
    const dialled = dialTrusted({
      ...conduit.upstream,
      credential,
      anchors: context.anchorsOf(authority),
      revoked,
      now: context.time,
      timeoutMs: context.limits.connectTimeoutMs,
      cache: context.certificates,
      after: context.after,
    })
    context.trust.opened(conduit, dialled)
    dialled.trusted.then(
      () => {
        if (lost) report("conduit.upstream-restored", "")
        lost = false
      },
      (error: unknown) => {
        const reason = error instanceof LockgateError ? String(error.detail["reason"]) : ""
        if (!lost) report("conduit.upstream-lost", reason)
        lost = true
      },
    )
    return dialled
  }
}
