/**
 * The words of libgpiod's own tools, in their versions 1.6 and 2.x, whose arguments differ. Pure: what to run, and what is
 * read from it.
 */
import { HardwareError } from "../../policy/base/errors.ts"
import type { InputLine, Level } from "../gpio.ts"

export type ToolsVersion = 1 | 2

/**
 * The version that `gpioget --version` tells: `gpioget (libgpiod) v1.6.3`.
 *
 * @throws HardwareError `ERR_GPIO_TOOLS` for any other than 1.5, 1.6 and 2.x; 1.5 is the first with a bias
 */
export function versionOf(text: string): ToolsVersion {
  const [, major, minor] = /\(libgpiod\) v(\d+)\.(\d+)/.exec(text) ?? []
  if (major === "2") return 2
  if (major === "1" && Number(minor) >= 5) return 1
  throw new HardwareError("ERR_GPIO_TOOLS", "the tools of libgpiod 1.6 or 2.x are needed: install the package gpiod")
}

const BIAS = {
  1: { "as-is": "as-is", disabled: "disable", "pull-up": "pull-up", "pull-down": "pull-down" },
  2: { "as-is": null, disabled: "disabled", "pull-up": "pull-up", "pull-down": "pull-down" },
} as const

function chipAndBias(version: ToolsVersion, chip: string, bias: InputLine["bias"]): readonly string[] {
  const word = BIAS[version][bias]
  if (version === 1) return [`--bias=${word ?? "as-is"}`, chip]
  return [...(word === null ? [] : [`--bias=${word}`]), "--chip", chip]
}

/** Arguments of `gpioget`: the levels of lines of one chip and bias, in their order. */
export function getArguments(version: ToolsVersion, chip: string, bias: InputLine["bias"], lines: readonly number[]) {
  return [...(version === 2 ? ["--numeric"] : []), ...chipAndBias(version, chip, bias), ...lines.map(String)]
}

/** Arguments of `gpiomon`: both edges of these lines, one a line of output, as `parseEdge` reads them. */
export function monitorArguments(
  version: ToolsVersion,
  chip: string,
  bias: InputLine["bias"],
  lines: readonly number[],
): readonly string[] {
  const how = version === 1 ? ["--line-buffered"] : ["--edges=both"]
  return [...how, "--format=%o %e", ...chipAndBias(version, chip, bias), ...lines.map(String)]
}

/** Arguments of `gpioset`: hold one line at a level until the tool is ended by a signal. */
export function setArguments(version: ToolsVersion, chip: string, line: number, level: Level): readonly string[] {
  const value = `${line}=${level === "high" ? 1 : 0}`
  return version === 1 ? ["--mode=signal", chip, value] : ["--chip", chip, value]
}

/**
 * Arguments of version 2's `gpioset`: hold one line, and change it as `set <line>=<0 or 1>` on its input says. It writes a
 * prompt when it has it, and after each order.
 */
export function interactiveArguments(chip: string, line: number, level: Level): readonly string[] {
  return ["--interactive", "--chip", chip, `${line}=${level === "high" ? 1 : 0}`]
}

/** The levels that `gpioget` wrote, or null if it is not one of 0 and 1 for each of `count` lines. */
export function parseLevels(text: string, count: number): readonly Level[] | null {
  const words = text.trim().split(/\s+/)
  if (words.length !== count || words.some((word) => word !== "0" && word !== "1")) return null
  return words.map((word) => (word === "1" ? "high" : "low"))
}

/** One line of `gpiomon`: offset, and 1 for rising; falling is 0 in version 1 and 2 in version 2. Null if it is none. */
export function parseEdge(
  text: string,
  version: ToolsVersion,
): { readonly line: number; readonly level: Level } | null {
  const [, line, edge] = /^(\d{1,3}) ([012])$/.exec(text.trim()) ?? []
  if (line === undefined) return null
  if (edge === "1") return { line: Number(line), level: "high" }
  return edge === (version === 1 ? "0" : "2") ? { line: Number(line), level: "low" } : null
}
