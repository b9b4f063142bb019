/** Bytes of a PDU, at most. */
const MAX_PDU_BYTES = 253
/** Exceptions that the standard knows, and 7 of its older editions. */
const LAST_EXCEPTION = 11
/** Registers of a queue that function 24 reads, at most. */
const MAX_QUEUE = 31

/**
 * Whether `answer` can be what a unit says to `request`: the same function, and the length, count and echo that follow from the
 * request; or an exception of that function. Both are function and data; the request has been judged and is well formed.
 *
 * To a function that the standard does not define any answer of that function fits.
 *
 * @see MODBUS Application Protocol 1.1b3 sections 6 and 7
 */
export function fitsRequest(request: Uint8Array, answer: Uint8Array): boolean {
  const code = request[0] ?? 0
  const { length } = answer
  if (length === 0 || length > MAX_PDU_BYTES) return false
  const exception = answer[1] ?? 0
  if (answer[0] === (code | 0x80)) return length === 2 && exception >= 1 && exception <= LAST_EXCEPTION
  if (answer[0] !== code) return false
  switch (code) {
    case 1:
    case 2:
      return isCounted(answer, (word(request, 3) + 7) >> 3)
    case 3:
    case 4:
    case 23:
      return isCounted(answer, word(request, 3) * 2)
    case 5:
    case 6:
    case 21:
    case 22:
      return startsAlike(request, answer, request.length) && length === request.length
    case 7:
      return length === 2
    case 8:
      return fitsDiagnostics(request, answer)
    case 11:
      return length === 5
    case 12:
      return length >= 8 && length <= 72 && answer[1] === length - 2
    case 15:
    case 16:
      return length === 5 && startsAlike(request, answer, 5)
    case 17:
      return length >= 3 && answer[1] === length - 2
    case 20:
      return fitsFiles(request, answer)
    case 24:
      return fitsQueue(answer)
    case 43:
      return fitsInterface(request, answer)
    default:
      return true
  }
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

/** A byte count, and as many bytes. */
function isCounted(answer: Uint8Array, count: number): boolean {
  return answer[1] === count && answer.length === 2 + count
}

function startsAlike(request: Uint8Array, answer: Uint8Array, count: number): boolean {
  for (let k = 0; k < count; k++) if (request[k] !== answer[k]) return false
  return true
}

/** A counter or register comes back for 2 and 11..18; everything else is an echo, as far as the standard defines it. */
function fitsDiagnostics(request: Uint8Array, answer: Uint8Array): boolean {
  const sub = word(request, 1)
  if (answer.length < 3 || word(answer, 1) !== sub) return false
  if (sub === 2 || (sub >= 11 && sub <= 18)) return answer.length === 5
  const isDefined = sub <= 4 || sub === 10 || sub === 20
  return !isDefined || (answer.length === request.length && startsAlike(request, answer, request.length))
}

/** One part for each part that was asked for, each of its length. */
function fitsFiles(request: Uint8Array, answer: Uint8Array): boolean {
  if (answer[1] !== answer.length - 2) return false
  let at = 2
  for (let asked = 2; asked + 7 <= request.length; asked += 7) {
    const bytes = 1 + word(request, asked + 5) * 2
    if (answer[at] !== bytes || answer[at + 1] !== 6) return false
    at += 1 + bytes
  }
  return at === answer.length
}

function fitsQueue(answer: Uint8Array): boolean {
  const count = word(answer, 3)
  return answer.length === 5 + count * 2 && word(answer, 1) === 2 + count * 2 && count <= MAX_QUEUE
}

/** Of type 14: the code that was asked for, and objects that fill the answer. */
function fitsInterface(request: Uint8Array, answer: Uint8Array): boolean {
  if (answer[1] !== request[1]) return false
  if (request[1] !== 14) return true
  if (answer.length < 7 || answer[2] !== request[2]) return false
  let at = 7
  for (let objects = answer[6] ?? 0; objects > 0; objects--) {
    if (at + 2 > answer.length) return false
    at += 2 + (answer[at + 1] ?? 0)
  }
  return at === answer.length
}
