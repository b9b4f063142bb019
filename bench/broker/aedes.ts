/**
 * Aedes, with the rules in a list that `authorizePublish` walks, as its users write it. A process of its own; plain TCP.
 *
 * Request: `start {rules, habit}` -> `{port}`.
 */
import { createServer } from "node:net"
import { Aedes } from "aedes"
import mqttMatch from "mqtt-match"
import { serveLines } from "../conduit/lines.ts"
import { rulesOf } from "./rules.ts"

/** How the list is matched: each filter with mqtt-match, or with a regular expression that was made of it beforehand. */
export type Habit = "mqtt-match" | "regexes"

/** What the broker under measurement is started with. */
export interface AedesRequest {
  /** 0: no hook at all. */
  readonly rules: number
  readonly habit: Habit
}

/** Whether whoever bears `role` may publish to `topic`. */
type Judge = (role: number, topic: string) => boolean

const JUDGES: Readonly<Record<Habit, (rules: number) => Judge>> = {
  "mqtt-match": (count) => {
    const rules = rulesOf(count)
    return (role, topic) => rules.some((rule) => rule.role === role && mqttMatch(rule.filter, topic))
  },
  regexes: (count) => {
    const rules = rulesOf(count).map(({ role, filter }) => ({ role, regex: regexOf(filter) }))
    return (role, topic) => rules.some((rule) => rule.role === role && rule.regex.test(topic))
  },
}

function regexOf(filter: string): RegExp {
  return new RegExp(`^${filter.replaceAll("+", "[^/]+").replace("/#", "(/.*)?")}$`)
}

serveLines({
  async start({ rules, habit }: AedesRequest) {
    const broker = await Aedes.createBroker()
    if (rules > 0) {
      const allows = JUDGES[habit](rules)
      const roles = new Map<string, number>()
      broker.authenticate = (client, user, _password, done) => {
        roles.set(client.id, Number(/^r(\d\d)\./.exec(user ?? "")?.[1] ?? NaN))
        done(null, true)
      }
      broker.authorizePublish = (client, { topic }, done) => {
        const role = roles.get(client?.id ?? "") ?? NaN
        done(allows(role, topic) ? null : new Error("not authorised"))
      }
    }
    const server = createServer((socket) => {
      socket.setNoDelay(true)
      broker.handle(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const at = server.address()
    return { port: at !== null && typeof at === "object" ? at.port : 0 }
  },
})
