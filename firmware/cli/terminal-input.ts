import { createInterface } from "node:readline"
import type { ReadStream } from "node:tty"
import { InputError } from "../../policy/base/errors.ts"
import type { CliInput } from "./handler.ts"

/**
 * What somebody types at standard input, which is not opened before; prompts go to `prompts`, so that standard output stays clean
 * for programs.
 */
export function terminalInput(stdin: () => ReadStream, prompts: NodeJS.WritableStream): CliInput {
  return {
    get isTTY() {
      // Node leaves it undefined where there is no terminal.
      return (stdin() as { readonly isTTY?: boolean }).isTTY === true
    },
    ask(prompt) {
      const lines = createInterface({ input: stdin(), output: prompts, terminal: false })
      prompts.write(prompt)
      return new Promise((resolve) => {
        lines.once("line", (line) => {
          resolve(line)
          lines.close()
        })
        lines.once("close", () => resolve(null))
      })
    },
    askHidden(prompt) {
      prompts.write(prompt)
      return hiddenLine(stdin()).finally(() => prompts.write("\n"))
    },
    async readAll(max) {
      const chunks: Buffer[] = []
      let length = 0
      for await (const chunk of stdin() as AsyncIterable<Buffer>) {
        chunks.push(chunk)
        length += chunk.length
        if (length > max) throw new InputError("ERR_TOO_LARGE", `standard input is longer than ${max} bytes`)
      }
      return Buffer.concat(chunks).toString("utf8")
    },
  }
}

/** A line that the terminal does not show; null after Ctrl-C or Ctrl-D. */
function hiddenLine(stdin: ReadStream): Promise<string | null> {
  return new Promise((resolve) => {
    let typed: string[] = []
    const stop = (answer: string | null): void => {
      stdin.off("data", take)
      stdin.off("end", gone)
      stdin.setRawMode(false)
      stdin.pause()
      resolve(answer)
    }
    const gone = (): void => stop(null)
    const take = (chunk: Buffer): void => {
      for (const char of chunk.toString("utf8")) {
        if (char === "\r" || char === "\n") return stop(typed.join(""))
        if (char === "\x03" || char === "\x04") return stop(null)
        if (char === "\x7f" || char === "\b") typed = typed.slice(0, -1)
        else if (char === "\x15") typed = []
        else typed.push(char)
      }
    }
    stdin.setRawMode(true)
    stdin.on("data", take)
    stdin.once("end", gone)
    stdin.resume()
  })
}
