/** What the certificate of a field device says of it: a URI in its subject alternative names. */
export function deviceUri(kind: "sensor" | "pump" | "panel", name: string): string {
  return `urn:lockgate-demo:${kind}:${name}`
}

/** What the certificate of a client in the control zone says of it. */
export function controlUri(name: string): string {
  return `urn:lockgate-demo:control:${name}`
}

/** The input of the demo's board that orders island mode. */
export const KEY_SWITCH = "key-switch"

/** The demo's policy document: an example to read, and small enough to see what each rule does in the live view. */
export const DEMO_POLICY = `# What may pass between the field and the control zone of the demo plant. Everything else is denied.
# Edit a copy, sign it, and put it in force with "lockgate policy": the policy in force does not change by editing this.
lockgate-policy: 1
name: demo plant

zones:
  # A peer belongs to a zone when one of the zone's authorities vouches for its certificate.
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
  # The cabinet of a drive that speaks Modbus in clear text, behind a locked door.
  cabinet: { level: 1, clear-text: true }

roles:
  sensor: tells its own values
  pump: takes set points
  drive-viewer: reads the drive
  drive-operator: reads the drive and sets its speed

subjects:
  # The name comes from the certificate, never from what the client says: urn:lockgate-demo:sensor:flow is "flow".
  - { id: sensors, zone: field, match: { san-uri: "${deviceUri("sensor", "{name}")}" }, roles: [sensor] }
  - { id: pumps, zone: field, match: { san-uri: "${deviceUri("pump", "{name}")}" }, roles: [sensor, pump] }
  # Panels speak Modbus/TCP Security: their certificate says the role, too.
  - id: viewers
    zone: field
    match: { san-uri: "${deviceUri("panel", "{name}")}" }
    modbus-role: Viewer
    roles: [drive-viewer]
  - id: operators
    zone: field
    match: { san-uri: "${deviceUri("panel", "{name}")}" }
    modbus-role: Operator
    roles: [drive-operator]

conduits:
  # The one way between the two zones: field devices connect here, the broker stands in the control zone.
  telemetry: { from: field, to: control, protocol: mqtt }
  # The way to the drive: TLS from the field, Modbus TCP within the cabinet, whose door is what protects the wire.
  drive: { from: field, to: cabinet, protocol: modbus, transport: { to: tcp } }

rules:
  # %u is the subject's name: a sensor speaks for itself and for nobody else, in small messages and not too often. A
  # message is a value and its unit, and nothing else can ride along.
  - id: report
    allow: publish
    roles: [sensor]
    topics: [plant/%u/telemetry]
    qos: 1
    payload: 512
    form:
      json:
        type: object
        properties: { value: { type: number }, unit: { type: string, maxLength: 8 }, at: { type: string, maxLength: 32 } }
        required: [value, unit]
        additionalProperties: false
    rate: 20/s burst 30

  # A pump asks for its own set points and gets them. Essential: this goes on when the gateway is an island.
  - id: set-points
    allow: [subscribe, receive]
    roles: [pump]
    topics: [plant/%u/setpoint]
    qos: 1
    payload: 128
    essential: true

  # No rule allows this anyway. A deny says so for good: it wins over whatever somebody may allow one day.
  - id: no-commands-from-the-field
    deny: publish
    roles: [sensor, pump]
    topics: ["plant/+/setpoint"]

  # The drive is unit 1. Whoever sets it sets its speed, within what the pump can take, and nothing else.
  - id: drive-state
    allow: read
    roles: [drive-viewer, drive-operator]
    units: 1
    registers: 0-99
  - id: drive-speed
    allow: write-single-register
    roles: [drive-operator]
    units: 1
    points: [{ name: speed, at: 40, type: uint16, min: 0, max: 1500 }]
    refusal: illegal-data-address

# Who turns the key at the gateway's door cuts the zones apart at once. Turning it back opens nothing: a person does that.
island: { when: ${KEY_SWITCH} is island }
`

const TELEMETRY_TOPIC = "topics: [plant/%u/telemetry]"

/** The demo's policy as somebody writes it who is in a hurry: no sensor reports on that topic. Null if it was changed there. */
export function withMistake(policy: string): string | null {
  if (!policy.includes(TELEMETRY_TOPIC)) return null
  return policy.replace(TELEMETRY_TOPIC, "topics: [plant/%u/telemetri]")
}

/** Ports of the demo on loopback. */
export interface DemoPorts {
  readonly gatewayPort: number
  readonly brokerPort: number
  /** Where the gateway listens for Modbus/TCP Security. */
  readonly modbusPort: number
  /** Where the drive listens. */
  readonly drivePort: number
}

/** The demo gateway's board file, for these ports and a witness's key. Paths are taken from its folder. */
export function demoBoardFile(
  gatewayName: string,
  { gatewayPort, brokerPort, modbusPort, drivePort }: DemoPorts,
  witness: string,
): string {
  return `# The board file of the demo's gateway: the policy's names to addresses and files of this machine.
lockgate-gateway: 1
gateway: ${gatewayName}
board: simulated
state: state

trust:
  authorities:
    field-ca: owner/field-ca.pem
    control-ca: owner/control-ca.pem
  policy-signers:
    owner: owner/policy-signer.pub.pem

credentials:
  # What field devices see, what the broker sees, and what the gateway itself is when it writes its log to the broker.
  field-end: { key: gateway/field-end.key.pem, certificate: gateway/field-end.pem }
  control-end: { key: gateway/control-end.key.pem, certificate: gateway/control-end.pem }
  management: { key: gateway/management.key.pem, certificate: gateway/management.pem }

policy-bundle: policy.jws

conduits:
  telemetry:
    listen: { address: 127.0.0.1, port: ${gatewayPort}, credential: field-end }
    upstream: { url: "mqtts://127.0.0.1:${brokerPort}", credential: control-end, authority: control-ca }
  drive:
    listen: { address: 127.0.0.1, port: ${modbusPort}, credential: field-end }
    upstream: { url: "modbus://127.0.0.1:${drivePort}" }

# Contacts and lamps of the board, simulated here: "lockgate board input ${KEY_SWITCH} island" turns the key. On a real
# board add "bias: pull-up": a cut wire then reads as island, which is what is safe. (Here there is no wire at all.)
gpio:
  ${KEY_SWITCH}: { direction: in, chip: gpiochip0, line: 17, states: { low: run, high: island } }
  island-relay: { direction: out, chip: gpiochip0, line: 22, safe: on, shows: island }
  fault-led: { direction: out, chip: gpiochip0, line: 23, safe: on, shows: fault }

management:
  socket: command.sock
  mqtt: { url: "mqtts://127.0.0.1:${brokerPort}", credential: management, authority: control-ca }

# Who cosigns the log: the plant's log server, by its own key ("lockgate audit collect"). "lockgate status" says how far it is.
audit:
  witnesses: ["${witness}"]
`
}
