/** Waiting in all, and of one master. */
const MAX_WAITING = 256
const MAX_OF_ONE = 16

/** Who waits for their turn. */
export interface Turns<T> {
  /** False: the queue is full, or this master has its share of it. */
  add(item: T, master: number, priority: 0 | 1): boolean
  /** Whose turn it is: essential ones first, then the masters one after the other. Null if nobody waits. */
  next(): T | null
  /** Take out all that fit. */
  remove(fits: (item: T) => boolean): readonly T[]
  /** Take out all. */
  drain(): readonly T[]
}

/** A bounded queue that is fair among masters. @see IEC 62443-4-2 CR 7.1 */
export function createTurns<T>(): Turns<T> {
  // Masters in the order of their turns: who was served goes to the end.
  const lanes = [new Map<number, T[]>(), new Map<number, T[]>()] as const
  let count = 0

  const remove = (fits: (item: T) => boolean): T[] => {
    const out: T[] = []
    for (const lane of lanes) {
      for (const [master, items] of lane) {
        const kept = items.filter((item) => !fits(item))
        if (kept.length < items.length) out.push(...items.filter(fits))
        if (kept.length === 0) lane.delete(master)
        else lane.set(master, kept)
      }
    }
    count -= out.length
    return out
  }

  return {
    add(item, master, priority) {
      const own = lanes[0].get(master)?.length ?? 0
      const all = own + (lanes[1].get(master)?.length ?? 0)
      if (count >= MAX_WAITING || all >= MAX_OF_ONE) return false
      const lane = lanes[priority]
      const items = lane.get(master)
      if (items === undefined) lane.set(master, [item])
      else items.push(item)
      count++
      return true
    },
    next() {
      for (const lane of lanes) {
        for (const [master, items] of lane) {
          const item = items.shift()
          lane.delete(master)
          if (items.length > 0) lane.set(master, items)
          if (item === undefined) continue
          count--
          return item
        }
      }
      return null
    },
    remove,
    drain: () => remove(() => true),
  }
}
