/**
 * Whether this thread can make code of a text, found by trying: the runtime's flag forbids it, and everything here relies on
 * that.
 *
 * @see IEC 62443-4-2 NDR 2.4
 */
export function canMakeCode(): boolean {
  try {
    return Reflect.construct(Function, ["return true"]) instanceof Function
  } catch {
    return false
  }
}
