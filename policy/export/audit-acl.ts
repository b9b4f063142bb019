/**
 * Who may read the audit log of a gateway at its broker, as lines of a mosquitto ACL file.
 *
 * | who | reads | writes |
 * |---|---|---|
 * | gateway   | its own log and alarms as the broker shows them, what cosigners say, commands | everything of its own but that, answers to commands |
 * | operator  | everything of the gateway | what it asks for older history, signed commands |
 * | person    | answers to that account, changes of the log's key | signed commands |
 * | collector | the log, the signs of life (`heartbeat`, `online`), alarms, what cosigners say | what it asks for, what it cosigns |
 * | witness   | the log, the signs of life | what it asks for, what it cosigns |
 *
 * Collectors and witnesses say what they cosign, or refuse, at `witness/<name>` and below, each under its own name alone.
 *
 * A command is believed for its person's signature alone: what a line here allows somebody is to be heard.
 *
 * Everybody else gets nothing: what no line allows, mosquitto refuses once it has an ACL file.
 *
 * @see IEC 62443-4-2 CR 3.9, CR 6.1; mosquitto.conf(5), "acl_file"
 */
import { InputError } from "../base/errors.ts"

/** One level of a topic, and no wildcard. */
const COSIGNER = /^[A-Za-z0-9._-]{1,64}$/

/** As accounts are named. */
const ACCOUNT = /^[a-z][a-z0-9._-]{0,31}$/

/** What one user may do: topics by kind. */
export interface AclUser {
  readonly comment: string
  readonly name: string
  readonly read: readonly string[]
  readonly write: readonly string[]
}

/** Who is who at the broker, by the names it knows them by: the common names of their certificates. */
export interface AuditReaders {
  readonly operators: readonly string[]
  /** A common name; or `<common name>=<name as cosigner>`, where the two differ. */
  readonly collectors: readonly string[]
  /** Who cosigns and collects nothing, named likewise. */
  readonly witnesses?: readonly string[]
  /** Who gives commands and reads no log: `<common name>=<account>`, or a common name that is the account's. */
  readonly people?: readonly string[]
}

/** What the gateway itself needs at the broker for its log and its commands. */
export function gatewayAudit(gateway: string): Pick<AclUser, "read" | "write"> {
  const own = (topic: string): string => `lockgate/${gateway}/${topic}`
  const places = "alarm/# audit/# command/answer/# heartbeat log/# online".split(" ").map(own)
  return { read: ["command/request", "log/#", "alarm/#", "witness/#"].map(own), write: places }
}

/** The users who may read the audit of this gateway. @throws InputError `ERR_BROKER_IDENTITY` if a name could not stand in an ACL file, or stands in it as the gateway */
export function auditReaders(
  gateway: string,
  { operators, collectors, witnesses = [], people = [] }: AuditReaders,
  taken: readonly string[],
): readonly AclUser[] {
  const own = (topic: string): string => `lockgate/${gateway}/${topic}`
  const cosigner = (named: string): Pick<AclUser, "name" | "write"> => {
    const [name = "", as = name, ...more] = named.split("=")
    if (more.length > 0 || !COSIGNER.test(as))
      throw new InputError("ERR_BROKER_IDENTITY", `${named}: a cosigner's name is 1 to 64 of A-Z a-z 0-9 . _ -`)
    return { name, write: [own("log/request"), own(`witness/${as}`), own(`witness/${as}/refused`)] }
  }
  const users: AclUser[] = [
    ...operators.map((name) => ({
      ...{ comment: "operator", name, read: [own("#")] },
      write: [own("log/request"), own("command/request")],
    })),
    ...people.map((named) => ({
      ...{ comment: "person", ...personNamed(named, own) },
      write: [own("command/request")],
    })),
    ...collectors.map((named) => ({
      ...{ comment: "collector", ...cosigner(named) },
      read: ["audit/live", "log/#", "heartbeat", "online", "alarm/#", "witness/#"].map(own),
    })),
    ...witnesses.map((named) => ({
      ...{ comment: "witness", ...cosigner(named) },
      read: ["log/#", "heartbeat", "online"].map(own),
    })),
  ]
  const seen = new Set(taken)
  for (const { name } of users) {
    aclName(name)
    if (seen.has(name))
      throw new InputError("ERR_BROKER_IDENTITY", `${name} is named for two parts: each needs its own`)
    seen.add(name)
  }
  return users
}

function personNamed(named: string, own: (topic: string) => string): Pick<AclUser, "name" | "read"> {
  const [name = "", account = name, ...more] = named.split("=")
  if (more.length > 0 || !ACCOUNT.test(account))
    throw new InputError("ERR_BROKER_IDENTITY", `${named}: an account's name is 1 to 32 of a-z 0-9 . _ -`)
  return { name, read: [own(`command/answer/${account}/#`), own("log/handover/+")] }
}

/** The name, if mosquitto can read it in an ACL file. @throws InputError `ERR_BROKER_IDENTITY` */
export function aclName(name: string): string {
  if (/[^\x21-\x7e]/.test(name) || name === "" || name.startsWith("#"))
    throw new InputError("ERR_BROKER_IDENTITY", "a common name for mosquitto is printable ASCII without spaces")
  return name
}

/** The ACL of one gateway's audit alone, for a broker whose file is kept by hand. @throws InputError `ERR_BROKER_IDENTITY` */
export function writeAuditAcl(gateway: string, identity: string, readers: AuditReaders): string {
  const users: AclUser[] = [
    { comment: "the gateway itself", name: aclName(identity), ...gatewayAudit(gateway) },
    ...auditReaders(gateway, readers, [identity]),
  ]
  return [
    `# Audit of gateway ${gateway}: who may read it, and who asks for what is older.`,
    "# Made by `lockgate audit acl`. Who is not named may do nothing.",
    ...users.flatMap(aclLines),
    "",
  ].join("\n")
}

/** One user's lines. */
export function aclLines({ comment, name, read, write }: AclUser): readonly string[] {
  const both = read.filter((topic) => write.includes(topic))
  return [
    "",
    `# ${comment}`,
    `user ${name}`,
    ...both.map((topic) => `topic readwrite ${topic}`),
    ...write.filter((topic) => !both.includes(topic)).map((topic) => `topic write ${topic}`),
    ...read.filter((topic) => !both.includes(topic)).map((topic) => `topic read ${topic}`),
  ]
}
