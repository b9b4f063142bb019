/** What this firmware calls itself. */
export const VERSION = "0.1.0"

/** When this release was made: the lowest time that any gateway running it believes in (`policy/time/floor.ts`). */
export const BUILT_AT = Date.UTC(2026, 10, 23)
