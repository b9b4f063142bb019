/**
 * Installs the Debian packages that tests need, when it may (root, or sudo without a password). Prints the names of
 * those still missing on stdout, for `LOCKGATE_PEERS_MISSING`; everything for people goes to stderr.
 *
 *     LOCKGATE_PEERS_MISSING="$(node test/peers/install.ts)"
 *
 * Never leaves a service running or enabled: Debian starts mosquitto on port 1883 on installation. Under systemd its unit
 * is masked meanwhile and left disabled; without systemd, run level 1 tells invoke-rc.d that nothing starts now.
 *
 * Never removes a package: one whose installation would (chrony takes the place of the machine's own time daemon) is
 * unpacked into a folder of its own instead, where nothing but the tests finds it.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { missingPackages, UNPACKED } from "./packages.ts"

/** Runs a command to its end; its output is kept for the case that it fails. */
export type Run = (command: string, args: readonly string[]) => { readonly ok: boolean; readonly output: string }

/** The machine to install on: what it can do, and what it lacks. */
export interface Machine {
  readonly run: Run
  readonly missing: () => readonly string[]
  readonly isRoot: boolean
  readonly hasSystemd: boolean
  readonly say: (line: string) => void
}

/** Packages that bring a service, and its unit. */
const SERVICES: Readonly<Record<string, string>> = {
  mosquitto: "mosquitto.service",
  chrony: "chrony.service",
  rsyslog: "rsyslog.service",
}

/** Words of a shell that unpack package `$2` below folder `$1`, without installing it. */
const UNPACK = 'mkdir -p "$1" && cd "$1" && apt-get -qq download "$2" && dpkg-deb -x "$2"_*.deb . && rm -f "$2"_*.deb'

/** Installs what is missing and returns the names of what is missing still. */
export function installPeers(machine: Machine): readonly string[] {
  const wanted = machine.missing()
  if (wanted.length === 0) return []
  const asRoot = rootPrefix(machine)
  const line = `apt-get install --no-install-recommends ${wanted.join(" ")}`
  if (asRoot === null) {
    machine.say(`tests need Debian packages that are not here; to have everything tested: sudo ${line}`)
    return wanted
  }
  machine.say(`installing for the tests: ${wanted.join(" ")}`)
  const root = (...words: string[]): boolean => {
    const [command = "", ...args] = [...asRoot, ...words]
    const { ok, output } = machine.run(command, args)
    if (!ok) machine.say(`${words.join(" ")} failed:\n${output.trimEnd().split("\n").slice(-15).join("\n")}`)
    return ok
  }
  const apt = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "-qq"]
  const patience = ["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "DPkg::Lock::Timeout=60"]
  root(...apt, ...patience, "update")
  const removing = wanted.filter((name) => /^Remv /m.test(machine.run("apt-get", ["-s", "--no-install-recommends", "install", name]).output)) // prettier-ignore
  for (const name of removing) {
    machine.say(`${name} would take the place of a package of this machine: unpacked into ${UNPACKED} instead`)
    machine.run("sh", ["-c", UNPACK, "sh", UNPACKED, name])
  }
  const installing = wanted.filter((name) => !removing.includes(name))
  const units = machine.hasSystemd ? installing.flatMap((name) => SERVICES[name] ?? []) : []
  for (const unit of units) root("systemctl", "mask", unit)
  if (installing.length > 0) root(...apt, ...patience, "install", "-y", "--no-install-recommends", ...installing)
  for (const unit of units) if (root("systemctl", "unmask", unit)) root("systemctl", "disable", unit)
  const left = machine.missing()
  if (left.length > 0) machine.say(`still missing: ${left.join(" ")}; by hand: ${line}`)
  return left
}

/** What to put before a command to run it as root; null when that is not possible without asking. */
function rootPrefix(machine: Machine): readonly string[] | null {
  if (!machine.run("apt-get", ["--version"]).ok) return null
  if (machine.isRoot) return []
  return machine.run("sudo", ["-n", "true"]).ok ? ["sudo", "-n"] : null
}

if (import.meta.main) {
  const left = installPeers({
    run(command, args) {
      const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8" })
      return { ok: status === 0, output: error === undefined ? stdout + stderr : error.message }
    },
    missing: missingPackages,
    isRoot: process.getuid?.() === 0,
    hasSystemd: existsSync("/run/systemd/system"),
    say: (line) => console.error(line),
  })
  console.log(left.join(" "))
}
