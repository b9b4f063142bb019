/** Where a process or a thread has its options from. */
export interface RuntimeOptions {
  /** As in `process.execArgv`. */
  readonly execArgv: readonly string[]
  /** As in the environment. */
  readonly nodeOptions: string | undefined
}

/** Names of the options, without their values, spelt as the runtime takes them: `_` for `-`, quotes and escapes undone. */
export function optionNames({ execArgv, nodeOptions = "" }: RuntimeOptions): readonly string[] {
  // In quotes a backslash stands for nothing, and so hides nothing here.
  const fromEnvironment = nodeOptions.replaceAll(/["'\\]/g, "").split(/\s+/)
  return [...execArgv, ...fromEnvironment].map((word) => word.replaceAll("_", "-").split("=", 1)[0] ?? "")
}
