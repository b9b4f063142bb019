import { lstat, mkdir, unlink } from "node:fs/promises"
import { connect } from "node:net"
import { dirname } from "node:path"
import { StateError } from "../../policy/base/errors.ts"

/** sun_path holds 108 bytes, the closing zero among them. */
const MAX_PATH_BYTES = 107

/**
 * Make ready to listen at `path`: its folder exists, is ours and closed to all others, and no file stands there any
 * more. The socket of a gateway that died is removed; one that answers is left alone.
 *
 * Two gateways that start in the same instant over one dead socket are not told apart; the state folder has one owner
 * for other reasons, and the service starts one.
 *
 * @throws StateError `ERR_GATEWAY_RUNNING`, `ERR_SOCKET_PATH` (too long, or another kind of file stands there),
 *   `ERR_SOCKET_FOLDER` (not ours, or open to group or others)
 */
export async function clearSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new StateError("ERR_SOCKET_PATH", `${path}: longer than ${MAX_PATH_BYTES} bytes, which a socket cannot have`)
  }
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const stat = await lstat(folder)
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
    // Not mended here: it might be /tmp, and we might be root.
    throw new StateError("ERR_SOCKET_FOLDER", `${folder}: expected a folder of the gateway's own user with mode 0700`)
  }
  const found = await lstat(path).catch(() => null)
  if (found === null) return
  if (!found.isSocket()) throw new StateError("ERR_SOCKET_PATH", `${path}: something stands there that is no socket`)
  if (await answers(path)) throw new StateError("ERR_GATEWAY_RUNNING", `${path}: a gateway is running here`)
  await unlink(path)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // Anything else, such as a full backlog, means that somebody is there.
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT")
    })
  })
}
