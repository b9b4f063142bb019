import type { EventKind } from "./kind.ts"

/** Conduits, their peers and upstreams, and what passed or was denied there (`conduit.*`, `flow.*`). */
export const CONDUIT_EVENTS = {
  "conduit.listening": {
    category: "control-system",
    text: "a conduit listens",
    requirement: "CR 7.7",
    severity: "notice",
  },
  "conduit.closed": {
    category: "control-system",
    text: "a conduit was closed",
    requirement: "NDR 5.2",
    severity: "warning",
  },
  "conduit.worker-died": {
    category: "control-system",
    text: "one of the threads that carry the conduits died, and its connections with it",
    requirement: "CR 7.1",
    severity: "warning",
  },
  "conduit.connected": {
    category: "access-control",
    text: "a subject connected",
    requirement: "CR 2.8",
    severity: "info",
  },
  "conduit.disconnected": {
    category: "access-control",
    text: "a subject disconnected",
    requirement: "CR 2.8",
    severity: "info",
  },
  "conduit.peer-distrusted": {
    category: "access-control",
    text: "a connected peer is no longer trusted and was cut off",
    requirement: "CR 1.9",
    severity: "warning",
  },
  "conduit.upstream-distrusted": {
    category: "access-control",
    text: "the certificate of a connected upstream was revoked; the connection was cut off",
    requirement: "CR 1.9",
    severity: "alarm",
  },
  "conduit.peer-refused": {
    category: "access-control",
    text: "a peer was refused before any byte of it was read",
    requirement: "CR 1.2",
    severity: "warning",
  },
  "conduit.connect-refused": {
    category: "access-control",
    text: "a connect request was refused",
    requirement: "CR 2.1",
    severity: "warning",
  },
  "conduit.load-shed": {
    category: "control-system",
    text: "connections were ended, or read more slowly, because of load",
    requirement: "CR 7.1",
    severity: "warning",
  },
  "conduit.denied": {
    category: "access-control",
    text: "messages were denied by policy",
    requirement: "NDR 5.2",
    severity: "warning",
  },
  "flow.allowed": {
    category: "access-control",
    text: "an action was allowed by a rule that wants it recorded",
    requirement: "CR 2.12 RE(1)",
    severity: "info",
  },
  "conduit.protocol-error": {
    category: "request-error",
    text: "a peer broke the protocol",
    requirement: "CR 3.5",
    severity: "warning",
  },
  "conduit.upstream-lost": {
    category: "control-system",
    text: "the upstream of a conduit cannot be reached or trusted",
    requirement: "CR 1.2",
    severity: "warning",
  },
  "conduit.upstream-restored": {
    category: "control-system",
    text: "the upstream of a conduit is back",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "conduit.failed": {
    category: "control-system",
    text: "a fault of the gateway itself closed a conduit; it stays closed until it is restored",
    requirement: "NDR 5.2 RE(3)",
    severity: "alarm",
  },
  "conduit.restored": {
    category: "configuration",
    text: "a conduit that a fault had closed was restored",
    requirement: "NDR 5.2 RE(3)",
    severity: "notice",
  },
} as const satisfies Record<string, EventKind>
