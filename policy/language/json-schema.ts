import type { Shape } from "./shape.ts"

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** A JSON Schema as plain data. */
export type JsonSchema = { readonly [keyword: string]: JsonValue }

/**
 * What a document of `shape` looks like, for editors and other tools: accepts every document that the shape reads, and
 * refuses unknown keys, wrong kinds and values out of range. References between names are beyond it. `definitions` are
 * what its shapes refer to as `#/$defs/<name>`.
 *
 * @see JSON Schema draft 2020-12
 */
export function toJsonSchema(
  shape: Shape<unknown>,
  title: string,
  definitions: Readonly<Record<string, JsonSchema>> = {},
): JsonSchema {
  const $defs = Object.keys(definitions).length > 0 ? { $defs: definitions } : {}
  return { $schema: "https://json-schema.org/draft/2020-12/schema", title, ...shape.schema(), ...$defs }
}
