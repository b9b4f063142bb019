import type { Control } from "../../../policy/requirements/control.ts"
import { waysInAreControlled, waysInNeedApproval } from "../probes/closing.ts"
import { twoFactorsAreAsked } from "../probes/gates.ts"
import { revokedAreRefused } from "../probes/communication.ts"
import {
  accountsAreUnique,
  noDefaultAccount,
  onlyAdmittedSignIn,
  passwordsHaveLifetime,
  weakPasswordsAreRefused,
} from "../probes/people.ts"
import { commandsNeedPermission } from "../probes/management.ts"
import { guessersAreDelayed, noticeIsShown, signInRevealsNothing } from "../probes/sessions.ts"
import { onlyNamedRadios } from "../probes/radios.ts"
import { listenersProveThemselves, strangersAreRefused, weakCryptographyIsRefused } from "../probes/transport.ts"

/** Rows of FR 1: who is there, and how that is proved. */
export const IDENTIFICATION_CONTROLS: readonly Control[] = [
  {
    requirement: "CR 1.1",
    claim:
      "From the first account on every command but signing in is refused to nobody, on each way in, a broker included; an account that is " +
      "disabled, ended or removed is nobody. What a signature must hold is proved by tests; no probe signs as a person.",
    enforcedIn: [
      "firmware/management/pipeline.ts",
      "firmware/people/signed-door.ts",
      "firmware/people/command-link.ts",
    ],
    probes: [commandsNeedPermission.id, onlyAdmittedSignIn.id],
  },
  {
    requirement: "CR 1.1 RE(1)",
    claim:
      "Each person has an account of their own, known by an id that is in every entry; a key is one person's. Devices are told apart by their certificates.",
    enforcedIn: ["policy/people/account.ts", "firmware/people/accounts.ts"],
    probes: [accountsAreUnique.id, onlyAdmittedSignIn.id],
  },
  {
    requirement: "CR 1.1 RE(2)",
    claim:
      "With `people: two-factors` for every permission, which this row asks of the policy, each command needs a key that a token guards by a " +
      "PIN, or key and password, on each way in. That a key lies in a token is the word of who enrolled it. Going to a safe state, and what " +
      "concerns one's own account alone, needs one factor.",
    enforcedIn: [
      "policy/people/gate.ts",
      "policy/command/gated.ts",
      "firmware/people/gatekeeper.ts",
      "firmware/people/signed-door.ts",
    ],
    probes: [twoFactorsAreAsked.id],
  },
  {
    requirement: "CR 1.2",
    claim:
      "The gateway proves itself with its own certificate on every listener and every outward connection, and reads no " +
      "byte of a peer whose certificate the zone's authorities do not vouch for. A policy with clear text fails this row.",
    enforcedIn: ["firmware/tls/accept-peer.ts", "firmware/tls/dial.ts", "policy/identity/path.ts"],
    probes: [listenersProveThemselves.id, strangersAreRefused.id],
  },
  {
    requirement: "CR 1.3",
    claim:
      "Accounts are made, changed, disabled, ended and removed by command with the permission `people` alone; each change holds once it is on disk and is an entry with old and new value.",
    enforcedIn: ["firmware/people/account-handlers.ts", "firmware/people/accounts.ts", "policy/people/account.ts"],
    probes: [onlyAdmittedSignIn.id, accountsAreUnique.id],
  },
  {
    requirement: "CR 1.4",
    claim: "An id is random and no name, id or key is given to a second person, also after its account was removed.",
    enforcedIn: ["policy/people/account.ts"],
    probes: [accountsAreUnique.id],
  },
  {
    requirement: "CR 1.5",
    claim:
      "There is no account and no password before a person makes one. Passwords are kept as argon2id, one that another chose must be changed, and a file that was edited or put back lets nobody in.",
    enforcedIn: ["firmware/people/password-hash.ts", "firmware/people/account-file.ts", "firmware/people/accounts.ts"],
    probes: [noDefaultAccount.id, weakPasswordsAreRefused.id],
  },
  {
    requirement: "NDR 1.6",
    claim:
      "The gateway serves no radio link of its own; where policy names a radio, whoever comes over it proves itself by " +
      "certificate as on a wire.",
    enforcedIn: ["firmware/boundary/radios.ts", "firmware/tls/accept-peer.ts"],
    probes: [onlyNamedRadios.id, strangersAreRefused.id],
  },
  {
    requirement: "NDR 1.6 RE(1)",
    claim: "Each peer, over a radio too, is a subject of its own by its own certificate.",
    enforcedIn: ["policy/identity/subject.ts", "firmware/conduits/arrival.ts"],
    probes: [onlyNamedRadios.id, strangersAreRefused.id],
  },
  {
    requirement: "CR 1.7",
    claim: "A password has the length that the policy says, holds no name, and is none of those that are tried first.",
    enforcedIn: ["policy/people/password.ts", "firmware/people/guessed-first.ts"],
    probes: [weakPasswordsAreRefused.id],
  },
  {
    requirement: "CR 1.7 RE(1)",
    claim:
      "The policy says after how many days a password must be changed, how soon it may be, and how many earlier ones do not come back; without these this row fails.",
    enforcedIn: ["policy/people/password.ts", "firmware/people/accounts.ts"],
    probes: [passwordsHaveLifetime.id],
  },
  {
    requirement: "CR 1.7 RE(2)",
    claim:
      "The same holds for every person. Processes and devices have no passwords here: they prove themselves by certificates, which end.",
    enforcedIn: ["policy/people/password.ts", "policy/identity/path.ts"],
    probes: [passwordsHaveLifetime.id],
  },
  {
    requirement: "CR 1.9",
    claim:
      "A peer proves its key in the handshake; its chain must lead to an authority of its zone by permitted algorithms, and " +
      "no certificate in it may be on a list of revoked ones, at once for those who are connected. The policy names the user.",
    enforcedIn: [
      "policy/identity/path.ts",
      "policy/identity/crl.ts",
      "policy/identity/subject.ts",
      "firmware/trust/keeper.ts",
    ],
    probes: [revokedAreRefused.id, strangersAreRefused.id, weakCryptographyIsRefused.id],
  },
  {
    requirement: "CR 1.10",
    claim:
      "Whoever is not let in is told one code, for one amount of work, whether the name, the password, the signature or the account is at " +
      "fault, or too many tried before; the log alone says which. Names of nobody get a number to sign as all others do.",
    enforcedIn: ["firmware/people/sign-in.ts", "firmware/people/session-handlers.ts", "firmware/people/accounts.ts"],
    probes: [signInRevealsNothing.id],
  },
  {
    requirement: "CR 1.11",
    claim:
      "After as many failures as the policy leaves free, each further one doubles a time in which nobody is listened to, by account and by " +
      "the way in, restarts included. At the device it is never over half a minute: nobody can lock out the last administrator there.",
    enforcedIn: ["policy/people/attempts.ts", "firmware/people/attempts.ts", "firmware/people/sign-in.ts"],
    probes: [guessersAreDelayed.id],
  },
  {
    requirement: "CR 1.12",
    claim:
      "The policy's notice is told to whoever asks for it before signing in, on each way in; without one in the policy this row fails. To " +
      "show it is for the client: the gateway has no screen.",
    enforcedIn: ["firmware/people/session-handlers.ts", "policy/command/table.ts"],
    probes: [noticeIsShown.id],
  },
  {
    requirement: "NDR 1.13",
    claim:
      "Ways in from untrusted zones are listed with who approved them and what passes, encrypted, and switched off by one command.",
    enforcedIn: ["firmware/management/access.ts", "firmware/conduits/in-force.ts", "policy/language/conduit-checks.ts"],
    probes: [waysInAreControlled.id],
  },
  {
    requirement: "NDR 1.13 RE(1)",
    claim:
      "A way in from an untrusted zone stays closed until a person with that permission approves it, for at most eight hours.",
    enforcedIn: ["firmware/management/access.ts", "policy/language/conduit-shape.ts"],
    probes: [waysInNeedApproval.id, waysInAreControlled.id],
  },
]
