/** A time of day for a person at this machine: `12:03:10`, with the date in front if it is not today's. */
export function localTime(at: number, nowAt: number): string {
  const time = new Date(at)
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":")
  return new Date(nowAt).toDateString() === time.toDateString() ? clock : `${localDate(time)} ${clock}`
}

/** A day, `2026-01-31`, by the local calendar. */
function localDate(time: Date): string {
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
}

/** `text` fit for a terminal: control characters, which could write elsewhere on the screen, are question marks. */
export function printable(text: string): string {
  return text.replace(/[^\n\x20-\x7e\u00a1-\ud7ff\ue000-\uffff]/g, "?")
}

/** 1234567 as `1,234,567`. */
export function thousands(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",")
}

function two(number: number): string {
  return String(number).padStart(2, "0")
}
