/** Probes of the command door and of what is open at all. */
import { connect } from "node:net"
import { ALL_PERMISSIONS } from "../../../policy/command/permission.ts"
import type { Principal } from "../../../policy/command/port.ts"
import { COMMANDS, type ArgumentKind, type CommandId, type CommandRow } from "../../../policy/command/table.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { endpoint } from "../../interfaces.ts"
import type { GatewayProbe } from "../probe-context.ts"

/** No command runs without authentication and its permission. */
export const commandsNeedPermission: GatewayProbe = {
  id: "command.permission-enforced",
  summary: "every command, asked by nobody and by somebody who has every other permission, is refused",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    let asked = 0
    for (const [command, row] of Object.entries<CommandRow>(COMMANDS)) {
      // What is there to sign in with asks for no permission.
      if (row.permission === null) continue
      // Were the control broken, the command would run: ask only for what then changes nothing.
      if (command === "policy.rollback" && context.trialRunning()) continue
      if (command === "access.end-all" && context.access().some(({ on }) => on !== null)) continue
      const request = { command, arguments: harmless(command as CommandId, context.islandOn()) }
      const nobody = await context.commands.execute(null, request)
      if (nobody.ok || nobody.code !== "ERR_NOT_AUTHENTICATED") {
        return failed(`${command} to be refused to nobody`, nobody.ok ? "it ran" : nobody.code)
      }
      const permissions = ALL_PERMISSIONS.filter((permission) => permission !== row.permission)
      const other: Principal = { name: "probe", permissions, via: "local" }
      const answer = await context.commands.execute(other, request)
      if (answer.ok || answer.code !== "ERR_NOT_PERMITTED") {
        return failed(`${command} to need permission ${row.permission}`, answer.ok ? "it ran" : answer.code)
      }
      asked++
    }
    return { outcome: "passed", evidence: `${asked} commands refused to nobody and to somebody without permission` }
  },
}

/**
 * Arguments that the table accepts and that change nothing, or (a recording of a minute, without payloads) next to nothing:
 * texts are empty, which nothing is called, numbers as small as may be.
 */
function harmless(command: CommandId, islandOn: boolean): Record<string, unknown> {
  // A version that was never on trial; the mode that it is in.
  if (command === "policy.confirm") return { version: 2 ** 31 }
  if (command === "island") return { state: islandOn ? "on" : "off" }
  // Its form is looked at before anything else.
  if (command === "policy.activate") return { bundle: "probe" }
  const needed = Object.entries<ArgumentKind & { optional?: true }>(COMMANDS[command].arguments)
  return Object.fromEntries(
    needed.filter(([, kind]) => kind.optional !== true).map(([name, kind]) => [name, least(name, kind)]),
  )
}

function least(name: string, kind: ArgumentKind): unknown {
  if (kind.kind === "integer") return kind.min
  if (kind.kind === "choice") return kind.of[0]
  return name === "hash" ? "0".repeat(64) : ""
}

/** What comes back to a faulty request on the local socket: a code, and nothing that explains the inside. */
export const errorsAreCodes: GatewayProbe = {
  id: "command.errors-are-codes",
  summary: "faulty requests on the command socket are answered with a stable code and no text",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    const faulty = ["no json", "{", '{"command":"no-such-command"}', '{"command":"island","arguments":{"state":7}}']
    for (const line of faulty) {
      const answer = await ask(context.commandSocket, line)
      const keys = Object.keys(answer).sort().join(",")
      const code = (answer as { code?: unknown }).code
      if (!/^(code,entry,ok|code,ok)$/.test(keys) || typeof code !== "string" || !/^ERR_[A-Z_]+$/.test(code)) {
        return failed("an answer of ok, code and entry only", `keys ${keys}`)
      }
    }
    return { outcome: "passed", evidence: `${faulty.length} faulty requests, each answered by a code alone` }
  },
}

function ask(path: string, line: string): Promise<object> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let text = ""
    socket.setTimeout(2_000, () => socket.destroy(new Error("no answer in 2 s")))
    socket.on("error", reject)
    socket.on("connect", () => socket.write(`${line}\n`))
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8")
      if (!text.includes("\n")) return
      socket.destroy()
      try {
        resolve(JSON.parse(text) as object)
      } catch (error) {
        reject(error instanceof Error ? error : new Error("not JSON"))
      }
    })
    socket.on("close", () => reject(new Error("closed without an answer")))
  })
}

/** The kernel lists no listening socket of this process that the interface table does not name. */
export const onlyDeclaredSockets: GatewayProbe = {
  id: "interfaces.only-declared",
  summary: "every socket on which the process listens stands in the interface table, and what policy opens is there",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const open = await context.openSockets()
    const declared = new Set(context.interfaces.filter((row) => row.direction === "listens").map((row) => row.at))
    for (const at of context.listening()) declared.add(endpoint(at.address, at.port))
    const stray = open.find((socket) => !declared.has(socket.at))
    if (stray !== undefined) return failed("only declared listeners", `${stray.kind} ${stray.at}`)
    if (open.length === 0) return failed("at least the command socket in the kernel's list", "nothing")
    return { outcome: "passed", evidence: `${open.length} listening sockets, all declared` }
  },
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
