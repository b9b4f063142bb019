/** Another gateway beside that of a rig: at the same broker, without conduits, in a process and a folder of its own. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { callLocal } from "../../firmware/management/local-client.ts"
import type { StatusReport } from "../../firmware/management/status-report.ts"
import { opensslCertificate } from "../peers/openssl.ts"
import { auditOnDisk, gatewayProcess, lockgate, type LoggedLine, type Rig } from "./rig.ts"

/** @see secondGateway */
export interface SecondGateway {
  /** The board file. */
  readonly config: string
  readonly stateFolder: string
  start(): Promise<void>
  stop(): Promise<void>
  kill9(): Promise<void>
  status(): Promise<StatusReport>
  audit(): LoggedLine[]
  lockgate: Rig["lockgate"]
}

/** Makes its files in the rig's folder; it does not run yet. */
export function secondGateway(rig: Rig, name: string): SecondGateway {
  const folder = join(rig.folder, name)
  mkdirSync(folder)
  const pki = join(rig.folder, "pki")
  const { key, chain } = opensslCertificate(pki, name, { issuer: rig.controlCa, usage: "client" })
  const config = join(folder, "gateway.yaml")
  const stateFolder = join(folder, "state")
  const socket = join(folder, "run", "command.sock")
  writeFileSync(
    config,
    `
lockgate-gateway: 1
gateway: ${name}
board: simulated
state: ${stateFolder}
trust:
  authorities: { control-ca: ${rig.controlCa.cert} }
  policy-signers: { owner: ${join(pki, "owner.pub.pem")} }
credentials:
  control-end: { key: ${key}, certificate: ${chain} }
conduits: {}
management:
  socket: ${socket}
  mqtt: { url: "mqtts://127.0.0.1:${rig.broker.tlsPort}", credential: control-end, authority: control-ca }
`,
  )
  const status = async (): Promise<StatusReport> => {
    const answer = await callLocal(socket, { command: "status", arguments: {} }, 15_000)
    if (!answer.ok) throw new Error(`status: ${answer.code}`)
    return answer.result as StatusReport
  }
  const gateway = gatewayProcess(config, {}, async () => (await status()).gateway === name)
  return {
    ...{ config, stateFolder, status },
    start: () => gateway.start(),
    async stop() {
      await gateway.stop()
    },
    kill9: () => gateway.kill9(),
    audit: () => auditOnDisk(stateFolder).entries,
    lockgate: (...args) => lockgate([...args, "--config", config]),
  }
}
