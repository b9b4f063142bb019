/**
 * Whom the gateway believes and as whom it speaks, kept up to date while it runs.
 *
 * A change is checked whole before anything of it holds, written down, and then told to the conduits: honest connections
 * notice nothing, those of peers that are no longer trusted are cut.
 */
import type { KeyStore } from "../../hal/key-store.ts"
import type { Storage } from "../../hal/storage.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import { crlStale, type KeptCrl } from "../../policy/identity/crl.ts"
import { EXPIRY_STAGES, expiryStage, type ExpiryStage } from "../../policy/identity/expiry.ts"
import type { Revoked } from "../../policy/identity/path-faults.ts"
import type { Condition } from "../../policy/posture.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import { createQueue } from "../bundles/queue.ts"
import type { EngineTrust } from "../conduits/messages.ts"
import type { GatewayConfig } from "../config/gateway-config.ts"
import { loadMaterial, type Material } from "../material.ts"
import { readCrlFile } from "../tls/crl-file.ts"
import { factsFromPem } from "../tls/pem.ts"
import { readCrlBytes, crlBytesOf } from "./crl-source.ts"
import { revokedBy, shelve, type CrlShelf, type Shelved } from "./crl-shelf.ts"
import { readCrls, writeCrls } from "./crl-store.ts"
import { engineTrust } from "./engine-trust.ts"
import { expectUsable } from "./rotation-check.ts"
import { trustReport, type TrustReport } from "./trust-report.ts"

/** What the keeper stands on. */
export interface TrustKeeperDeps {
  readonly config: GatewayConfig
  readonly keyStore: KeyStore
  readonly storage: Storage
  readonly interval: () => TimeInterval
  readonly note: (event: AuditEvent) => void
  /** Set or lift a condition of the posture; called by `look` only. */
  readonly condition: (condition: Condition, holds: boolean) => void
}

/** A list that came into force. */
export interface TakenList {
  readonly authority: string
  readonly issuer: string
  readonly number: string
  readonly entries: number
}

/** What a reload changed. */
export interface Reloaded {
  /** Uses (`conduit/<name>`, ...) whose certificate is another now. */
  readonly certificates: readonly string[]
  readonly authorities: readonly string[]
  readonly lists: readonly TakenList[]
}

/** The trust in force. */
export interface TrustKeeper {
  readonly material: Material
  /** What the engine is told. */
  engineTrust(): EngineTrust
  /** What lists of that authority, and of those below it, have revoked. */
  revoked(authority: string): Revoked
  /** Whom to tell of changes; the last call counts. */
  onChange(changed: () => Promise<void>): void
  /**
   * Read again every file that the board file names for credentials, authorities and lists. All is checked before any of it
   * holds. Policy signers and the board file itself are not read anew.
   * @throws InputError naming what is wrong; nothing changed @throws HardwareError `ERR_IO`; nothing changed but, perhaps, lists
   */
  reload(): Promise<Reloaded>
  /** Take the lists in this text (PEM, or DER in base64). @throws InputError `ERR_CRL_REFUSED`, `ERR_CRL`, `ERR_PEM`; nothing changed */
  offer(text: string): Promise<readonly TakenList[]>
  report(): TrustReport
  /** Look at the clock: conditions and alarms for what has become stale or is near its end. Call it every second. */
  look(): void
}

/**
 * Open the trust of a gateway: its credentials and authorities, the lists that are kept, and those in the files.
 *
 * A list in a file that cannot be used is told to the log and passed over: a gateway that restarts must not stay shut
 * because of it; what was kept before holds.
 *
 * @throws InputError as `loadMaterial` @throws HardwareError `ERR_IO`
 * @see IEC 62443-4-2 CR 1.8, CR 1.9
 */
export async function openTrust(deps: TrustKeeperDeps): Promise<TrustKeeper> {
  const { config, storage, note } = deps
  let material = await loadMaterial(config, deps.keyStore)
  let anchors = anchorsOf(material)
  let shelf: CrlShelf = new Map()
  let changed: () => Promise<void> = () => Promise.resolve()
  const inTurn = createQueue()
  const stages = new Map<string, ExpiryStage>()
  const toldStale = new Set<string>()

  for (const authority of anchors.keys()) {
    const { lists, damaged } = await readCrls(storage, authority)
    if (damaged) note({ id: "trust.crl-damaged", outcome: "failure", source: "trust", object: authority })
    if (lists.length > 0) shelf = new Map(shelf).set(authority, lists)
  }
  for (const [authority, file] of Object.entries(config.trust.crls)) {
    try {
      const read = shelve(shelf, readCrlFile(await readCrlBytes(file)), only(anchors, authority), true)
      await keep(read)
      shelf = read.shelf
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      note({
        id: "trust.crl-refused",
        outcome: "failure",
        source: "trust",
        object: authority,
        reason: String(error.detail["reason"] ?? error.code),
        detail: { text: error.message.slice(0, 200) },
      })
    }
  }

  /** Write down what was taken; before this no newer list counts. */
  async function keep({ shelf: next, taken }: Shelved): Promise<void> {
    for (const authority of new Set(taken.map((one) => one.authority))) {
      await writeCrls(storage, authority, next.get(authority) ?? [])
    }
    for (const { authority, kept } of taken) {
      const { number, fingerprint, issuer, entries } = kept.crl
      const detail = { issuer: issuer.slice(0, 200), number, entries: entries.size, fingerprint }
      note({ id: "trust.crl-accepted", outcome: "success", source: "trust", object: authority, detail })
    }
  }

  function eachOwn(): readonly (readonly [use: string, leaf: CertificateFacts])[] {
    return [...material.ownCertificates]
  }

  function look(): void {
    const now = deps.interval()
    let stale = false
    for (const [authority, lists] of shelf) {
      for (const kept of lists) stale = tellStale(authority, kept, now) || stale
    }
    deps.condition("crl-stale", stale)
    let expired = false
    for (const [use, leaf] of eachOwn()) {
      const stage = expiryStage(leaf.notAfterAt, now)
      expired ||= stage === "expired"
      tellStage(use, leaf, stage)
    }
    deps.condition("certificate-expired", expired)
  }

  /** True if it is surely stale; told once a list. */
  function tellStale(authority: string, { crl }: KeptCrl, now: TimeInterval): boolean {
    if (now.earliestAt <= crl.nextUpdateAt) return false
    if (!toldStale.has(crl.fingerprint)) {
      toldStale.add(crl.fingerprint)
      const detail = { issuer: crl.issuer.slice(0, 200), number: crl.number, nextUpdate: iso(crl.nextUpdateAt) }
      note({ id: "trust.crl-stale", outcome: "failure", source: "trust", object: authority, detail })
    }
    return true
  }

  /** Told once a stage, and again after a restart. */
  function tellStage(use: string, leaf: CertificateFacts, stage: ExpiryStage): void {
    const key = `${use} ${leaf.fingerprint}`
    const before = stages.get(key) ?? "good"
    stages.set(key, stage)
    if (EXPIRY_STAGES.indexOf(stage) <= EXPIRY_STAGES.indexOf(before)) return
    note({
      id: stage === "expired" ? "certificate.expired" : "certificate.expiring",
      outcome: "failure",
      source: "trust",
      object: use,
      reason: stage,
      detail: { fingerprint: leaf.fingerprint, notAfter: iso(leaf.notAfterAt) },
    })
  }

  async function reload(): Promise<Reloaded> {
    const next = await loadMaterial(config, deps.keyStore)
    expectUsable(next, material, deps.interval())
    const nextAnchors = anchorsOf(next)
    let all: Shelved = { shelf, taken: [] }
    for (const [authority, file] of Object.entries(config.trust.crls)) {
      const read = shelve(all.shelf, readCrlFile(await readCrlBytes(file)), only(nextAnchors, authority), true)
      all = { shelf: read.shelf, taken: [...all.taken, ...read.taken] }
    }
    await keep(all)
    const result: Reloaded = {
      certificates: [...next.ownCertificates]
        .filter(([use, leaf]) => material.ownCertificates.get(use)?.fingerprint !== leaf.fingerprint)
        .map(([use]) => use),
      authorities: Object.keys(next.authorities).filter(
        (name) => next.authorities[name] !== material.authorities[name],
      ),
      lists: all.taken.map(takenList),
    }
    // Who may sign policy is settled at start: a key on disk must not become a signer by a command for certificates.
    material = { ...next, signers: material.signers, timeSigners: material.timeSigners }
    anchors = nextAnchors
    shelf = all.shelf
    const { certificates, authorities, lists } = result
    const detail = { certificates: certificates.length, authorities: authorities.length, lists: lists.length }
    note({ id: "trust.reloaded", outcome: "success", source: "trust", detail })
    await changed()
    look()
    return result
  }

  async function offer(text: string): Promise<readonly TakenList[]> {
    const read = shelve(shelf, readCrlFile(crlBytesOf(text)), anchors, false)
    await keep(read)
    shelf = read.shelf
    await changed()
    look()
    return read.taken.map(takenList)
  }

  return {
    get material() {
      return material
    },
    engineTrust: () => engineTrust(config, material, shelf),
    revoked: (authority) => revokedBy(shelf.get(authority) ?? []),
    onChange: (next) => (changed = next),
    reload: () => inTurn(reload),
    offer: (text) => inTurn(() => offer(text)),
    report: () => trustReport(anchors, shelf, eachOwn(), deps.interval(), crlStale),
    look,
  }
}

function anchorsOf({ authorities }: Material): ReadonlyMap<string, readonly CertificateFacts[]> {
  return new Map(Object.entries(authorities).map(([name, pem]) => [name, factsFromPem(pem)]))
}

function only<T>(all: ReadonlyMap<string, T>, name: string): ReadonlyMap<string, T> {
  return new Map([...all].filter(([key]) => key === name))
}

function takenList({ authority, kept }: { readonly authority: string; readonly kept: KeptCrl }): TakenList {
  const { issuer, number, entries } = kept.crl
  return { authority, issuer, number, entries: entries.size }
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
