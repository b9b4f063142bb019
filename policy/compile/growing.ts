/** A `Uint32Array` that grows by doubling while a table is written. */
export class GrowingWords {
  array = new Uint32Array(1024)
  length = 0

  /** Make room for `count` zero words at the end; returns the offset of the first. `array` may be another one then. */
  reserve(count: number): number {
    const at = this.length
    this.length += count
    if (this.length > this.array.length) {
      const larger = new Uint32Array(Math.max(this.length, this.array.length * 2))
      larger.set(this.array)
      this.array = larger
    }
    return at
  }

  push(word: number): void {
    const at = this.length < this.array.length ? this.length++ : this.reserve(1)
    this.array[at] = word
  }
}
