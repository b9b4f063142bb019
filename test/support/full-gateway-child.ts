/**
 * A child process with a small disk: a whole gateway whose state lies there, filled until its log is full. First its policy overwrites, then it
 * closes. Prints what was seen as JSON.
 */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createFolderSource } from "../../firmware/audit/folder-source.ts"
import { nodeSha256, verifyNoteSignature } from "../../firmware/audit/note-functions.ts"
import { createLogReader } from "../../firmware/audit/reader.ts"
import { openReadOnlyStorage } from "../../hal/linux/storage.ts"
import type { Entry } from "../../policy/audit/entry.ts"
import { parseNoteKey } from "../../policy/audit/tlog/note.ts"
import { verifyLog } from "../../policy/audit/tlog/verify-log.ts"
import { keyLineOf } from "./cli-logs.ts"
import { mqttPeer } from "./mqtt-peer.ts"
import { POLICY, startRig } from "./rig.ts"

const disk = process.argv[2] ?? ""
const FILLER = join(disk, "of-others")
const RULES = `
  - { id: vital, allow: publish, roles: [pump], topics: ["vital/%u"], qos: 1, essential: true }
`
const policy = (audit: string): string => `${POLICY.trimEnd()}${RULES}audit: { ${audit} }\n`
const fill = (kib: number): void => writeFileSync(FILLER, Buffer.alloc(kib * 1024, 1))

fill(3300)
const rig = await startRig({
  policy: policy("when-full: overwrite, overwrite-uncollected: true"),
  beforeStart(stateFolder) {
    mkdirSync(join(disk, "state"))
    symlinkSync(join(disk, "state"), stateFolder)
  },
})

async function entries(): Promise<Entry[]> {
  const reader = createLogReader(openReadOnlyStorage(rig.stateFolder))
  const found: Entry[] = []
  for (let index = (await reader.first()) / 256; index * 256 < (await reader.end()); index++)
    found.push(...(await reader.bundle(index)).entries.map(({ entry }) => entry))
  return found
}

const seen = await rig.watch("vital/#", "plant/#")
const vital = await mqttPeer(rig, { name: "p1", kind: "pump" })
let sent = 0
/** The essential flow never stops: one message each 10 ms, each acknowledged. */
let isOver = false
const flow = (async () => {
  const codes = new Set<number>()
  for (; !isOver; sent++) {
    codes.add(await vital.publish("vital/p1", `v${sent}`, { qos: 1 }))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return [...codes]
})()
const normal = async (word: string): Promise<number | string> => {
  try {
    const peer = await mqttPeer(rig, { name: "s1" })
    const code = await peer.publish("plant/s1/x", word, { qos: 1 })
    await peer.end(true)
    return code
  } catch {
    return "closed"
  }
}
/** Give a command, which is two entries, until something holds. */
async function commandUntil(holds: () => Promise<boolean>, most: number): Promise<boolean> {
  for (let given = 0; given < most; given += 64) {
    await Promise.all([0, 1, 2, 3].map(async () => {
      for (let k = 0; k < 16; k++) await rig.command("trust.reload")
    })) // prettier-ignore
    if (await holds()) return true
  }
  return false
}
const key = parseNoteKey(nodeSha256, keyLineOf(rig.stateFolder, "gw-test"))
async function verified(): Promise<string> {
  const storage = openReadOnlyStorage(rig.stateFolder)
  const deps = { sha256: nodeSha256, verify: verifyNoteSignature, keys: [key] }
  const from = await createLogReader(storage).first()
  const { faults, entries: good } = await verifyLog(deps, createFolderSource(storage), { from })
  return faults.length === 0 && good > 256 ? "verified" : JSON.stringify(faults.slice(0, 3))
}
const told = async (): Promise<string[]> => [...new Set((await entries()).map(({ event }) => event))].filter((id) => id.startsWith("audit.")) // prettier-ignore
const posture = async (): Promise<string> => {
  const { normal: ofNormal, essential } = (await rig.status()).posture
  return `${ofNormal} ${essential}`
}

const overwriting = { normal: [] as (number | string)[], posture: "", first: 0, verified: "", told: [] as string[] }
overwriting.normal.push(await normal("n1"))
await commandUntil(async () => (await createLogReader(openReadOnlyStorage(rig.stateFolder)).first()) > 0, 6400)
overwriting.normal.push(await normal("n2"))
overwriting.posture = await posture()
overwriting.verified = await verified()
overwriting.first = await createLogReader(openReadOnlyStorage(rig.stateFolder)).first()
overwriting.told = await told()

const file = join(rig.folder, "closing.jws")
writeFileSync(file, await rig.bundle(2, policy("when-full: close")))
const activated = (await rig.lockgate("policy", "activate", file)).code
const roomy = await normal("n3")
const closed = await commandUntil(async () => (await posture()) === "closed open", 6400)
const closing = {
  ...{ activated, roomy, closed, posture: await posture(), normal: await normal("n4") },
  status: (await rig.lockgate("status")).out,
  alarms: (await rig.lockgate("alarms")).out,
}
rmSync(FILLER)
// Nobody does anything but wait: the log looks every 10 s while it is in need.
const deadline = performance.now() + 30_000
while ((await posture()) !== "open open" && performance.now() < deadline)
  await new Promise((resolve) => setTimeout(resolve, 100))
const open = (await posture()) === "open open"
const after = { open, normal: await normal("n5"), verified: await verified(), told: await told() }
isOver = true
const codes = await flow
await new Promise((resolve) => setTimeout(resolve, 300))
const arrived = seen.messages.filter(({ topic }) => topic === "vital/p1").map(({ payload }) => payload.toString())
const words = seen.messages.filter(({ topic }) => topic === "plant/s1/x").map(({ payload }) => payload.toString())
const lost = Array.from({ length: sent }, (_, k) => `v${k}`).filter((one) => !arrived.includes(one))
const essential = { sent, codes, lost, closed: vital.closed }
await vital.end(true)
await seen.stop()
await rig.stop()
console.log(JSON.stringify({ overwriting, closing, after, essential, words }))
