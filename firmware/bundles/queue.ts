/** A function that runs what it is given one after the other, in the order of the calls, failures included. */
export function createQueue(): <T>(work: () => Promise<T>) => Promise<T> {
  let tail: Promise<unknown> = Promise.resolve()
  return (work) => {
    const run = tail.then(work)
    // Whoever called holds `run` and its failure; the next in line only waits.
    tail = run.catch(() => undefined)
    return run
  }
}
