import { MAX_TOPICS_OF_RULE } from "./sets.ts"

/** How much of everything one policy may hold. */
export const POLICY_BOUNDS = {
  sets: 64,
  wordsPerSet: 1000,
  zones: 64,
  roles: 64,
  subjects: 1000,
  conduits: 64,
  rules: 100_000,
  radios: 16,
  alarms: 128,
  topicsPerRule: MAX_TOPICS_OF_RULE,
  authoritiesPerZone: 16,
} as const

/** What one alarm may name. */
export const ALARM_BOUNDS = { words: 64, conduits: 64, subjects: 64 } as const

/** Ranges and points of one Modbus rule. */
export const MODBUS_BOUNDS = { ranges: 1000, points: 1000, subFunctions: 256 } as const

/** A rule without `payload` lets so many bytes pass. */
export const DEFAULT_PAYLOAD_BYTES = 64 * 1024
/** What MQTT can express at all. */
export const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024
