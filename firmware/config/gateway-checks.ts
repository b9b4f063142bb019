import { resolve } from "node:path"
import type { DocNode } from "../../policy/language/document.ts"
import type { Placed } from "../../policy/language/group-shapes.ts"
import type { Report } from "../../policy/language/report.ts"
import type { ConduitUpstreamEntry, GatewayDocument, PlacedEnds, PlacedLine, UpstreamEntry } from "./gateway-shape.ts"
import { utf8Length, quote } from "../../policy/language/characters.ts"
import { didYouMean } from "../../policy/language/suggestion.ts"
import { declaredNames, faultAt, find } from "../../policy/language/locate.ts"
import { linesSocket } from "../lines/socket-path.ts"
import { clash, LISTEN_PORTS, SCHEMES, splitUrl } from "./address.ts"
import { checkGpio, directionLines } from "./gpio-shape.ts"
import { checkWitnesses } from "./witness-shape.ts"

/** Longest path of a local socket on Linux: `sun_path` less its end. */
const MAX_SOCKET_BYTES = 107

/** A file that the document names. */
export interface NamedFile {
  /** Absolute. */
  readonly file: string
  readonly what: string
  /** Where it is named. */
  readonly at: number
  readonly path: string
}

interface Place {
  readonly node: DocNode
  readonly path: string
}

/** Adds what no single value shows: references to names that do not exist, listeners that clash, a threshold out of reach. */
export function checkGateway(document: GatewayDocument, root: DocNode, folder: string, report: Report): void {
  const top: Place = { node: root, path: "" }
  const credentials = declaredNames(root, ["credentials"])
  const authorities = declaredNames(root, ["trust", "authorities"])
  const lines = declaredNames(root, ["lines"])
  const refer = (
    place: Place,
    steps: readonly string[],
    what: string,
    name: string,
    known: ReadonlySet<string>,
  ): void => {
    if (known.has(name)) return
    faultAt(report, place, steps, `there is no ${what} ${quote(name)}`, didYouMean(name, known))
  }
  const referEnd = (place: Place, steps: readonly string[], end: UpstreamEntry): void => {
    refer(place, [...steps, "credential"], "credential", end.credential, credentials)
    refer(place, [...steps, "authority"], "authority", end.authority, authorities)
  }
  for (const placed of document.conduits) {
    const { listen, upstream, points } = placed.value
    if (listen.credential !== null) {
      refer(placed, ["listen", "credential"], "credential", listen.credential, credentials)
    }
    if ("credential" in upstream) referEnd(placed, ["upstream"], upstream)
    if ("line" in upstream) refer(placed, ["upstream", "line"], "line", upstream.line, lines)
    if ("timeout" in upstream && upstream.timeout !== null && protocolOf(upstream) !== "modbus") {
      const message = "only Modbus units are given a time to answer, and this conduit speaks MQTT"
      faultAt(report, placed, ["upstream", "timeout"], message, "remove the key")
    }
    if (points.length > 0 && protocolOf(upstream) !== "modbus") {
      faultAt(
        report,
        placed,
        ["points"],
        "points name Modbus registers, and this conduit speaks MQTT",
        "remove the key",
      )
    }
  }
  for (const placed of document.trust.crls) refer(placed, [], "authority", placed.name, authorities)
  if (document.management.mqtt !== null) referEnd(top, ["management", "mqtt"], document.management.mqtt)
  checkListeners(document.conduits, report)
  checkThreshold(document, root, report)
  checkLines(document.lines, report)
  const turners = new Set(directionLines(document.gpio).map(({ name }) => name))
  const turned = new Map<string, string>()
  for (const placed of document.lines) {
    const { rs485 } = placed.value
    if (typeof rs485 === "string") continue
    refer(placed, ["rs485", "gpio"], "line of gpio with direction: rs485", rs485.gpio, turners)
    const earlier = turned.get(rs485.gpio)
    if (earlier !== undefined) faultAt(report, placed, ["rs485", "gpio"], `${earlier} is turned by it already`)
    turned.set(rs485.gpio, placed.path)
  }
  const linesBytes = utf8Length(linesSocket(resolve(folder, document.state)))
  if (document.lines.length > 0 && linesBytes > MAX_SOCKET_BYTES) {
    const message = `the lines are asked at a socket below it, whose path has at most ${MAX_SOCKET_BYTES} bytes, not ${linesBytes}`
    faultAt(report, top, ["state"], message, "choose a folder nearer to the root")
  }
  checkGpio(document.gpio, root, report)
  checkWitnesses(document.gateway, document.management.mqtt !== null, document.audit, root, report)
  const socketBytes = utf8Length(resolve(folder, document.management.socket))
  if (socketBytes > MAX_SOCKET_BYTES) {
    const message = `the path of a socket has at most ${MAX_SOCKET_BYTES} bytes, this one has ${socketBytes}`
    faultAt(report, top, ["management", "socket"], message, "choose a folder nearer to the root")
  }
  if (document.trial % 1000 !== 0) faultAt(report, top, ["trial"], "expected whole seconds", null)
}

/** What is spoken on a conduit with this upstream. */
export function protocolOf(upstream: ConduitUpstreamEntry): "mqtt" | "modbus" {
  return "line" in upstream ? "modbus" : SCHEMES[splitUrl(upstream.url).scheme ?? "mqtts"].protocol
}

function listenerOf({ value: { listen, upstream } }: PlacedEnds): { readonly address: string; readonly port: number } {
  const usual = LISTEN_PORTS[protocolOf(upstream)][listen.credential === null ? "tcp" : "tls"]
  return { address: listen.address, port: listen.port ?? usual }
}

function checkListeners(conduits: readonly PlacedEnds[], report: Report): void {
  for (const [i, later] of conduits.entries()) {
    const listener = listenerOf(later)
    const earlier = conduits.slice(0, i).find((one) => clash(listenerOf(one), listener))
    if (earlier === undefined) continue
    const { address, port } = listener
    const message = `${earlier.path} listens on ${quote(earlier.value.listen.address)} port ${port} already`
    faultAt(report, later, ["listen"], message, `${quote(address)} needs another port`)
  }
}

/** Two names for one device: only one of them could ever open it. */
function checkLines(lines: readonly PlacedLine[], report: Report): void {
  for (const [i, later] of lines.entries()) {
    const earlier = lines.slice(0, i).find(({ value }) => value.device === later.value.device)
    if (earlier === undefined) continue
    const message = `${earlier.path} is the device ${quote(later.value.device)} already`
    faultAt(report, later, ["device"], message, "one line serves any number of units and conduits")
  }
}

function checkThreshold(document: GatewayDocument, root: DocNode, report: Report): void {
  const named = find(root, ["trust", "policy-signers"])
  if (named?.kind !== "map") return
  const signers = named.entries.length
  const threshold = document.trust["policy-threshold"]
  const top: Place = { node: root, path: "" }
  if (signers === 0) {
    const message = "without a signer no policy can ever come into force, and the gateway stays closed"
    faultAt(report, top, ["trust", "policy-signers"], message, "name at least one public key")
  } else if (threshold > signers) {
    const are = signers === 1 ? "is" : "are"
    const message = `${threshold} signers are needed for a policy, but only ${signers} ${are} named`
    faultAt(report, top, ["trust", "policy-threshold"], message)
  }
}

/** Every file that the document names and that must be there when the gateway starts, in the order of the document's kinds. */
export function filesNamed(document: GatewayDocument, root: DocNode, folder: string): readonly NamedFile[] {
  const files: NamedFile[] = []
  const add = (place: Place, steps: readonly string[], what: string, file: string): void => {
    let { node, path } = place
    for (const step of steps) {
      node = find(node, [step]) ?? node
      path = path === "" ? step : `${path}.${step}`
    }
    files.push({ file: resolve(folder, file), what, at: node.at, path })
  }
  const addAll = (placed: readonly Placed<string>[], what: string): void => {
    for (const one of placed) add(one, [], what, one.value)
  }
  addAll(document.trust.authorities, "certificates of an authority")
  addAll(document.trust.crls, "a list of revoked certificates")
  addAll(document.trust["policy-signers"], "a signer's public key")
  addAll(document.trust["time-signers"], "a time signer's public key")
  for (const placed of document.credentials) {
    add(placed, ["key"], "a private key", placed.value.key)
    add(placed, ["certificate"], "a certificate chain", placed.value.certificate)
  }
  const { keys } = document
  if (keys !== null) {
    add({ node: root, path: "" }, ["keys", "module"], "a PKCS#11 module", keys.module)
    add({ node: root, path: "" }, ["keys", "pin-file"], "a token's PIN", keys["pin-file"])
  }
  const bundle = document["policy-bundle"]
  if (bundle !== null) add({ node: root, path: "" }, ["policy-bundle"], "a policy bundle", bundle)
  return files
}
