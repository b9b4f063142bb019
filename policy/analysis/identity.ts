import type { SubjectRule } from "../language/policy.ts"
import type { Identity } from "./topic-space.ts"

/**
 * Who the subjects of a class can be, one identity per way in which their client ids come about. With several ways, all of
 * them must be looked at. `filters` are those that will be compared: fresh names are none of their words.
 *
 * A client id that the subject may choose (`%u-*`) counts as any word: more than its pattern allows, never less.
 */
export function identitiesOf(subjects: readonly SubjectRule[], filters: Iterable<string>): readonly Identity[] {
  const words = new Set<string>()
  let usesClientId = false
  for (const filter of filters) {
    for (const level of filter.split("/")) words.add(level)
    usesClientId ||= filter.includes("%c")
  }
  const ways = new Map<string, { client: Identity["client"]; subjects: SubjectRule[] }>()
  for (const subject of subjects) {
    const client = usesClientId ? clientOf(subject) : ({ kind: "name" } as const)
    const key = JSON.stringify(client)
    const way = ways.get(key)
    if (way === undefined) ways.set(key, { client, subjects: [subject] })
    else way.subjects.push(subject)
  }
  return [...ways.values()].map(({ client, subjects: those }) => namedAs(those, client, words))
}

function clientOf({ clientId, fixedName }: SubjectRule): Identity["client"] {
  if (clientId === "%u") return { kind: "name" }
  if (clientId.endsWith("*")) return { kind: "any" }
  if (!clientId.includes("%u")) return { kind: "word", word: clientId }
  return fixedName === null ? { kind: "any" } : { kind: "word", word: clientId.replaceAll("%u", fixedName) }
}

function namedAs(subjects: readonly SubjectRule[], client: Identity["client"], words: ReadonlySet<string>): Identity {
  const fixed = new Set(subjects.flatMap(({ fixedName }) => fixedName ?? []))
  if (subjects.some(({ fixedName }) => fixedName === null)) {
    let freshName = "some-device"
    while (words.has(freshName)) freshName += "-"
    return { names: null, freshName, client }
  }
  const freshName = [...fixed].find((name) => !words.has(name)) ?? null
  return { names: [...fixed], freshName, client }
}
