import { createHash, generateKeyPairSync, randomBytes } from "node:crypto"
import { openAccounts, type Accounts, type AccountsDeps } from "../../firmware/people/accounts.ts"
import { createPasswordHasher, type Argon2 } from "../../firmware/people/password-hash.ts"
import { MemoryKeyStore } from "../../hal/memory/key-store.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import { nodeKeyFunctions } from "../../hal/linux/key-functions.ts"
import type { AccountKey } from "../../policy/people/account.ts"
import { DEFAULT_PEOPLE, type PeopleRules } from "../../policy/people/rules.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import { MemoryLog } from "./commands.ts"

/** A key that nobody else has, as an administrator enrols it. */
export function makeAccountKey(onToken = false): AccountKey {
  const { publicKey } = generateKeyPairSync("ed25519")
  const { x = "" } = publicKey.export({ format: "jwk" })
  const thumbprint = createHash("sha256")
    .update(JSON.stringify({ crv: "Ed25519", kty: "OKP", x }))
    .digest("base64url")
  return { thumbprint, jwk: { kty: "OKP", crv: "Ed25519", x }, onToken }
}

/** A password that no list has. */
export const GOOD_PASSWORD = "seven grey herons stand"

/** In the place of argon2id: as one-way, and quick. `count` counts the calls. */
export function quickHasher(): {
  readonly hasher: ReturnType<typeof createPasswordHasher>
  readonly count: () => number
} {
  let calls = 0
  const work: Argon2 = async (password, salt, cost) => {
    calls++
    return createHash("sha256").update(salt).update(JSON.stringify(cost)).update(password).digest()
  }
  return { hasher: createPasswordHasher((n) => randomBytes(n), { work }), count: () => calls }
}

/** Accounts on a board in memory, whose time and rules a test sets. */
export class AccountsWorld {
  storage = new MemoryStorage()
  keyStore = new MemoryKeyStore(nodeKeyFunctions)
  readonly log = new MemoryLog()
  now: TimeInterval = { earliestAt: Date.UTC(2026, 0, 1), latestAt: Date.UTC(2026, 0, 1) + 1000 }
  rules: PeopleRules = DEFAULT_PEOPLE
  readonly quick = quickHasher()

  /** As at the start of the gateway. */
  open(change: Partial<AccountsDeps> = {}): Promise<Accounts> {
    return openAccounts({
      storage: this.storage,
      keyStore: this.keyStore,
      interval: () => this.now,
      rules: () => this.rules,
      audit: this.log.audit,
      random: (n) => randomBytes(n),
      hasher: this.quick.hasher,
      words: ["melter-7"],
      ...change,
    })
  }

  /** With an administrator `anna`, made by who holds the machine. */
  async withAnna(change: Partial<AccountsDeps> = {}): Promise<Accounts> {
    const accounts = await this.open(change)
    await accounts.create(
      { name: "anna", roles: ["security-admin"], expiresAt: null, key: makeAccountKey() },
      "local:owner",
    )
    return accounts
  }
}
