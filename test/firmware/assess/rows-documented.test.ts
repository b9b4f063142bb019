import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { CONTROLS } from "../../../firmware/assess/controls.ts"

const test = suite("firmware/assess/rows-documented")

test("the README's table names every row and its probes, and none that there is not", () => {
  const readme = readFileSync(new URL("../../../firmware/assess/README.md", import.meta.url), "utf8")
  const documented = [...readme.matchAll(/^\| ((?:CR|EDR|NDR) [^|]+?) +\| (.+?) +\|$/gm)].map(([, row, probes]) => [
    row,
    [...probes!.matchAll(/`([^`]+)`/g)].map(([, id]) => id),
  ])
  assert.equal(documented, CONTROLS.map(({ requirement, probes }) => [requirement, [...probes]])) // prettier-ignore
})

test.run()
