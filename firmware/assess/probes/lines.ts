import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { GatewayProbe } from "../probe-context.ts"

/** Every output of the board file is held now, so that it has a known level and a safe one to go to. */
export const outputsAreHeld: GatewayProbe = {
  id: "outputs.held",
  summary: "each output of the board file is driven, and has a safe state for when the gateway is gone",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const { outputs } = context.lines()
    if (outputs.length === 0) return { outcome: "not-tested", why: "the board file names no outputs" }
    const lost = outputs.find(({ on }) => on === null)
    if (lost !== undefined) return failed(`output ${lost.name} to be held`, "nobody drives it")
    const words = outputs.map(({ name, on, safe }) => `${name} ${on === true ? "on" : "off"} (safe: ${safe})`)
    return { outcome: "passed", evidence: `held: ${words.join(", ")}` }
  },
}

/** A tamper input is there, its state is known, and what it says is latched. */
export const tamperIsWatched: GatewayProbe = {
  id: "tamper.watched",
  summary: "a tamper input is named, known, and latched the alarm if it says that the enclosure is open",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const { inputs, tampered } = context.lines()
    const own = inputs.filter(({ tamper }) => tamper !== null)
    if (own.length === 0) return { outcome: "not-tested", why: "the board file names no tamper input" }
    const lost = own.find(({ state }) => state === null)
    if (lost !== undefined) return failed(`the state of ${lost.name} to be known`, "it is lost")
    const unlatched = own.find(({ name, state, tamper }) => state === tamper && !tampered.includes(name))
    if (unlatched !== undefined) return failed(`an alarm while ${unlatched.name} is ${unlatched.state ?? ""}`, "none")
    const words = own.map(({ name, state }) => `${name} ${state ?? ""}`).join(", ")
    return { outcome: "passed", evidence: `${words}; ${tampered.length === 0 ? "no alarm" : "alarm latched"}` }
  },
}

/** What a tamper input says leaves the gateway: the log, with the alarm in it, has somewhere to go. */
export const tamperIsTold: GatewayProbe = {
  id: "tamper.told",
  summary: "the log, which holds each tamper event as an alarm, is published to an operators' broker",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const { inputs } = context.lines()
    if (!inputs.some(({ tamper }) => tamper !== null)) {
      return { outcome: "not-tested", why: "the board file names no tamper input" }
    }
    const outward = context.interfaces.find(({ name }) => name === "management/mqtt")
    if (outward === undefined) return failed("management.mqtt in the board file, to tell anybody", "no such section")
    return { outcome: "passed", evidence: `alarms go to ${outward.at}` }
  },
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
