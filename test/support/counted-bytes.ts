/**
 * `bytes`, and how often one of them was read since: the steps of whoever reads them, on any machine and however busy it is.
 */
export function countReads(bytes: Uint8Array): { readonly view: Uint8Array; readonly reads: () => number } {
  let reads = 0
  const view = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === "string" && key >= "0" && key <= "9:") reads++
      const found: unknown = Reflect.get(target, key, target)
      return typeof found === "function" ? (found.bind(target) as unknown) : found
    },
  })
  return { view, reads: () => reads }
}
