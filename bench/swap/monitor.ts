/**
 * Loaded before everything else into each thread of the measured process (`--import`): in the conduit engine's it watches
 * the event loop, and answers what it saw on a broadcast channel. The engine itself is the one of the gateway, unchanged.
 */
import { BroadcastChannel, threadName } from "node:worker_threads"

/** What the engine's thread saw since it was last asked to begin. */
export interface EngineWindow {
  /** Longest time between two turns of its loop, in ms; a timer makes one every millisecond. */
  readonly longestMs: number
  /** The most that it computed between two turns, its collector included, in ms: what of a pause is its own doing. */
  readonly longestCpuMs: number
  /** What it computed in all, in ms. */
  readonly cpuMs: number
}

export const CHANNEL = "lockgate-bench-swap"

if (threadName === "conduits") {
  const channel = new BroadcastChannel(CHANNEL)
  const cpuMs = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1e3
  }
  let begun = cpuMs()
  let last = { atMs: performance.now(), cpuMs: begun }
  let longest = { atMs: 0, cpuMs: 0 }
  const look = (): void => {
    const now = { atMs: performance.now(), cpuMs: cpuMs() }
    longest = {
      atMs: Math.max(longest.atMs, now.atMs - last.atMs),
      cpuMs: Math.max(longest.cpuMs, now.cpuMs - last.cpuMs),
    }
    last = now
  }
  setInterval(look, 1).unref()
  channel.onmessage = (event: { data: unknown }) => {
    if (event.data === "begin") {
      look()
      longest = { atMs: 0, cpuMs: 0 }
      begun = cpuMs()
    } else if (event.data === "end") {
      look()
      const seen = { longestMs: longest.atMs, longestCpuMs: longest.cpuMs, cpuMs: cpuMs() - begun }
      channel.postMessage(seen satisfies EngineWindow)
    }
  }
  channel.unref()
}
