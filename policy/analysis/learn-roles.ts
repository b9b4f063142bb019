/** What a set of roles is told by. */
export function roleKey(roles: readonly string[]): string {
  return [...roles].sort().join(" ")
}

/**
 * Roles that together are held by every set of roles in `users`, chosen so that few of `all` hold them besides: at each
 * step the role with the fewest others, then the one that covers most, then by name. Null if a user has no role.
 */
export function coverRoles(
  users: readonly (readonly string[])[],
  all: readonly (readonly string[])[],
): readonly string[] | null {
  const keys = new Set(users.map(roleKey))
  const others = all.filter((roles) => !keys.has(roleKey(roles)))
  let left = users
  const chosen: string[] = []
  while (left.length > 0) {
    let best: { role: string; outside: number; covered: number } | null = null
    for (const role of [...new Set(left.flat())].sort()) {
      const outside = others.filter((roles) => roles.includes(role)).length
      const covered = left.filter((roles) => roles.includes(role)).length
      if (best === null || outside < best.outside || (outside === best.outside && covered > best.covered)) {
        best = { role, outside, covered }
      }
    }
    if (best === null) return null
    const { role } = best
    chosen.push(role)
    left = left.filter((roles) => !roles.includes(role))
  }
  return chosen.sort()
}
