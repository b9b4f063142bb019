import { InputError } from "../../policy/base/errors.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { parseNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { parseCosignerKey } from "../../policy/audit/witness/cosignature.ts"
import type { DocNode } from "../../policy/language/document.ts"
import { object, optional, placedList, required, type Placed } from "../../policy/language/group-shapes.ts"
import { faultAt } from "../../policy/language/locate.ts"
import type { Report } from "../../policy/language/report.ts"
import { integer, name, text, type Complaint } from "../../policy/language/shape.ts"
import { nodeSha256 } from "../audit/note-functions.ts"
import type { AuditConfig } from "./gateway-config.ts"

const MOST_WITNESSED = 32
/** What is remembered of cosigners has to fit into a slot of the key store. */
const MOST_COSIGNERS = 8
const MAX_KEY = 400

const cosignerKey = text({
  expected: "key of a cosigner, name+id+base64",
  maxLength: MAX_KEY,
  check: (value) =>
    complaint(() => parseCosignerKey(nodeSha256, value), "`lockgate audit key --cosigner` prints it at the witness"),
})

const logKey = text({
  expected: "key of a log, name+id+base64",
  maxLength: MAX_KEY,
  check: (value) => {
    const hint = "`lockgate audit key` prints it at that gateway"
    const wrong = complaint(() => parseNoteKey(nodeSha256, value), hint)
    if (wrong !== null || parseNoteKey(nodeSha256, value).type === "ed25519") return wrong
    return { message: "the key of a cosigner, not of a log", hint }
  },
})

const witnessed = object("a log to witness", {
  gateway: required(name("name of a gateway"), "Whose log."),
  key: required(logKey, "The key of its log, as `lockgate audit key` prints it there."),
  begin: optional(
    integer(1, 1_000_000),
    1,
    "Raise it by one to forget what is known of this log and begin anew, after somebody has looked into why it was refused.",
    1,
  ),
})

/** Keys of the section `audit` that are about witnesses. */
export const WITNESS_FIELDS = {
  witnesses: optional(
    placedList(cosignerKey, { max: MOST_COSIGNERS }),
    [],
    "Keys of those who cosign this gateway's log: other gateways, a server.",
    [],
  ),
  collectors: optional(
    placedList(cosignerKey, { max: MOST_COSIGNERS }),
    [],
    "Keys of collectors: what one of them has cosigned it holds, and the oldest entries may go.",
    [],
  ),
  "witness-for": optional(
    placedList(witnessed, { max: MOST_WITNESSED }),
    [],
    "Logs of other gateways at the same broker that this gateway cosigns.",
    [],
  ),
}

/** None of them. */
export const NO_WITNESSES = { witnesses: [], collectors: [], "witness-for": [] } as const

interface Read {
  readonly witnesses: readonly Placed<string>[]
  readonly collectors: readonly Placed<string>[]
  readonly "witness-for": readonly Placed<{ readonly gateway: string; readonly key: string; readonly begin: number }>[]
}

/** The keys as values; the document was checked. */
export function buildWitnesses(read: Read): Pick<AuditConfig, "witnesses" | "collectors" | "witnessFor"> {
  const keys = (placed: readonly Placed<string>[]): readonly NoteKey[] =>
    placed.map(({ value }) => parseCosignerKey(nodeSha256, value))
  return {
    witnesses: keys(read.witnesses),
    collectors: keys(read.collectors),
    witnessFor: read["witness-for"].map(({ value: { gateway, key, begin } }) => ({
      ...{ gateway, begin },
      key: parseNoteKey(nodeSha256, key),
    })),
  }
}

/** Adds what no single value shows: names that stand twice, a gateway that vouches for itself, no broker over which to do any of it. */
export function checkWitnesses(gateway: string, hasBroker: boolean, read: Read, root: DocNode, report: Report): void {
  const cosigners = [...read.witnesses, ...read.collectors]
  const names = new Map<string, string>()
  for (const placed of cosigners) {
    const { name: cosigner } = parseCosignerKey(nodeSha256, placed.value)
    const earlier = names.get(cosigner)
    if (cosigner === gateway)
      faultAt(report, placed, [], "this is the gateway's own key: nobody vouches for itself", "name the key of another")
    else if (earlier !== undefined)
      faultAt(report, placed, [], `${earlier} is called ${cosigner} already`, "each cosigner speaks under its own name")
    else names.set(cosigner, placed.path)
  }
  const seen = new Set<string>()
  for (const placed of read["witness-for"]) {
    const { gateway: other, key } = placed.value
    if (other === gateway)
      faultAt(report, placed, ["gateway"], "a gateway is no witness of itself", "name another gateway")
    else if (seen.has(other)) faultAt(report, placed, ["gateway"], `${other} stands twice in the list`)
    seen.add(other)
    const { name: origin } = parseNoteKey(nodeSha256, key)
    if (origin !== originOf(other)) faultAt(report, placed, ["key"], `this is the key of ${origin}, not of ${other}`)
  }
  const isNamed = cosigners.length + seen.size > 0
  if (isNamed && !hasBroker) {
    const message = "witnesses are heard at the broker of the log, and the board file names none"
    faultAt(report, { node: root, path: "" }, ["audit"], message, "add management: mqtt")
  }
}

function complaint(parse: () => NoteKey, hint: string): Complaint | null {
  try {
    parse()
    return null
  } catch (error) {
    if (error instanceof InputError) return { message: error.message, hint }
    throw error
  }
}
