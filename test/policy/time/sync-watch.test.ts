import { suite } from "uvu"
import * as assert from "uvu/assert"
import { syncChanges, type SyncFacts } from "../../../policy/time/sync-watch.ts"

const test = suite("policy/time/sync-watch")

const nts: SyncFacts = { daemon: "chrony", synchronised: true, source: "192.0.2.1", authentication: "nts", offsetMs: 1 }
const none = { ...nts, synchronised: false, source: null, authentication: "unknown" }
const CASES: readonly (readonly [before: SyncFacts | null, after: SyncFacts, change: string | null])[] = [
  [null, none, ""],
  [null, nts, "synchronised"],
  [none, none, ""],
  [none, nts, "synchronised"],
  [nts, nts, ""],
  [nts, none, "lost"],
  [nts, { ...nts, source: "192.0.2.2" }, "source-changed"],
  [nts, { ...nts, daemon: "systemd-timesyncd" }, "source-changed"],
  [nts, { ...nts, authentication: "none" }, "authentication-lost"],
  [nts, { ...nts, source: "192.0.2.2", authentication: "symmetric-key" }, "authentication-lost"],
  [{ ...nts, authentication: "none" }, nts, "source-changed"],
  [{ ...nts, authentication: "none" }, { ...nts, authentication: "unknown" }, "source-changed"],
  [nts, { ...nts, offsetMs: 500 }, ""],
  [nts, { ...nts, offsetMs: -3_600_000 }, "apart"],
  [{ ...nts, offsetMs: 501 }, { ...nts, offsetMs: -3_600_000 }, ""],
  [none, { ...nts, offsetMs: 600 }, "synchronised apart"],
  [nts, { ...nts, source: null, offsetMs: 600 }, "source-changed apart"],
  [nts, { ...nts, offsetMs: null }, ""],
]

test("[CR 2.11 RE(2)] found, lost, another source, a source that is proved less: each is told, and nothing else", () => {
  for (const [before, after, changes] of CASES) {
    assert.is(syncChanges(before, after).join(" "), changes, `${JSON.stringify(before)} ${JSON.stringify(after)}`)
  }
})

test.run()
