import { suite } from "uvu"
import * as assert from "uvu/assert"
import { writeAuditAcl } from "../../../policy/export/audit-acl.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/export/audit-acl")
const NOBODY = { operators: [], collectors: [] }

test("[CR 3.9] the gateway alone writes; operators read all of it, collectors the log; cosigners speak under their own name alone", () => {
  const acl = writeAuditAcl("gw-1", "gw-1-control", {
    operators: ["anna"],
    collectors: ["siem"],
    witnesses: ["gw-2-cn=gw-2"],
  })
  assert.equal(acl.split("\n").filter((line) => /^(user|topic)/.test(line)), [
    "user gw-1-control",
    "topic readwrite lockgate/gw-1/log/#",
    "topic readwrite lockgate/gw-1/alarm/#",
    "topic write lockgate/gw-1/audit/#",
    "topic write lockgate/gw-1/command/answer/#",
    "topic write lockgate/gw-1/heartbeat",
    "topic write lockgate/gw-1/online",
    "topic read lockgate/gw-1/command/request",
    "topic read lockgate/gw-1/witness/#",
    "user anna",
    "topic write lockgate/gw-1/log/request",
    "topic write lockgate/gw-1/command/request",
    "topic read lockgate/gw-1/#",
    "user siem",
    "topic write lockgate/gw-1/log/request",
    "topic write lockgate/gw-1/witness/siem",
    "topic write lockgate/gw-1/witness/siem/refused",
    "topic read lockgate/gw-1/audit/live",
    "topic read lockgate/gw-1/log/#",
    "topic read lockgate/gw-1/heartbeat",
    "topic read lockgate/gw-1/online",
    "topic read lockgate/gw-1/alarm/#",
    "topic read lockgate/gw-1/witness/#",
    "user gw-2-cn",
    "topic write lockgate/gw-1/log/request",
    "topic write lockgate/gw-1/witness/gw-2",
    "topic write lockgate/gw-1/witness/gw-2/refused",
    "topic read lockgate/gw-1/log/#",
    "topic read lockgate/gw-1/heartbeat",
    "topic read lockgate/gw-1/online",
  ]) // prettier-ignore
})

test("[CR 1.1] who gives commands hears the answers to that account alone, and changes of the key that signs them", async () => {
  const acl = writeAuditAcl("gw-1", "own", { ...NOBODY, people: ["anna-laptop=anna"] })
  assert.ok(
    acl.endsWith(`
# person
user anna-laptop
topic write lockgate/gw-1/command/request
topic read lockgate/gw-1/command/answer/anna/#
topic read lockgate/gw-1/log/handover/+
`),
    acl,
  )
  for (const account of ["", "#", "+", "a/b", "Anna", "a=b", "x".repeat(33), "a\nuser root"])
    await rejects(() => writeAuditAcl("gw", "own", { ...NOBODY, people: [`cn=${account}`] }), "ERR_BROKER_IDENTITY")
})

test("[CR 3.9] the name of a cosigner opens no topic but its own", async () => {
  for (const as of ["", "#", "+", "a/b", "a/#", "a=b", "x".repeat(65), "ä", "a\nuser root"])
    for (const part of [{ collectors: [`cn=${as}`] }, { collectors: [], witnesses: [`cn=${as}`] }])
      await rejects(() => writeAuditAcl("gw", "own", { operators: [], ...part }), "ERR_BROKER_IDENTITY")
})

test("a name that mosquitto would read as another, or that stands for two, is refused", async () => {
  for (const name of ["", "two words", "#x", "a\nuser root", "ü"]) {
    await rejects(() => writeAuditAcl("gw", name, NOBODY), "ERR_BROKER_IDENTITY")
    await rejects(() => writeAuditAcl("gw", "own", { ...NOBODY, operators: [name] }), "ERR_BROKER_IDENTITY")
  }
  for (const readers of [
    { operators: ["own"], collectors: [] },
    { operators: ["a", "a"], collectors: [] },
    { operators: ["a"], collectors: ["a"] },
  ])
    await rejects(() => writeAuditAcl("gw", "own", readers), "ERR_BROKER_IDENTITY")
})

test.run()
