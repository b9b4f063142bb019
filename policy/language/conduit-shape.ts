import type { Placed } from "./group-shapes.ts"
import type { Conduit, Transport } from "./policy.ts"
import type { Shape } from "./shape.ts"
import { kindsOf, object, optional, required, wordOrMap } from "./group-shapes.ts"
import { MODBUS_EXCEPTIONS } from "./modbus-rule.ts"
import { size } from "./quantity-shapes.ts"
import { choice, integer, name } from "./shape.ts"

const from = required(name("name of a zone"), "Zone whose peers connect to the gateway.")
const to = required(name("name of a zone"), "Zone of the broker, or of the units.")

/** `tls` for both ends, or a word for each: `words` for that of the gateway, of which those at the peers' are without `refusedFrom`. */
function transport<const T extends Transport>(
  words: readonly T[],
  refused: Readonly<Record<string, string>>,
  refusedFrom: Readonly<Record<string, string>> = {},
) {
  const end = choice(words, { refused })
  const fromWords = words.filter((word) => !Object.hasOwn(refusedFrom, word))
  const from = choice(fromWords, { refused: { ...refused, ...refusedFrom } })
  return optional(
    wordOrMap(
      from,
      object("a transport", {
        from: optional(from, "tls", "How peers of `from` connect.", "tls"),
        to: optional(end, "tls", "How the gateway reaches `to`.", "tls"),
      }),
    ),
    "tls",
    "What carries it, at both ends or at each.",
    "tls",
  )
}

const exceptionWords = Object.keys(MODBUS_EXCEPTIONS) as (keyof typeof MODBUS_EXCEPTIONS)[]

/** A Modbus exception by name or number; a number comes out. */
export const refusal: Shape<number> = {
  expected: "a Modbus exception such as illegal-function or server-device-busy, or a code 1..255",
  read(node, path, report) {
    if (node.kind === "scalar" && typeof node.value === "number") return integer(1, 255).read(node, path, report)
    const word = choice(exceptionWords, { expected: this.expected }).read(node, path, report)
    return typeof word === "string" ? MODBUS_EXCEPTIONS[word] : word
  },
  schema: () => ({ anyOf: [{ enum: exceptionWords }, { type: "integer", minimum: 1, maximum: 255 }] }),
}

const MIB = 1024 * 1024

/** Store-and-forward. */
const buffer = object("a buffer", {
  size: required(size(64 * 1024, 1024 * MIB), "Bytes on disk for all subjects of the conduit."),
  "when-full": optional(
    choice(["refuse", "drop-oldest"]),
    "refuse",
    "`refuse`: not acknowledged; `drop-oldest`: the oldest make room and are lost.",
    "refuse",
  ),
})

const ofMqtt = "it belongs to conduits with protocol: mqtt"
const ofModbus = "it belongs to conduits with protocol: modbus"

const access = optional(
  choice(["approved", "always"]),
  null,
  "`approved`: closed until a person approves it for a time; the default where something may come in from an untrusted zone.",
)

/** The way between two zones. */
export const conduit = kindsOf("a conduit", "protocol", {
  mqtt: object(
    "a conduit",
    {
      from,
      to,
      protocol: required(choice(["mqtt"]), "What is spoken on it."),
      direction: optional(
        choice(["both", "out", "in"]),
        "both",
        "Which way data may go: `out` is from `from` to `to`.",
        "both",
      ),
      access,
      transport: transport(["tls", "tcp"], { rtu: "a serial line carries Modbus, not MQTT" }),
      "upstream-identity": optional(
        choice(["strip", "subject"]),
        "strip",
        "User name that the broker sees: none, or the subject's name.",
        "strip",
      ),
      "on-deny": optional(
        choice(["ack", "close"]),
        "ack",
        "Answer to a denied QoS 1 or 2 message in MQTT 3.1.1.",
        "ack",
      ),
      "enhanced-auth": optional(
        choice(["refuse", "pass"]),
        "refuse",
        "Whether clients of MQTT 5 may authenticate at the broker by AUTH packets.",
        "refuse",
      ),
      buffer: optional(buffer, null, "Store-and-forward while the broker is lost; default none."),
    },
    { refused: { refusal: ofModbus } },
  ),
  modbus: object(
    "a conduit",
    {
      from,
      to,
      protocol: required(choice(["modbus"]), "What is spoken on it."),
      direction: optional(
        choice(["both", "in"], {
          refused: { out: "every Modbus request is answered, so something always flows back; leave the key out" },
        }),
        "both",
        "`in`: values come from `to` and none go there, so reads only.",
        "both",
      ),
      access,
      transport: transport(
        ["tls", "tcp", "rtu"],
        {},
        { rtu: "masters come over the network; a serial line is the units' end: write { from: tls, to: rtu }" },
      ),
      refusal: optional(
        refusal,
        MODBUS_EXCEPTIONS["illegal-function"],
        "Exception that answers a refused request.",
        "illegal-function",
      ),
    },
    { refused: { "upstream-identity": ofMqtt, "on-deny": ofMqtt, "enhanced-auth": ofMqtt, buffer: ofMqtt } },
  ),
})

export type ConduitEntry = typeof conduit extends Shape<infer T> ? T : never

/** What carries the conduit at either end. */
export function transportOf({ transport }: ConduitEntry): { readonly from: Transport; readonly to: Transport } {
  return typeof transport === "string" ? { from: transport, to: transport } : { from: transport.from, to: transport.to }
}

/**
 * Whether a person must approve it: what the conduit says, else where something may come in from an untrusted zone. Data
 * that only leaves for one is no way in.
 *
 * @see IEC 62443-4-2 NDR 1.13 RE(1)
 */
export function accessOf(
  { from, to, direction, access }: ConduitEntry,
  untrusted: ReadonlySet<string>,
): Conduit["access"] {
  if (access !== null) return access
  return untrusted.has(from) || (untrusted.has(to) && direction !== "out") ? "approved" : "always"
}

/** The conduit as the policy holds it; `untrusted` are the names of zones that are not the owner's. */
export function buildConduit({ name, value }: Placed<ConduitEntry>, untrusted: ReadonlySet<string>): Conduit {
  const { from, to, direction } = value
  const base = { name, from, to, direction, access: accessOf(value, untrusted), transport: transportOf(value) }
  if (value.protocol === "modbus") return { ...base, protocol: "modbus", refusal: value.refusal }
  const { buffer } = value
  return {
    ...base,
    protocol: "mqtt",
    upstreamIdentity: value["upstream-identity"],
    onDeny: value["on-deny"],
    enhancedAuth: value["enhanced-auth"],
    buffer: buffer === null ? null : { maxBytes: buffer.size, whenFull: buffer["when-full"] },
  }
}
