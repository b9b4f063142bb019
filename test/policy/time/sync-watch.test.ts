import { suite } from "uvu"
import * as assert from "uvu/assert"
import { syncChange, type SyncFacts } from "../../../policy/time/sync-watch.ts"

const test = suite("policy/time/sync-watch")

const nts: SyncFacts = { daemon: "chrony", synchronised: true, source: "192.0.2.1", authentication: "nts" }
const none = { ...nts, synchronised: false, source: null, authentication: "unknown" }
const CASES: readonly (readonly [before: SyncFacts | null, after: SyncFacts, change: string | null])[] = [
  [null, none, null],
  [null, nts, "synchronised"],
  [none, none, null],
  [none, nts, "synchronised"],
  [nts, nts, null],
  [nts, none, "lost"],
  [nts, { ...nts, source: "192.0.2.2" }, "source-changed"],
  [nts, { ...nts, daemon: "systemd-timesyncd" }, "source-changed"],
  [nts, { ...nts, authentication: "none" }, "authentication-lost"],
  [nts, { ...nts, source: "192.0.2.2", authentication: "symmetric-key" }, "authentication-lost"],
  [{ ...nts, authentication: "none" }, nts, "source-changed"],
  [{ ...nts, authentication: "none" }, { ...nts, authentication: "unknown" }, "source-changed"],
]

test("[CR 2.11 RE(2)] found, lost, another source, a source that is proved less: each is told, and nothing else", () => {
  for (const [before, after, change] of CASES) {
    assert.is(syncChange(before, after), change, `${JSON.stringify(before)} ${JSON.stringify(after)}`)
  }
})

test.run()
