import { object, optional } from "../../policy/language/group-shapes.ts"
import { duration } from "../../policy/language/quantity-shapes.ts"
import { choice, text } from "../../policy/language/shape.ts"
import type { TimeConfig } from "./gateway-config.ts"

/** What the board file says where it says nothing of the time. */
export const NO_TIME = { network: "any", "rtc-error": null, "chrony-socket": null } as const

/** The section `time` of the board file. */
export const time = object("time", {
  network: optional(
    choice(["any", "authenticated", "none"]),
    NO_TIME.network,
    "Whose network time is believed: of any source that the system's time daemon follows, of NTS or keyed ones only, or none.",
    NO_TIME.network,
  ),
  "rtc-error": optional(
    duration(1000, 30 * 86_400_000),
    NO_TIME["rtc-error"],
    "The board has a battery-backed clock that may be off by so much; without this key it is not believed.",
  ),
  "chrony-socket": optional(
    text({ expected: "path of chronyd's command socket", maxLength: 4096 }),
    NO_TIME["chrony-socket"],
    "chronyd's command socket; default /run/chrony/chronyd.sock.",
  ),
})

/** The section as a value; `toPath` makes a path absolute. */
export function buildTime(
  read: {
    readonly network: TimeConfig["network"]
    readonly "rtc-error": number | null
    readonly "chrony-socket": string | null
  },
  toPath: (path: string) => string,
): TimeConfig {
  const { network, "rtc-error": rtcErrorMs, "chrony-socket": socket } = read
  return { network, rtcErrorMs, chronySocket: socket === null ? null : toPath(socket) }
}
