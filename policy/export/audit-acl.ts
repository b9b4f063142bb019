/**
 * Who may read the audit log of a gateway at its broker, as lines of a mosquitto ACL file.
 *
 * | who | reads | writes |
 * |---|---|---|
 * | gateway   | its own log as the broker shows it, commands | everything of its own |
 * | operator  | everything of the gateway | what it asks for older history |
 * | collector | the log, the sign of life | what it asks for older history |
 *
 * Everybody else gets nothing: what no line allows, mosquitto refuses once it has an ACL file.
 *
 * @see IEC 62443-4-2 CR 3.9, CR 6.1; mosquitto.conf(5), "acl_file"
 */
import { InputError } from "../base/errors.ts"

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
  readonly collectors: readonly string[]
}

/** What the gateway itself needs at the broker for its log and its commands. */
export function gatewayAudit(gateway: string): Pick<AclUser, "read" | "write"> {
  const own = (topic: string): string => `lockgate/${gateway}/${topic}`
  return { read: [own("command/#"), own("log/#")], write: [own("#")] }
}

/** The users who may read the audit of this gateway. @throws InputError `ERR_BROKER_IDENTITY` if a name could not stand in an ACL file, or stands in it as the gateway */
export function auditReaders(
  gateway: string,
  { operators, collectors }: AuditReaders,
  taken: readonly string[],
): readonly AclUser[] {
  const own = (topic: string): string => `lockgate/${gateway}/${topic}`
  const users: AclUser[] = [
    ...operators.map((name) => ({
      ...{ comment: "operator", name, read: [own("#")] },
      write: [own("log/request")],
    })),
    ...collectors.map((name) => ({
      ...{ comment: "collector", name, write: [own("log/request")] },
      read: [own("audit/live"), own("log/#"), own("heartbeat"), own("online")],
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
