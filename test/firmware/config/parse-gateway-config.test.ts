import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parse } from "yaml"
import { clash } from "../../../firmware/config/address.ts"
import { DEFAULT_AUDIT, DEFAULT_LIMITS, DEFAULT_LINE } from "../../../firmware/config/gateway-config.ts"
import { boardText, EXAMPLE_BOARD, readBoard, UPSTREAM } from "../../support/board-files.ts"
import { faulty, good, type Expected } from "../../support/faults.ts"

const test = suite("firmware/config/parse-gateway-config")

const listen = (text: string): string =>
  boardText({ conduits: `conduits: { t: { listen: ${text}, upstream: ${UPSTREAM} } }` })
const upstream = (text: string): string =>
  boardText({ conduits: `conduits: { t: { listen: { address: "::1", credential: c }, upstream: ${text} } }` })
const url = (text: string): string => upstream(`{ url: ¦'${text}', credential: c, authority: ca }`)
const two = (a: string, b: string): string => `conduits:
  one: { listen: { address: "${a}", port: 1883, credential: c }, upstream: ${UPSTREAM} }
  two: { listen: ¦{ address: "${b}", port: 1883, credential: c }, upstream: ${UPSTREAM} }`

const gpio = (text: string): string => boardText({ tail: `gpio: ${text}` })

test("the worked example is read whole, paths resolved and defaults filled in", () => {
  assert.equal(good(readBoard(EXAMPLE_BOARD)), {
    format: 1,
    gateway: "pump-17",
    board: "linux",
    stateFolder: "/var/lib/lockgate",
    trust: {
      authorities: {
        "field-ca": "/etc/lockgate/trust/field-ca.pem",
        "control-ca": "/etc/lockgate/trust/control-ca.pem",
      },
      crls: {
        "field-ca": "/etc/lockgate/trust/field-ca.crl",
        "control-ca": "/etc/lockgate/trust/control-ca.crl",
      },
      policySigners: { owner: "/etc/lockgate/trust/owner.pub.pem", deputy: "/etc/lockgate/trust/deputy.pub.pem" },
      policyThreshold: 2,
      timeSigners: {},
    },
    credentials: Object.fromEntries(
      ["field-end", "desk-end", "control-end", "management"].map((name) => [
        name,
        { keyFile: `/etc/lockgate/keys/${name}.key.pem`, certificateFile: `/etc/lockgate/keys/${name}.pem` },
      ]),
    ),
    policyBundleFile: "/etc/lockgate/pumping-station.policy.jws",
    conduits: {
      telemetry: {
        protocol: "mqtt",
        listen: { address: "192.0.2.17", port: 8883, credential: "field-end" },
        upstream: {
          kind: "tls",
          host: "broker.plant.example",
          port: 8883,
          serverName: "broker.plant.example",
          credential: "control-end",
          authority: "control-ca",
        },
        points: [],
      },
      drives: {
        protocol: "modbus",
        listen: { address: "198.51.100.17", port: 802, credential: "desk-end" },
        upstream: { kind: "line", line: "drives" },
        points: [{ name: "pump1.current", units: [{ from: 1, to: 1 }], table: "input-registers", from: 4, to: 4 }],
      },
    },
    lines: {
      drives: { ...DEFAULT_LINE, device: "/dev/ttyAMA0", rs485: "driver", timeoutMs: 300, queue: 32 },
    },
    management: {
      socket: "/run/lockgate/command.sock",
      mqtt: {
        host: "broker.plant.example",
        port: 8883,
        serverName: "broker.plant.example",
        credential: "management",
        authority: "control-ca",
      },
      mqttVersion: "3.1.1",
    },
    limits: {
      ...DEFAULT_LIMITS,
      maxConnections: 200,
      maxSubjectConnections: 4,
      subjectMessages: { perSecond: 200, burst: 400 },
      maxMemoryBytes: 128 * 1024 * 1024,
    },
    packetFilter: "apply",
    time: { network: "any", rtcErrorMs: null, chronySocket: null },
    keys: null,
    inspector: "refuse",
    gpio: {
      inputs: [
        {
          name: "key-switch",
          chip: "gpiochip0",
          line: 17,
          bias: "pull-up",
          debounceMs: 50,
          states: { low: "maintenance", high: "run" },
          tamper: null,
        },
        {
          name: "island-switch",
          chip: "gpiochip0",
          line: 18,
          bias: "pull-up",
          debounceMs: 50,
          states: { low: "normal", high: "island" },
          tamper: null,
        },
        {
          name: "enclosure",
          chip: "gpiochip0",
          line: 27,
          bias: "pull-up",
          debounceMs: 20,
          states: { low: "shut", high: "open" },
          tamper: "open",
        },
      ],
      outputs: [
        { name: "fault-led", chip: "gpiochip0", line: 22, activeLow: true, safe: "on", shows: "fault" },
        { name: "island-relay", chip: "gpiochip0", line: 23, activeLow: false, safe: "on", shows: "island" },
      ],
    },
    workers: 1,
    audit: { ...DEFAULT_AUDIT, capacityBytes: 512 * 1024 * 1024 },
    trialSeconds: 300,
  })
})

test("JSON form equals YAML form", () => {
  assert.equal(good(readBoard(JSON.stringify(parse(EXAMPLE_BOARD)))), good(readBoard(EXAMPLE_BOARD)))
})

test("workers are a number, or left to the board", () => {
  for (const workers of [1, 16, "auto"] as const) {
    assert.is(good(readBoard(boardText({ tail: `workers: ${workers}` }))).workers, workers)
  }
})

test("what may be left out has its default", () => {
  const config = good(readBoard(boardText({})))
  assert.equal(config.limits, DEFAULT_LIMITS)
  assert.equal(config.audit, DEFAULT_AUDIT)
  assert.is(config.trialSeconds, 300)
  assert.is(config.workers, 1)
  assert.is(config.policyBundleFile, null)
  assert.is(config.management.mqtt, null)
  assert.is(config.trust.policyThreshold, 1)
})

const lines = (text: string): string => boardText({ tail: `lines: ${text}` })

test("a serial line: every key, its bounds, and a frame that YAML takes for a number", () => {
  const line = (text: string): unknown => good(readBoard(lines(`{ a: { device: /dev/ttyS0, ${text} } }`))).lines["a"]
  const base = { ...DEFAULT_LINE, device: "/dev/ttyS0" }
  assert.equal(line(""), base)
  for (const frame of ["8N1", "8E1", "8N2"]) {
    assert.equal(line(`frame: ${frame}`), { ...base, frame })
    assert.equal(line(`frame: "${frame}"`), { ...base, frame })
  }
  assert.equal(
    line(
      "baud: 1200, rs485: driver, echo: true, timeout: 10ms, turnaround: 0ms, retries: 0, repeat: all, queue: 1, wait: 1min",
    ),
    { device: "/dev/ttyS0", baud: 1_200, frame: "8E1", rs485: "driver", echo: true, timeoutMs: 10, turnaroundMs: 0, retries: 0, repeat: "all", queue: 1, waitMs: 60_000 }, // prettier-ignore
  )
  assert.equal(line("baud: 921600, retries: 10, queue: 1024"), { ...base, baud: 921_600, retries: 10, queue: 1_024 })
  assert.equal(good(readBoard(boardText({}))).lines, {})
})

test("limits reach from their lowest to their highest value", () => {
  const limits = (text: string): unknown => good(readBoard(boardText({ tail: `limits: ${text}` }))).limits
  const MIB = 1024 * 1024
  assert.equal(
    limits(
      "{ max-connections: 1, connect-timeout: 100ms, max-packet: 1KiB, max-control-packet: 1024, max-topic-aliases: 0, " +
        "max-subject-connections: 1, max-source-connections: 1, source-handshakes: 1/h, handshakes: 1/min burst 1, " +
        "max-half-open: 1, half-open-time: 100ms, connect-wait: 100ms, subject-messages: 1/h, subject-requests: 1/h, subject-bytes: 1KiB, " +
        "conduit-messages: 1/s, conduit-bytes: 1KiB, max-queue: 64KiB, slow-reader-time: 1s, max-memory: 16MiB }",
    ),
    {
      maxConnections: 1,
      connectTimeoutMs: 100,
      maxPacketBytes: 1024,
      maxControlBytes: 1024,
      maxTopicAliases: 0,
      maxSubjectConnections: 1,
      maxSourceConnections: 1,
      sourceHandshakes: { perSecond: 1 / 3600, burst: 1 },
      handshakes: { perSecond: 1 / 60, burst: 1 },
      maxHalfOpen: 1,
      halfOpenMs: 100,
      connectWaitMs: 100,
      subjectMessages: { perSecond: 1 / 3600, burst: 1 },
      subjectRequests: { perSecond: 1 / 3600, burst: 1 },
      subjectBytes: 1024,
      conduitMessages: { perSecond: 1, burst: 1 },
      conduitBytes: 1024,
      maxQueueBytes: 64 * 1024,
      slowReaderMs: 1000,
      maxMemoryBytes: 16 * MIB,
    },
  )
  assert.equal(
    limits(
      "{ max-connections: 100000, connect-timeout: 5min, max-packet: 256MiB, max-control-packet: 1MiB, max-topic-aliases: 65535, " +
        "max-subject-connections: 100000, max-source-connections: 100000, source-handshakes: 1000000/s, handshakes: 1000000/s, " +
        "max-half-open: 10000, half-open-time: 5min, connect-wait: 5min, subject-messages: 1000000/s, subject-requests: 1000000/s, subject-bytes: 1024MiB, " +
        "conduit-messages: 1000000/s, conduit-bytes: 1024MiB, max-queue: 256MiB, slow-reader-time: 1h, max-memory: 8192MiB }",
    ),
    {
      maxConnections: 100_000,
      connectTimeoutMs: 300_000,
      maxPacketBytes: 256 * MIB,
      maxControlBytes: MIB,
      maxTopicAliases: 65_535,
      maxSubjectConnections: 100_000,
      maxSourceConnections: 100_000,
      sourceHandshakes: { perSecond: 1_000_000, burst: 1_000_000 },
      handshakes: { perSecond: 1_000_000, burst: 1_000_000 },
      maxHalfOpen: 10_000,
      halfOpenMs: 300_000,
      connectWaitMs: 300_000,
      subjectMessages: { perSecond: 1_000_000, burst: 1_000_000 },
      subjectRequests: { perSecond: 1_000_000, burst: 1_000_000 },
      subjectBytes: 1024 * MIB,
      conduitMessages: { perSecond: 1_000_000, burst: 1_000_000 },
      conduitBytes: 1024 * MIB,
      maxQueueBytes: 256 * MIB,
      slowReaderMs: 3_600_000,
      maxMemoryBytes: 8192 * MIB,
    },
  )
})

test("brokers are named by host name, IPv4 or IPv6, with a port or without", () => {
  const cases = [
    ["mqtts://broker", "broker", 8883],
    ["mqtts://broker.example:1234", "broker.example", 1234],
    ["mqtts://192.0.2.1:8883/", "192.0.2.1", 8883],
    ["mqtts://[2001:db8::1]:8884", "2001:db8::1", 8884],
  ] as const
  for (const [text, host, port] of cases) {
    const end = good(readBoard(url(text).replace("¦", ""))).conduits["t"]!.upstream
    assert.equal(end, { kind: "tls", host, port, serverName: host, credential: "c", authority: "ca" })
  }
  const named = upstream("{ url: 'mqtts://192.0.2.1', server-name: broker.example, credential: c, authority: ca }")
  assert.match(JSON.stringify(good(readBoard(named)).conduits["t"]!.upstream), '"serverName":"broker.example"')
})

test("port 0 is any free one, for as many listeners as you like", () => {
  const conduits = two("::1", "::1").replace("¦", "").replaceAll("1883", "0")
  assert.is(good(readBoard(boardText({ conduits }))).conduits["two"]!.listen.port, 0)
})

test("listeners clash when the system would refuse the second", () => {
  const at = (address: string, port = 1): { address: string; port: number } => ({ address, port })
  const clashing = [
    ["127.0.0.1", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1"],
    ["127.0.0.1", "0.0.0.0"],
    ["::", "0.0.0.0"],
    ["::", "127.0.0.1"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["2001:DB8::1", "2001:db8:0::1"],
    ["localhost", "LOCALHOST"],
  ] as const
  for (const [a, b] of clashing) assert.ok(clash(at(a), at(b)), `${a} ${b}`)
  for (const [a, b] of [
    ["127.0.0.1", "127.0.0.2"],
    ["0.0.0.0", "::1"],
    ["::1", "::2"],
  ] as const)
    assert.not(clash(at(a), at(b)), `${a} ${b}`)
  assert.not(clash(at("::1", 1), at("::1", 2)))
  assert.not(clash(at("::1", 0), at("::1", 0)))
})

const LONG = "x".repeat(120)

// prettier-ignore
const FAULTS: readonly (readonly [name: string, marked: string, ...expected: Expected[]])[] = [
  ["another version", boardText({ head: "lockgate-gateway: ¦2\ngateway: g\nboard: linux\nstate: s" }), ["lockgate-gateway", "the format number 1"]],
  ["an unknown board", boardText({ head: "lockgate-gateway: 1\ngateway: g\nboard: ¦linus\nstate: s" }), ["board", '"linux" or "simulated"', 'mean "linux"']],
  ["a gateway name with a slash", boardText({ head: "lockgate-gateway: 1\ngateway: ¦a/b\nboard: linux\nstate: s" }), ["gateway", "name of the gateway"]],
  ["a gateway name that is a number", boardText({ head: "lockgate-gateway: 1\ngateway: ¦17\nboard: linux\nstate: s" }), ["gateway", "the number 17", 'quotes: "17"']],
  ["two lines on one place", gpio("{ a: { direction: out, chip: gpiochip0, line: 1, safe: on, shows: fault }, b: { direction: out, chip: gpiochip0, line: ¦1, safe: off, shows: island } }"), ["gpio.b.line", "gpio.a is line 1 of gpiochip0"]],
  ["one word for two levels, and a tamper state that is none", gpio("{ a: { direction: in, chip: gpiochip0, line: 1, states: { low: shut, high: ¦shut }, tamper: ¦open } }"), ["gpio.a.states.high", "low already"], ["gpio.a.tamper", "none of its states"]],
  ["an output with states, an input with a safe state", gpio("{ a: { direction: out, chip: gpiochip0, line: 1, safe: on, shows: fault, ¦states: {} }, b: { direction: in, chip: gpiochip0, line: 2, states: { low: a, high: b }, ¦safe: on } }"), ["gpio.a.states", "no key"], ["gpio.b.safe", "no key"]],
  ["a direction that is none, a chip that is none", gpio("{ a: { direction: ¦up, chip: gpiochip0, line: 1 }, b: { direction: out, chip: ¦/dev/gpiochip0, line: 1, safe: on, shows: fault } }"), ["gpio.a.direction", '"in" or "out"'], ["gpio.b.chip", "gpiochip0"]],
  ["an unknown key", boardText({ tail: "¦limit: {}" }), ["limit", "has no key", '"limits"']],
  ["a policy inside the board file", boardText({ tail: "¦rules: []" }), ["rules", "has no key"]],
  ["a state folder with NUL", boardText({ head: 'lockgate-gateway: 1\ngateway: g\nboard: linux\nstate: ¦"a\\0"' }), ["state", "U+0000"]],
  ["no signers", boardText({ trust: "trust: { authorities: {}, policy-signers: ¦{} }" }), ["trust.policy-signers", "no policy can ever"]],
  ["a list of an authority that is not there", boardText({ trust: "trust: { authorities: { ca: a }, crls: { cb: ¦b }, policy-signers: { o: o } }" }), ["trust.crls.cb", "there is no authority"]],
  ["a threshold above the signers", boardText({ trust: "trust: { authorities: { ca: a }, policy-signers: { o: o }, policy-threshold: ¦2 }" }), ["trust.policy-threshold", "only 1 is named"]],
  ["a threshold of none", boardText({ trust: "trust: { authorities: { ca: a }, policy-signers: { o: o }, policy-threshold: ¦0 }" }), ["trust.policy-threshold", "1..32"]],
  ["no trust", `¦${boardText({ trust: "" })}`, ["trust", 'needs the key "trust"']],
  ["an authority that every object inherits", boardText({ trust: "trust: { authorities: { ca: a, ¦toString: x }, policy-signers: { o: o } }" }), ["trust.authorities.toString", "reserved"]],
  ["a credential without a key", boardText({ credentials: "credentials: { c: ¦{ certificate: c.pem } }" }), ["credentials.c.key", 'needs the key "key"']],
  ["an unknown credential of a listener", listen("{ address: '::1', credential: ¦d }"), ["conduits.t.listen.credential", 'no credential "d"']],
  ["an unknown credential of an upstream", upstream("{ url: 'mqtts://b', credential: ¦cc, authority: ca }"), ["conduits.t.upstream.credential", "no credential", 'mean "c"']],
  ["an unknown authority", upstream("{ url: 'mqtts://b', credential: c, authority: ¦cb }"), ["conduits.t.upstream.authority", "no authority", 'mean "ca"']],
  ["an unknown credential of the management", boardText({ management: "management: { socket: s, mqtt: { url: 'mqtts://b', credential: ¦x1, authority: ca } }" }), ["management.mqtt.credential", 'no credential "x1"']],
  ["an address that is none", listen("{ address: ¦'a b', credential: c }"), ["conduits.t.listen.address", "host name or an IP address"]],
  ["a mistyped IPv4 address", listen("{ address: ¦192.0.2.256, credential: c }"), ["conduits.t.listen.address", "host name or an IP address", "0..255"]],
  ["an address in brackets", listen("{ address: ¦'[::1]', credential: c }"), ["conduits.t.listen.address", "without brackets", '"::1"']],
  ["an address with its port", listen("{ address: ¦'host:8883', credential: c }"), ["conduits.t.listen.address", "host name", "a key of its own"]],
  ["a port out of range", listen("{ address: '::1', port: ¦65536, credential: c }"), ["conduits.t.listen.port", "0..65535"]],
  ["[CR 1.2] clear text with a certificate to show", upstream("{ url: 'mqtt://broker:1883', ¦credential: c }"), ["conduits.t.upstream.credential", "clear text"]],
  ["[CR 1.2] clear text for the gateway's own words", boardText({ management: "management: { socket: s, mqtt: { url: ¦'mqtt://b', credential: c, authority: ca } }" }), ["management.mqtt.url", "clear text", "mqtts://"]],
  ["[CR 1.2] clear text by another name", url("tcp://broker"), ["conduits.t.upstream.url", "clear text"]],
  ["another scheme", url("https://broker"), ["conduits.t.upstream.url", "mqtts://broker.example"]],
  ["a scheme of another client", url("ssl://broker"), ["conduits.t.upstream.url", "mqtts://broker.example", "write mqtts://"]],
  ["a url without scheme", url("broker:8883"), ["conduits.t.upstream.url", "mqtts://broker.example"]],
  ["a url with a password", url("mqtts://u:p@broker"), ["conduits.t.upstream.url", "no user name or password"]],
  ["a url with a path", url("mqtts://broker/x"), ["conduits.t.upstream.url", "mqtts://broker.example"]],
  ["a url without host", url("mqtts://:8883"), ["conduits.t.upstream.url", "host name"]],
  ["a url with port 0", url("mqtts://broker:0"), ["conduits.t.upstream.url", "1..65535"]],
  ["a url with a port out of range", url("mqtts://broker:70000"), ["conduits.t.upstream.url", "1..65535"]],
  ["a url with a bad IPv6 address", url("mqtts://[::1::2]"), ["conduits.t.upstream.url", "mqtts://broker.example"]],
  ["two listeners at one place", boardText({ conduits: two("127.0.0.1", "127.0.0.1") }), ["conduits.two.listen", "conduits.one listens", "another port"]],
  ["two listeners, one everywhere", boardText({ conduits: two("0.0.0.0", "127.0.0.1") }), ["conduits.two.listen", 'conduits.one listens on "0.0.0.0"']],
  ["a socket path that Linux cannot bind", boardText({ management: `management: { socket: ¦/${LONG} }` }), ["management.socket", "at most 107 bytes"]],
  ["a line without a device", lines("{ a: ¦{ baud: 9600 } }"), ["lines.a.device", 'needs the key "device"']],
  ["a device without its folder", lines("{ a: { device: ¦ttyS0 } }"), ["lines.a.device", "whole path", "/dev/ttyS0"]],
  ["a rate that is too low", lines("{ a: { device: /dev/a, baud: ¦300 } }"), ["lines.a.baud", "1200..921600"]],
  ["a frame that is none", lines("{ a: { device: /dev/a, frame: ¦7E1 } }"), ["lines.a.frame", '"8E1"']],
  ["a direction by nobody known", lines("{ a: { device: /dev/a, rs485: ¦rts } }"), ["lines.a.rs485", '"driver" or "none"']],
  ["two lines on one device", lines("{ a: { device: /dev/a }, b: { device: ¦/dev/a } }"), ["lines.b.device", "lines.a is the device", "one line"]],
  ["a state folder too deep for the socket of its lines", boardText({ head: `lockgate-gateway: 1\ngateway: g\nboard: linux\nstate: ¦/${"s".repeat(95)}`, tail: "lines: { a: { device: /dev/a } }" }), ["state", "at most 107 bytes"]],
  ["a time without unit", boardText({ tail: "trial: ¦300" }), ["trial", "a time 5s..24h", "name the unit"]],
  ["a trial of half a second more", boardText({ tail: "trial: ¦5500ms" }), ["trial", "whole seconds"]],
  ["no workers at all", boardText({ tail: "workers: ¦0" }), ["workers", "1..16"]],
  ["more workers than there may be", boardText({ tail: "workers: ¦17" }), ["workers", "1..16"]],
  ["workers in another word", boardText({ tail: "workers: ¦all" }), ["workers", '1..16, or "auto"']],
  ["a trial that is too short", boardText({ tail: "trial: ¦4s" }), ["trial", "5s..24h"]],
  ["limits out of range", boardText({ tail: "limits: { max-connections: ¦0, max-packet: ¦1GiB }" }), ["limits.max-connections", "1..100000"], ["limits.max-packet", "1KiB..256MiB"]],
  ["faults everywhere at once", boardText({ head: "lockgate-gateway: 1\ngateway: ¦''\nboard: linux\nstate: s", conduits: "conduits: { t: { listen: { address: '::1', credential: ¦nn }, upstream: ¦{} } }", tail: "trial: ¦x" }).replace("credential: ¦nn", "credential: nn"), ["gateway", "name of"], ["conduits.t.upstream.url", "needs"], ["conduits.t.upstream.credential", "needs"], ["conduits.t.upstream.authority", "needs"], ["trial", "a time"]],
]

for (const [name, marked, ...expected] of FAULTS) {
  const tagged = name.startsWith("[") ? name.replace("] ", "] refuses ") : `[CR 3.5] refuses ${name}`
  test(tagged, () => {
    // Several keys may be missing at one place: the last mark stands for the rest.
    faulty(readBoard, marked.replace("upstream: ¦{}", "upstream: ¦¦¦{}"), expected)
  })
}

test("[CR 3.5] every truncation of the example is a board file or has faults, and never throws", () => {
  for (let length = 0; length < EXAMPLE_BOARD.length; length += 2) {
    const parsed = readBoard(EXAMPLE_BOARD.slice(0, length))
    if (!parsed.ok) assert.ok(parsed.faults.length > 0)
  }
})

test("Modbus ends: over TLS, in clear text and on a line, each with its usual ports, and points by name", () => {
  const conduits = `conduits:
  secure:
    listen: { address: "::1", credential: c }
    upstream: { url: "modbus+tls://plc.example", credential: c, authority: ca }
    points: { pump3.setpoint: { unit: 3, address: 40, type: float32 }, valve: { unit: 3, table: coils, address: 7 } }
  clear: { listen: { address: "::1" }, upstream: { url: "modbus://192.0.2.9" } }
  line: { listen: { address: "127.0.0.1", port: 1502 }, upstream: { line: drives } }`
  const { secure, clear } = good(readBoard(boardText({ conduits: conduits.replace(/\n {2}line.*/, "") }))).conduits
  assert.is(secure!.protocol, "modbus")
  assert.is(secure!.listen.port, 802)
  assert.match(JSON.stringify(secure!.upstream), '"host":"plc.example","port":802')
  assert.equal(secure!.points, [
    { name: "pump3.setpoint", units: [{ from: 3, to: 3 }], table: "registers", from: 40, to: 41 },
    { name: "valve", units: [{ from: 3, to: 3 }], table: "coils", from: 7, to: 7 },
  ])
  assert.equal(clear!.listen, { address: "::1", port: 502, credential: null })
  assert.equal(clear!.upstream, { kind: "tcp", host: "192.0.2.9", port: 502 })
  const noLine = readBoard(boardText({ conduits }))
  assert.ok(!noLine.ok && noLine.faults.some(({ message }) => message.includes('no line "drives"')))
})

test("MQTT in clear text at both ends, with the usual ports", () => {
  const conduits = `conduits: { t: { listen: { address: "::1" }, upstream: { url: "mqtt://192.0.2.9" } } }`
  const { t } = good(readBoard(boardText({ conduits }))).conduits
  assert.is(t!.protocol, "mqtt")
  assert.equal(t!.listen, { address: "::1", port: 1883, credential: null })
  assert.equal(t!.upstream, { kind: "tcp", host: "192.0.2.9", port: 1883 })
})

for (const [what, text, expected] of [
  ["a credential in clear text", "{ url: 'modbus://h', credential: c }", "clear text"],
  ["a credential for a broker in clear text", "{ url: 'mqtt://h', credential: c }", "clear text"],
  ["a url beside a line", "{ url: 'modbus://h', line: l }", "on a serial line"],
  ["Modbus over TLS without authority", "{ url: 'modbus+tls://h', credential: c }", 'needs the key "authority"'],
  ["an unknown scheme", "{ url: 'modbus+tcp://h', credential: c, authority: ca }", "expected an address"],
] as const) {
  test(`[CR 3.5] ${what} is a fault`, () => {
    const parsed = readBoard(upstream(text))
    assert.ok(!parsed.ok && parsed.faults.some(({ message }) => message.includes(expected)))
  })
}

test("[CR 1.2] the gateway's own MQTT goes to a broker, and points are for Modbus alone", () => {
  const own = readBoard(
    boardText({
      management: "management: { socket: s, mqtt: { url: 'modbus+tls://b', credential: c, authority: ca } }",
    }),
  )
  assert.ok(!own.ok && own.faults[0]!.message.includes("address of a broker"))
  const conduits = `conduits: { t: { listen: { address: "::1", credential: c }, upstream: ${UPSTREAM}, points: { p: { unit: 1, address: 1 } } } }`
  const named = readBoard(boardText({ conduits }))
  assert.ok(!named.ok && named.faults[0]!.message.includes("speaks MQTT"))
})

test("a timeout is for Modbus over a network: a broker has none, and a line its own", () => {
  const to = (upstream: string) =>
    readBoard(
      boardText({ conduits: `conduits: { t: { listen: { address: "::1", credential: c }, upstream: ${upstream} } }` }),
    )
  assert.is(good(to(`{ url: "modbus://h", timeout: 250ms }`)).conduits["t"]!.timeoutMs, 250)
  const secure = `{ url: "modbus+tls://h", credential: c, authority: ca, timeout: 3s }`
  assert.is(good(to(secure)).conduits["t"]!.timeoutMs, 3000)
  assert.is("timeoutMs" in good(to(`{ url: "modbus://h" }`)).conduits["t"]!, false)
  for (const [upstream, said] of [
    [`{ url: "mqtts://h", credential: c, authority: ca, timeout: 3s }`, "speaks MQTT"],
    [`{ line: l, timeout: 3s }`, "a line has its own"],
    [`{ url: "modbus://h", timeout: 5ms }`, "10ms"],
  ] as const) {
    const parsed = to(upstream)
    assert.ok(!parsed.ok && parsed.faults.some(({ message }) => message.includes(said)), JSON.stringify(parsed))
  }
})

test("[CR 1.5 RE(1)] a token is named by module, label and PIN file; a slot that could be no slot is a fault", () => {
  const keysOf = (text: string) => readBoard(boardText({ tail: `keys: { ${text} }` }))
  const named = good(keysOf("module: /usr/lib/m.so, token: board, pin-file: pin")).keys
  assert.equal(named, { module: "/usr/lib/m.so", token: "board", pinFile: "/etc/lockgate/pin", slots: ["board"] })
  for (const bad of [
    "token: t",
    "module: m, token: t",
    "module: m, token: t, pin-file: p, slots: [../a]",
    "module: m, token: t, pin-file: p, pin: 1234",
  ])
    // prettier-ignore
    assert.not(keysOf(bad).ok, bad)
})

test("the section time and the time signers are read, paths made absolute", () => {
  const tail = "time: { network: authenticated, rtc-error: 10min, chrony-socket: run/chronyd.sock }"
  const trust = "trust: { authorities: { ca: a }, policy-signers: { o: o }, time-signers: { technician: t.pem } }"
  const config = good(readBoard(boardText({ tail, trust })))
  assert.equal(config.time, {
    network: "authenticated",
    rtcErrorMs: 600_000,
    chronySocket: "/etc/lockgate/run/chronyd.sock",
  })
  assert.equal(config.trust.timeSigners, { technician: "/etc/lockgate/t.pem" })
})

test.run()
