import { join } from "node:path"

/** The socket at which the serial lines of a gateway are asked: in a folder of its own, 0700, below the state folder. */
export function linesSocket(stateFolder: string): string {
  return join(stateFolder, "lines", "lines.sock")
}
