/**
 * What the page and its worker tell each other. The worker connects, verifies and remembers; the page shows.
 */
import type { Heartbeat } from "../../../policy/audit/heartbeat.ts"
import type { Row } from "./rows.ts"

/** What the reader needs to be told. Nothing of it but `url` and `keys` is ever stored. */
export interface Settings {
  readonly url: string
  readonly username: string
  readonly password: string
  /** Keys of logs, and of witnesses and collectors: `name+id+base64`, one a line. */
  readonly keys: string
}

type Lines = readonly string[]

/** From the page to the worker. */
export type Order =
  | { readonly kind: "connect"; readonly settings: Settings }
  | { readonly kind: "disconnect" }
  /** Asks for one entry with its proof. */
  | { readonly kind: "prove"; readonly gateway: string; readonly seq: number }
  /** Asks the gateway for entries that the broker does not hold any more. */
  | { readonly kind: "older"; readonly gateway: string }
  /** Checks a proof file against `keys`, the lines in the form; no broker is needed. */
  | { readonly kind: "check"; readonly name: string; readonly text: string; readonly keys: string }
  /** Forgets the pinned key and the last checkpoint of a gateway; it is then as never seen. */
  | { readonly kind: "forget"; readonly gateway: string }

/** From the worker to the page. */
export type News =
  /** Key lines of logs, and of witnesses and collectors. */
  | { readonly kind: "remembered"; readonly url: string; readonly keys: Lines; readonly cosigners: Lines }
  /** An order to connect is taken up: what was told before belongs to the connection before. */
  | { readonly kind: "begun" }
  | { readonly kind: "refused"; readonly text: string }
  | { readonly kind: "link"; readonly link: LinkState; readonly text: string }
  | { readonly kind: "gateway"; readonly report: GatewayReport }
  | { readonly kind: "rows"; readonly gateway: string; readonly rows: readonly Row[] }
  | { readonly kind: "checked"; readonly found: CheckedProof }
  | { readonly kind: "proof"; readonly gateway: string; readonly proof: EntryProof }

/** The connection to the broker. */
export type LinkState = "connecting" | "connected" | "lost"

/**
 * What is known of a log.
 *
 *   verified     signature, tree, every entry that the broker holds, and what this browser saw before: all of it fits
 *   unverified   something that it takes is not here (yet); nothing was found wrong
 *   wrong        something does not fit: it was altered, cut, forked, or signed by another key
 */
export type Verdict = "verified" | "unverified" | "wrong"

/** One thing that does not fit. `where`: `entry 1234`, `tile/0/003`, `checkpoint`, ... */
export interface Fault {
  readonly where: string
  readonly code: string
  readonly text: string
}

/** A fault as it was noticed, also if it is gone by now. */
export interface Finding extends Fault {
  readonly at: number
}

/** One gateway, as much as is known. */
export interface GatewayReport {
  readonly gateway: string
  readonly verdict: Verdict
  /** Why it is not verified, in a sentence; empty if it is. */
  readonly why: string
  readonly faults: readonly Fault[]
  readonly findings: readonly Finding[]
  /** Null before a checkpoint with a good signature came. */
  readonly checkpoint: { readonly size: number; readonly root: string; readonly first: number } | null
  /** Whole bundles of entries verified, and to be verified. */
  readonly done: number
  readonly of: number
  /** What this browser remembers from before, as a sentence. */
  readonly seen: string
  /** `silent`: three intervals without a sign of life; `unknown`: none was due yet. */
  readonly life: "alive" | "silent" | "offline" | "unknown"
  readonly lastSignAt: number | null
  /** The newest; only once its signature is verified. */
  readonly heartbeat: Heartbeat | null
  readonly alarms: readonly Alarm[]
  readonly witnesses: readonly WitnessReport[]
  readonly older: OlderReport
}

/** Entries that the broker does not hold any more. */
export interface OlderReport {
  /** The first entry from which all are here; 0: nothing older is to be had. */
  readonly from: number
  readonly isAsking: boolean
  /** How the last request ended, where it did not bring what was wanted. */
  readonly text: string
}

/** A witness or collector that says something of the log. */
export interface WitnessReport {
  readonly name: string
  /** False: its key was not given, so nothing that it says is verified. */
  readonly hasKey: boolean
  /** The newest that it cosigned, verified; `at` by its own clock. */
  readonly cosigned: { readonly size: number; readonly at: number } | null
  /** Why it did not cosign what came after, verified. */
  readonly refused: { readonly reason: string; readonly at: number } | null
}

/** An alarm as the broker has it: not signed; the entry that it names is. */
export interface Alarm {
  readonly id: string
  readonly text: string
  readonly seq: number | null
}

/** An entry with what shows that it is in the log. */
export interface EntryProof {
  readonly seq: number
  readonly line: string
  readonly leaf: string
  /** Null while no checkpoint covers the entry. */
  readonly tree: {
    readonly size: number
    readonly root: string
    /** From the leaf up: the hash beside the path, on which side it stands, and what both make. */
    readonly steps: readonly { readonly side: "left" | "right"; readonly hash: string; readonly result: string }[]
    readonly holds: boolean
  } | null
}

/** A proof file that was checked. */
export interface CheckedProof {
  /** Of the file. */
  readonly name: string
  /** As `verifyProof` has them; `unable`: this browser cannot. */
  readonly state: "proved" | "unvouched" | "wrong" | "unable"
  readonly faults: readonly string[]
  /** The key that signed, or that the file names. */
  readonly key: string | null
  readonly gateway: string | null
  readonly size: number | null
  readonly seq: number | null
  readonly line: string | null
}
