import { suite } from "uvu"
import { nodeKeyFunctions } from "../../../hal/linux/key-functions.ts"
import { MemoryKeyStore } from "../../../hal/memory/key-store.ts"
import { keyStoreConformance } from "../key-store-conformance.ts"

const test = suite("hal/memory/key-store")

keyStoreConformance(test, async () => new MemoryKeyStore(nodeKeyFunctions))

test.run()
