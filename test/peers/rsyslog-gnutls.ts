import { runRsyslogd, type Rsyslogd } from "./rsyslog.ts"

/** How a receiver is set up. */
export interface RsyslogOptions {
  readonly port: number
  /** PEM files of the daemon, and of the authority that clients must have. */
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** Common name of the one client that it takes. */
  readonly peer: string
  /** What it received is appended here: a line of JSON each, as its own parser took the message apart. */
  readonly file: string
}

/**
 * Starts the real rsyslog on loopback, TLS with certificates on both ends (RFC 5425). It handles each message while it reads, so that what
 * it has read is in the file.
 */
export function startRsyslog({ port, ca, cert, key, peer, file }: RsyslogOptions): Promise<Rsyslogd> {
  const fields = ["pri", "timestamp", "hostname", "app-name", "procid", "msgid", "structured-data", "msg", "rawmsg"]
  const properties = fields.map((name) => {
    const date = name === "timestamp" ? ' dateFormat="rfc3339"' : ""
    return `  property(outname="${name}" name="${name}" format="jsonf"${date})`
  })
  return runRsyslogd(
    [
      `global(defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="${ca}" defaultNetstreamDriverCertFile="${cert}"`,
      `  defaultNetstreamDriverKeyFile="${key}" maxMessageSize="8k" parser.escapeControlCharactersOnReceive="off")`,
      `main_queue(queue.type="Direct")`,
      `module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer="${peer}")`,
      `template(name="line" type="list" option.jsonf="on") {`,
      ...properties,
      `}`,
      `input(type="imtcp" port="${port}" address="127.0.0.1" ruleset="keep")`,
      `ruleset(name="keep" queue.type="Direct") {`,
      `  action(type="omfile" file="${file}" template="line" asyncWriting="off" flushOnTXEnd="on" ioBufferSize="1")`,
      `}`,
    ],
    port,
  )
}
