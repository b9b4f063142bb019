/**
 * Durable storage of one folder tree (the gateway's state). Paths are relative, `/`-separated, without `.` or `..`.
 *
 * "On disk" means: survives a power cut from then on. Both adapters, `hal/linux` and `hal/memory`, pass one test suite.
 */
export interface Storage {
  /** The whole file, or null if there is none. @throws HardwareError `ERR_IO` */
  read(path: string): Promise<Uint8Array | null>
  /**
   * Replace the file whole: temporary file, fsync, rename, fsync of the folder; folders are made as needed.
   * On disk before this resolves. After a failure the old file or the new one is there, never a mixture.
   * @throws HardwareError `ERR_IO`
   */
  write(path: string, bytes: Uint8Array): Promise<void>
  /** Rename a file over `to`; on disk before this resolves. @throws HardwareError `ERR_IO` */
  rename(from: string, to: string): Promise<void>
  /** Remove a file; no error if there is none. On disk before this resolves. @throws HardwareError `ERR_IO` */
  remove(path: string): Promise<void>
  /**
   * Remove a file after its bytes were overwritten with zeros where they lie; no error if there is none. Both on disk before this
   * resolves. Flash may keep blocks that it has moved: software cannot reach them. @throws HardwareError `ERR_IO`
   * @see IEC 62443-4-2 CR 4.2
   */
  erase(path: string): Promise<void>
  /**
   * Replace the file whole for whoever reads, without waiting for the disk: after a power cut the old file, the new one, a torn
   * one or none may be there. Only for what can be made again from files that are on disk. @throws HardwareError `ERR_IO`
   */
  writeCached(path: string, bytes: Uint8Array): Promise<void>
  /**
   * Remove a file, and its folder if that is empty then, without waiting for the disk: either may be back after a power cut.
   * No error if there is none. @throws HardwareError `ERR_IO`
   */
  removeCached(path: string): Promise<void>
  /** Names in a folder, sorted, without temporary files; folders end in `/`. Empty if there is no such folder. */
  list(folder: string): Promise<readonly string[]>
  /**
   * What a file, or everything below a folder, takes, each file reckoned in whole blocks of 4 KiB; 0 if there is none. And what the
   * disk has left. Nothing is read but names and lengths. @throws HardwareError `ERR_IO`
   */
  space(path: string): Promise<Space>
  /** Open (or make) a file for appending. One owner per path. @throws HardwareError `ERR_IO` */
  openAppend(path: string): Promise<AppendFile>
}

/** Room on the disk, in bytes. */
export interface Space {
  readonly usedBytes: number
  /** What may still be written; Infinity where there is no bound. */
  readonly freeBytes: number
}

/** Bytes of a file in whole blocks of a disk. */
export function inBlocks(bytes: number): number {
  return Math.ceil(bytes / 4096) * 4096
}

/** A file that only grows, open. */
export interface AppendFile {
  /** Bytes in the file, torn tail included. */
  readonly size: number
  /**
   * Append; on disk before this resolves. Calls must not overlap.
   *
   * After a failure the file may hold any prefix of `bytes`, and every further append is refused with `ERR_FAILED_BEFORE`:
   * after a failed fsync a retry can succeed although the data is gone. Open anew and repair.
   * @throws HardwareError `ERR_IO`, `ERR_FAILED_BEFORE`
   */
  append(bytes: Uint8Array): Promise<void>
  /** Cut the file to `size` bytes; on disk before this resolves. */
  truncate(size: number): Promise<void>
  close(): Promise<void>
}
