/** A real local socket with people behind it, on clocks that a test sets; and conversations on it. */
import { randomBytes } from "node:crypto"
import { connect, type Socket } from "node:net"
import { openKeptRequests, type KeptRequests } from "../../firmware/audit/requests.ts"
import { makePersonKey, readPersonKey, type PersonKey } from "../../firmware/cli/person-key.ts"
import { createLocalSocket, type LocalSocket } from "../../firmware/management/local-socket.ts"
import { createManagement, type Management } from "../../firmware/management/pipeline.ts"
import { accountHandlers } from "../../firmware/people/account-handlers.ts"
import { parseAccountKey } from "../../firmware/people/account-key.ts"
import type { Accounts } from "../../firmware/people/accounts.ts"
import { openSigningIn, type SigningIn } from "../../firmware/people/at-the-door.ts"
import { sessionHandlers } from "../../firmware/people/session-handlers.ts"
import { createSignedDoor, type SignedDoor } from "../../firmware/people/signed-door.ts"
import { MemoryClock } from "../../hal/memory/clock.ts"
import type { CommandAnswer } from "../../policy/command/port.ts"
import { AccountsWorld, GOOD_PASSWORD } from "./accounts.ts"
import { recordingHandlers } from "./commands.ts"

export const MINUTE = 60_000

/** What bob signs in with. */
export const BOB = { account: "bob", password: `${GOOD_PASSWORD}b` } as const

/** The gateway's end. */
export class PeopleSocket {
  readonly world = new AccountsWorld()
  /** The people's clock: that of the connections is another, or none would live as long as a session. */
  readonly clock = new MemoryClock()
  readonly lineClock = new MemoryClock()
  readonly executed: string[] = []
  readonly path: string
  readonly log = this.world.log
  accounts!: Accounts
  signingIn!: SigningIn
  requests!: KeptRequests
  annasKey!: PersonKey
  annasPem!: string
  /** Something that answers a handler's `act`, to hold a command up. */
  act: () => unknown = () => undefined
  commands!: Management
  #socket: LocalSocket | null = null
  #signed: SignedDoor | null = null

  constructor(path: string) {
    this.path = path
  }

  /** Nobody has an account. */
  async open(): Promise<this> {
    const { privatePem, publicPem } = makePersonKey(null)
    this.annasPem = publicPem
    this.annasKey = await readPersonKey(privatePem, null)
    this.accounts = await this.world.open()
    await this.start()
    return this
  }
  /** With anna, an administrator with a key, and bob, an operator with a password. */
  async withPeople(): Promise<this> {
    await this.open()
    const key = { ...parseAccountKey(this.annasPem), onToken: false }
    await this.accounts.create({ name: "anna", roles: ["security-admin"], expiresAt: null, key }, "local:owner")
    await this.accounts.create({ name: "bob", roles: ["operator"], expiresAt: null, key: null }, "anna")
    await this.accounts.setPassword("bob", BOB.password, "bob")
    return this
  }
  /** As after a restart of the gateway. */
  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }
  async stop(): Promise<void> {
    await this.#socket?.stop()
    await this.#signed?.stop()
    this.signingIn.stop()
    await this.requests.close()
  }

  async start(): Promise<void> {
    const { world, clock, log, accounts } = this
    const { storage } = world
    const rules = (): typeof world.rules => world.rules
    const random = (n: number): Uint8Array => randomBytes(n)
    const common = { gateway: "gw-test", accounts, clock, random, interval: () => world.now, audit: log.audit }
    this.signingIn = await openSigningIn({ ...common, storage, rules, note: (event) => void log.events.push(event) })
    this.requests = await openKeptRequests({ storage, audit: log.audit, logSize: () => log.events.length })
    const people = { accounts, rules, interval: () => world.now }
    const handlers = {
      ...recordingHandlers(this.executed, () => this.act()),
      ...accountHandlers(people),
      ...sessionHandlers(this.signingIn),
    }
    this.commands = createManagement({ handlers, audit: log.audit, requests: this.requests })
    this.#signed = createSignedDoor({ ...common, commands: this.commands })
    this.#socket = createLocalSocket({
      ...{ path: this.path, commands: this.commands, clock: this.lineClock, audit: log.audit },
      ...{ people: this.signingIn, signed: this.#signed },
    })
    await this.#socket.start()
  }

  /** Everything in the state folder and the log, as one text. */
  async everythingKept(): Promise<string> {
    const files: string[] = []
    const walk = async (folder: string): Promise<void> => {
      for (const name of await this.world.storage.list(folder)) {
        if (name.endsWith("/")) await walk(`${folder}${folder === "" ? "" : "/"}${name.slice(0, -1)}`)
        else {
          const bytes = await this.world.storage.read(`${folder}${folder === "" ? "" : "/"}${name}`)
          files.push(Buffer.from(bytes ?? []).toString("latin1"))
        }
      }
    }
    await walk("")
    return [...files, JSON.stringify(this.log.events)].join("\n")
  }
}

/** One connection; lines go and answers come in order. */
export class Talk {
  readonly #socket: Socket
  #heard = ""
  /** Every answer, as it came. */
  readonly answers: string[] = []
  #waiting: ((line: string) => void)[] = []
  readonly closed: Promise<void>

  private constructor(socket: Socket) {
    this.#socket = socket
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()))
    socket.on("error", () => undefined)
    socket.on("data", (chunk) => {
      this.#heard += chunk.toString()
      const lines = this.#heard.split("\n")
      this.#heard = lines.pop() ?? ""
      for (const line of lines) {
        this.answers.push(line)
        this.#waiting.shift()?.(line)
      }
    })
  }
  static async to(path: string): Promise<Talk> {
    const socket = connect(path)
    const talk = new Talk(socket)
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject))
    return talk
  }
  /** Bytes as they are. */
  write(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#socket.write(bytes, () => resolve()))
  }
  next(): Promise<CommandAnswer> {
    return new Promise((resolve) => this.#waiting.push((line) => resolve(JSON.parse(line) as CommandAnswer)))
  }
  /** A line of any kind; its answer. */
  async say(line: object): Promise<CommandAnswer> {
    const answer = this.next()
    await this.write(JSON.stringify(line) + "\n")
    return answer
  }
  /** A command; its code, or `ok`. */
  async ask(command: string, given: object = {}): Promise<string> {
    return codeOf(await this.say({ command, arguments: given }))
  }
  /** Signs in; the connection is that person's only if it shows the token. */
  async token(given: object = BOB): Promise<string> {
    return field(await this.say({ command: "session.open", arguments: given }), "token")
  }
  end(): void {
    this.#socket.end()
  }
  destroy(): void {
    this.#socket.destroy()
  }
}

export function codeOf(answer: CommandAnswer): string {
  return answer.ok ? "ok" : answer.code
}

/** A text in the result. */
export function field(answer: CommandAnswer, name: string): string {
  const value: unknown = answer.ok ? (answer.result as Record<string, unknown>)[name] : null
  if (typeof value !== "string") throw new Error(`no ${name} in ${JSON.stringify(answer)}`)
  return value
}
