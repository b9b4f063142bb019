/**
 * What this gateway remembers of a packet identifier in one direction of PUBLISH.
 *
 * `forwarded`: the receiver has the message and has not finished with it. `refused`: QoS 2, we said PUBREC without an
 * error and owe a PUBCOMP. `settled`: QoS 2, refused and over; a PUBREL that comes all the same is still ours to answer.
 */
export const ID_STATE = { free: 0, forwarded: 1, refused: 2, settled: 3 } as const
export type IdState = (typeof ID_STATE)[keyof typeof ID_STATE]

const IDS_PER_PAGE = 1024
const EMPTY_PAGE = new Uint8Array(0)

/** The state of all 65,535 identifiers at two bits each, in pages made when first written: 16 KiB at most. */
export class PacketIds {
  #pages: (Uint8Array | undefined)[] = []

  /** Bytes of memory held. */
  get heldBytes(): number {
    return this.#pages.reduce((sum, page) => sum + (page?.length ?? 0), 0)
  }

  get(id: number): IdState {
    const page = this.#pages[id >> 10] ?? EMPTY_PAGE
    const byte = page[(id & 1023) >> 2] ?? 0
    return ((byte >> ((id & 3) * 2)) & 3) as IdState
  }

  set(id: number, state: IdState): void {
    let page = this.#pages[id >> 10]
    if (page === undefined) {
      if (state === ID_STATE.free) return
      page = this.#pages[id >> 10] = new Uint8Array(IDS_PER_PAGE / 4)
    }
    const at = (id & 1023) >> 2
    const shift = (id & 3) * 2
    page[at] = ((page[at] as number) & ~(3 << shift)) | (state << shift)
  }
}

/**
 * What to do with a PUBLISH of QoS 1 or 2. `forward`; `refuse`: drop it and answer; `silent`: drop it, the receiver's
 * answer to the first sending is under way; `in-use`: the sender breaks the protocol.
 */
export type Step = "forward" | "refuse" | "silent" | "in-use"

/**
 * The next step for a PUBLISH whose identifier is in `state`.
 *
 * | state     | allowed                       | denied                        |
 * |-----------|-------------------------------|-------------------------------|
 * | free      | forward                       | refuse                        |
 * | forwarded | forward (sent again)          | silent                        |
 * | refused   | refuse if sent again (1)      | refuse if sent again (1)      |
 * | settled   | forward (identifier reused)   | refuse                        |
 *
 * (1) QoS 2 and DUP: the recorded flow stands, whatever the policy says by now. Anything else is `in-use`: the
 * identifier is free again only after our PUBCOMP.
 *
 * @see MQTT 5.0 section 4.3.3, 2.2.1; MQTT 3.1.1 section 4.3.3, 2.3.1
 */
export function stepOf(state: IdState, allowed: boolean, qos: number, dup: boolean): Step {
  switch (state) {
    case ID_STATE.free:
    case ID_STATE.settled:
      return allowed ? "forward" : "refuse"
    case ID_STATE.forwarded:
      return allowed ? "forward" : "silent"
    case ID_STATE.refused:
      return qos === 2 && dup ? "refuse" : "in-use"
  }
}
