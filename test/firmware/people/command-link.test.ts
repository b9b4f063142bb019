import { suite } from "uvu"
import * as assert from "uvu/assert"
import { linkError, type MqttLink, type MqttMessage } from "../../../firmware/audit/mqtt-link.ts"
import { createCommandLink, type CommandLink } from "../../../firmware/people/command-link.ts"
import type { AccountNews } from "../../../firmware/people/accounts.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { settled } from "../../support/audit.ts"

const test = suite("firmware/people/command-link")
const REQUEST = "lockgate/gw/command/request"
const ID = "i".repeat(16)
const signed = Buffer.from(
  JSON.stringify({ signed: `h.${Buffer.from('{"account":"anna"}').toString("base64url")}.s`, id: ID }),
)

/** A link that only keeps what is done with it; `acknowledges` says whether the broker does. */
class Link {
  asked: string[] = []
  said: string[] = []
  takers: ((message: MqttMessage) => Promise<void>)[] = []
  ending = new AbortController()
  acknowledges = true
  refuses = false
  readonly served: Pick<MqttLink, "publish" | "subscribe" | "onMessage" | "maxPacketBytes"> = {
    maxPacketBytes: Infinity,
    publish: (topic) => {
      this.said.push(topic)
      return this.acknowledges ? Promise.resolve() : new Promise(() => undefined)
    },
    subscribe: async (filters) => {
      this.asked.push(...filters)
      if (this.refuses) throw linkError("refused")
    },
    onMessage: (take) => void this.takers.push(take),
  }

  async bring(payload: Uint8Array, more: Partial<MqttMessage> = {}): Promise<void> {
    for (const take of this.takers) await take({ topic: REQUEST, payload, retained: false, ...more })
    await settled()
  }
}

interface World {
  readonly commands: CommandLink
  readonly clock: MemoryClock
  readonly reports: AuditEvent[]
  readonly executed: string[]
  open(): () => void
  claim(): Promise<void>
}
function world(unclaimed = false): World {
  const clock = new MemoryClock()
  const [reports, executed]: [AuditEvent[], string[]] = [[], []]
  const listeners: ((news: AccountNews) => void)[] = []
  const accounts = {
    unclaimed,
    onChange: (listener: (news: AccountNews) => void) => {
      listeners.push(listener)
      return () => void listeners.splice(0)
    },
  }
  const door = {
    gateway: "gw",
    nonce: () => "number",
    take: async (text: string) => ({ ok: true, result: executed.push(text) }) as const,
  }
  const commands = createCommandLink({
    ...{ clock, gateway: "gw", report: (event) => void reports.push(event) },
    sign: async () => new Uint8Array(64),
  })
  return {
    ...{ commands, clock, reports, executed },
    open: () => commands.open({ door, accounts }),
    claim: async () => {
      accounts.unclaimed = false
      for (const listener of listeners) listener({ what: "created", id: "x", name: "anna" })
      await settled()
    },
  }
}

test("[CR 1.1] nothing is heard before the first account; from it on requests are answered, and asked for once a link", async () => {
  const { commands, open, claim, executed } = world(true)
  const link = new Link()
  await commands.serve(link.served, link.ending.signal)
  open()
  await link.bring(signed)
  assert.equal([link.asked, executed.length], [[], 0])
  await claim()
  await claim()
  assert.equal(link.asked, [REQUEST])
  await link.bring(signed)
  assert.equal([executed.length, link.said], [1, [`lockgate/gw/command/answer/anna/${ID}`]])
})

test("a door that is opened before there is a link is heard on the first, and on each that follows", async () => {
  const { commands, open } = world()
  open()
  for (const link of [new Link(), new Link()]) {
    await commands.serve(link.served, link.ending.signal)
    assert.equal(link.asked, [REQUEST])
    link.ending.abort()
  }
})

test("[CR 3.8] what a broker kept is nobody's request, nor is what comes on other topics or after the end", async () => {
  const { commands, open, executed } = world()
  const end = open()
  const link = new Link()
  await commands.serve(link.served, link.ending.signal)
  await link.bring(signed, { retained: true })
  await link.bring(signed, { topic: "lockgate/gw/command/answer/anna/x" })
  await link.bring(signed, { topic: "lockgate/other/command/request" })
  end()
  await link.bring(signed)
  assert.equal([executed.length, link.said.length], [0, 0])
})

test("[CR 3.8] a command whose answer was lost with its link is answered over the next, and not carried out again", async () => {
  const { commands, open, executed, clock } = world()
  open()
  const [first, second] = [new Link(), new Link()]
  first.acknowledges = false
  await commands.serve(first.served, first.ending.signal)
  await first.bring(signed)
  first.ending.abort()
  await commands.serve(second.served, second.ending.signal)
  await second.bring(signed)
  // An answer that nobody acknowledges is given up, and does not stand in the way of the next.
  clock.advance(30_000)
  await settled()
  await second.bring(signed)
  assert.equal([executed.length, first.said.length, second.said.length], [1, 1, 1])
})

test("[CR 7.1] who brings requests never waits for an answer", async () => {
  const { commands, open } = world()
  open()
  const link = new Link()
  link.acknowledges = false
  await commands.serve(link.served, link.ending.signal)
  for (let k = 0; k < 100; k++) await link.bring(Buffer.from(JSON.stringify({ nonce: "anna", id: `${ID}${k}` })))
  assert.is(link.said.length, 1)
})

test("a broker that refuses the subscription is told once, and the link stays", async () => {
  const { commands, open, reports } = world()
  open()
  for (let k = 0; k < 2; k++) {
    const link = new Link()
    link.refuses = true
    await commands.serve(link.served, link.ending.signal)
  }
  assert.equal(
    reports.map(({ id, reason }) => [id, reason]),
    [["command.unheard", "refused"]],
  )
})

test.run()
