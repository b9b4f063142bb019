/** What the server of `chrony.ts` runs under when its time is shifted; a test that shifts it imports this, so as to need the package. */
export const AN_HOUR_AHEAD = "+1h"
