import { quote } from "./characters.ts"

/** So many candidates are compared at most; documents decide how many there are. */
const MAX_CANDIDATES = 256

/** `did you mean "publish"?` for the nearest candidate, or null if none is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string | null {
  const near = nearest(word, candidates)
  return near === null ? null : `did you mean ${quote(near)}?`
}

function nearest(word: string, candidates: Iterable<string>): string | null {
  if (word.length > 64) return null
  const lower = word.toLowerCase()
  let best: string | null = null
  // A third of the letters may be wrong, at most three.
  let bestDistance = Math.min(3, Math.max(1, Math.floor(word.length / 3))) + 1
  let compared = 0
  for (const candidate of candidates) {
    if (compared++ >= MAX_CANDIDATES) break
    if (candidate.length > 64) continue
    const other = candidate.toLowerCase()
    // Half a word is no spelling mistake, but as clear.
    const distance = lower.length > 2 && other.startsWith(lower) ? 1 : editDistance(lower, other)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** How many letters must be put in, left out, replaced or swapped with their neighbour to make `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}
