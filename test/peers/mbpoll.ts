import { execFile } from "node:child_process"

/** Run mbpoll once against a loopback port; `args` follow its own manual, values to write come last. */
export function mbpoll(
  port: number,
  args: readonly string[],
  values: readonly number[] = [],
): Promise<{ readonly code: number; readonly out: string }> {
  const words = ["-m", "tcp", "-p", String(port), "-0", "-1", "-o", "3", ...args, "127.0.0.1", ...values.map(String)]
  return new Promise((resolve) => {
    execFile("mbpoll", words, { timeout: 10_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out: stdout + stderr })
    })
  })
}
