import { InvariantError, LockgateError } from "../../policy/base/errors.ts"
import { dialPlain, dialTrusted, type Dialled } from "../tls/dial.ts"
import type { EngineContext } from "./engine-context.ts"
import type { EngineConduit } from "./messages.ts"

/** Dials a conduit's upstream, over TLS or in clear text as the board file says; the log learns when it is lost, and when it is back, once each. */
export function createUpstreamDial(conduit: EngineConduit, context: EngineContext): () => Dialled {
  const { upstream } = conduit
  if (upstream === null) throw new InvariantError("ERR_NO_UPSTREAM", "a serial line is not dialled")
  const { host, port } = upstream
  const { after } = context
  const timeoutMs = context.limits.connectTimeoutMs
  let lost = false

  function report(id: "conduit.upstream-lost" | "conduit.upstream-restored", reason: string): void {
    context.report({
      id,
      outcome: id === "conduit.upstream-lost" ? "failure" : "success",
      source: `conduit/${conduit.name}`,
      conduit: conduit.name,
      object: `${host}:${port}`,
      ...(reason === "" ? {} : { reason }),
    })
  }

  return () => {
    const { credential, authority, revoked } = context.trust.upstream(conduit)
    const dialled =
      credential === null
        ? dialPlain({ host, port, timeoutMs, after })
        : dialTrusted({
            ...upstream,
            credential,
            anchors: context.anchorsOf(authority),
            revoked,
            now: context.time,
            timeoutMs,
            cache: context.certificates,
            after,
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
