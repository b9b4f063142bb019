/**
 * The words that guessers try first: the best known passwords of the yearly lists, words of this trade, and walks over the
 * keyboard. Put together by hand for this project, about two hundred; with what is made of them by the rules below (digits and signs
 * around, look-alike letters, two of them side by side) they stand for some hundred thousand passwords. Most of the large lists is
 * shorter than the shortest password that a gateway takes.
 *
 * @see NIST SP 800-63B section 5.1.1.2
 */
const WORDS = new Set(
  `
  password passwort passwd passphrase pass secret geheim default standard change changeme changeit letmein login logon
  signin welcome willkommen hello hallo bonjour hola master admin administrator root superuser sysadmin system user username
  guest test testing tester temp temporary demo sample example training operator operador engineer technician supervisor
  manager maintenance service support supplier vendor viewer security owner office company computer internet network server
  client router switch firewall gateway industrial industry automation control controller process plant factory machine scada
  modbus mqtt profinet profibus ethernet opcua plc hmi dcs rtu pump valve boiler turbine reactor sensor actuator line station
  siemens simatic schneider rockwell allenbradley honeywell yokogawa emerson omron mitsubishi beckhoff phoenix wago moxa
  advantech lockgate mosquitto raspberry linux windows ubuntu debian android apple google microsoft oracle cisco amazon facebook
  monkey dragon princess sunshine shadow football baseball basketball soccer hockey superman batman spiderman pokemon starwars
  iloveyou lovely loveme love baby angel flower butterfly rainbow summer winter spring autumn sommer fruehling herbst january
  february march april may june july august september october november december monday tuesday wednesday thursday friday
  saturday sunday whatever trustno nothing freedom michael jennifer jordan daniel charlie ashley jessica michelle nicole
  thomas andreas matrix mustang harley ranger hunter killer cookie pepper ginger cheese banana chocolate purple orange silver
  golden diamond computer123 qwerty qwertyuiop qwertz qwertzuiop azerty azertyuiop asdf asdfgh asdfghjkl zxcv zxcvbn zxcvbnm
  yxcvbnm qazwsx qazwsxedc wsxedc zaqwsx qweasd qweasdzxc qwe asd zxc abc abcd abcdef aaa xxx
  `
    .split(/\s+/)
    .filter((word) => word !== ""),
)

/** Signs and digits that stand for a letter. */
const LOOKS: Readonly<Record<string, string>> = {
  "@": "a", "4": "a", "3": "e", "€": "e", "1": "i", "!": "i", "0": "o", "$": "s", "5": "s", "7": "t", "+": "t",
} // prettier-ignore

/** Keyboards, row by row and column by column: a password that walks along one is as good as known. */
const WALKS = [
  "12345678901234567890", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm",
  "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujm", "zaq12wsxcde34rfvbgt56yhn",
] // prettier-ignore

/** Whether a text in small letters is one of those that are tried first, or is made of nothing else. */
export function isGuessedFirst(text: string): boolean {
  return [text, Array.from(text, (sign) => LOOKS[sign] ?? sign).join("")].some((one) => {
    const letters = one.replace(/[^\p{L}]/gu, "")
    return (letters !== "" && isOfWords(letters)) || isOfWalks(one)
  })
}

/** One of the words, or two side by side. */
function isOfWords(letters: string): boolean {
  if (WORDS.has(letters)) return true
  for (let cut = 3; cut <= letters.length - 3; cut++) {
    if (WORDS.has(letters.slice(0, cut)) && WORDS.has(letters.slice(cut))) return true
  }
  return false
}

/** Nothing but pieces of at least four keys along a keyboard, forth or back. */
function isOfWalks(text: string): boolean {
  for (let at = 0; at < text.length;) {
    let length = 0
    for (const walk of WALKS) {
      for (const row of [walk, Array.from(walk).reverse().join("")]) {
        let fits = 0
        while (at + fits < text.length && row.includes(text.slice(at, at + fits + 1))) fits++
        length = Math.max(length, fits)
      }
    }
    if (length < 4) return false
    at += length
  }
  return text !== ""
}
