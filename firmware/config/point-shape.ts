import type { Placed } from "../../policy/language/group-shapes.ts"
import type { NamedPoint } from "../../policy/audit/modbus-object.ts"
import type { Shape } from "../../policy/language/shape.ts"
import { object, optional, placedMap, required } from "../../policy/language/group-shapes.ts"
import { POINT_WIDTH, type PointType } from "../../policy/language/modbus-rule.ts"
import { choice, integer } from "../../policy/language/shape.ts"

/** Points of one conduit. */
const MAX_POINTS = 1000

const point = object("a point", {
  unit: required(integer(0, 255), "The Modbus unit."),
  table: optional(
    choice(["registers", "input-registers", "coils", "discrete-inputs"]),
    "registers",
    "What it stands in.",
    "registers",
  ),
  address: required(integer(0, 65_535), "Address of the protocol, 0-based."),
  type: optional(
    choice(Object.keys(POINT_WIDTH) as PointType[]),
    "uint16",
    "How many registers it takes; a coil is one.",
    "uint16",
  ),
})

type PointEntry = typeof point extends Shape<infer T> ? T : never

/** The register map of a conduit: names for the log; rights come from the policy alone. */
export const points: Shape<readonly Placed<PointEntry>[]> = placedMap(point, { max: MAX_POINTS })

/** The points as the engine and the log know them. */
export function buildPoints(placed: readonly Placed<PointEntry>[]): readonly NamedPoint[] {
  return placed.map(({ name, value: { unit, table, address, type } }) => {
    const width = table === "registers" || table === "input-registers" ? POINT_WIDTH[type] : 1
    return { name, units: [{ from: unit, to: unit }], table, from: address, to: address + width - 1 }
  })
}
