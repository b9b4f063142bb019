import { InputError } from "../base/errors.ts"

/** The error for a policy that passes a bound: `where` it does, which `bound`, and both numbers. */
export function tooComplex(
  where: string,
  bound: string,
  found: number,
  limit: number,
): InputError<"ERR_POLICY_TOO_COMPLEX"> {
  return new InputError("ERR_POLICY_TOO_COMPLEX", `${where}: ${found} ${bound}, at most ${limit}`, {
    detail: { where, bound, found, limit },
  })
}
