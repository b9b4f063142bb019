/** Writes what is generated and committed: `make generate`. */
import { writeFileSync } from "node:fs"
import { buildKernel, KERNEL_MODULE } from "./support/build-kernel.ts"

writeFileSync(KERNEL_MODULE, await buildKernel())
