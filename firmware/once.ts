/** Something that is made when it is first asked for. */
export interface Once<T> {
  /** What was made; null before that. */
  readonly now: T | null
  /** It, made now if it was not. A failure is the asker's: the next one tries again. */
  get(): Promise<T>
  /** What is being made, or null if nobody has asked; a failure is null, too. For whoever ends it. */
  settled(): Promise<T | null>
}

/** Calls `make` at most once at a time, and never again once it has succeeded. */
export function once<T>(make: () => Promise<T>): Once<T> {
  let made: T | null = null
  let making: Promise<T> | null = null
  return {
    get now() {
      return made
    },
    get() {
      making ??= make().then(
        (value) => (made = value),
        (error: unknown) => {
          making = null
          throw error
        },
      )
      return making
    },
    settled: () => making?.catch(() => null) ?? Promise.resolve(null),
  }
}
