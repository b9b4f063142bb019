/** True if `id` is of the pattern for a subject of that name: `%u` stands for the name, one trailing `*` for any suffix. */
export function fitsClientIdPattern(id: string, pattern: string, name: string): boolean {
  const expanded = pattern.replaceAll("%u", () => name)
  return expanded.endsWith("*") ? id.startsWith(expanded.slice(0, -1)) : id === expanded
}
