/**
 * What `action` returns, and the processor time of this process that it takes, in milliseconds: what other processes do
 * meanwhile hardly counts.
 */
export function cpuMs<T>(action: () => T): readonly [value: T, ms: number] {
  const before = process.cpuUsage()
  const value = action()
  const { user, system } = process.cpuUsage(before)
  return [value, (user + system) / 1000]
}
