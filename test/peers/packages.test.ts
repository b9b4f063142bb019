import { suite } from "uvu"
import * as assert from "uvu/assert"
import { installPeers, type Machine } from "./install.ts"
import { commandPath, debianPackages, packagesNeededBy, unusablePackages } from "./packages.ts"

const test = suite("peers/packages")

test("every listed package has a command to be seen by", () => {
  const names = debianPackages().map((p) => p.name)
  const wanted = [
    "mosquitto",
    "mosquitto-clients",
    "openssl",
    "socat",
    "python3-pymodbus",
    "mbpoll",
    "nftables",
    "iproute2",
    "mount",
    "chromium",
    "chrony",
    "faketime",
    "rsyslog",
    "rsyslog-gnutls",
    "zsh",
    "opensc",
    "softhsm2",
  ]
  assert.equal(names, wanted)
  assert.is(debianPackages()[1]!.command, "mosquitto_pub")
})

test("finds commands in sbin, and says null for what is not there", () => {
  assert.match(commandPath("sh") ?? "", /\/sh$/)
  assert.is(commandPath("lockgate-no-such-command"), null)
  assert.match(commandPath("/bin/s*") ?? "", /^\/bin\/s/)
  assert.is(commandPath("/usr/lib/*/lockgate-no-such-file.so"), null)
})

test("knows from its imports which packages a test needs", () => {
  assert.equal(packagesNeededBy("test/peers/mosquitto.test.ts"), ["mosquitto", "mosquitto-clients", "openssl"])
  assert.equal(packagesNeededBy("test/firmware/tls/path-against-openssl.test.ts"), ["openssl"])
  assert.equal(packagesNeededBy("test/architecture.test.ts"), [])
})

test("a package that is here and may do nothing is told apart, with what fails", () => {
  const listed = [["true"], ["false", "-x"], ["lockgate-no-such-command"], []].map((trial, k) => ({ name: `p${k}`, command: "sh", trial })) // prettier-ignore
  assert.equal([...unusablePackages(listed)], [["p1", "false -x"], ["p2", "lockgate-no-such-command"]]) // prettier-ignore
  assert.equal([...unusablePackages([{ name: "p", command: "lockgate-no-such-command", trial: ["false"] }])], [])
  assert.equal(debianPackages().find(({ name }) => name === "nftables")?.trial, ["unshare", "-n", "true"])
})

/** A machine that installs in name only. */
function machine(facts: { missing: string[]; root?: boolean; sudo?: boolean; systemd?: boolean; broken?: boolean }) {
  const commands: string[] = []
  const said: string[] = []
  const it: Machine = {
    run(command, args) {
      const line = [command, ...args].join(" ")
      commands.push(line)
      if (line === "sudo -n true") return { ok: facts.sudo === true, output: "" }
      if (line.includes(" install ") && facts.broken !== true) facts.missing = []
      return { ok: facts.broken !== true || line === "apt-get --version", output: "no network" }
    },
    missing: () => facts.missing,
    isRoot: facts.root === true,
    hasSystemd: facts.systemd === true,
    say: (line) => said.push(line),
  }
  return { it, commands, said }
}

test("touches nothing when nothing is missing", () => {
  const { it, commands } = machine({ missing: [], root: true })
  assert.equal(installPeers(it), [])
  assert.equal(commands, [])
})

test("installs as root, with no service started on the way", () => {
  const { it, commands } = machine({ missing: ["mosquitto", "socat"], root: true, systemd: true })
  assert.equal(installPeers(it), [])
  const order = ["update", "mask mosquitto", "install -y --no-install-recommends mosquitto socat", "unmask", "disable"]
  let at = 0
  for (const word of order) {
    at = commands.findIndex((line, i) => i >= at && line.includes(word))
    assert.ok(at >= 0, `expected "${word}" in turn in\n${commands.join("\n")}`)
  }
  assert.ok(commands.some((line) => line.startsWith("env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get")))
})

test("[CR 2.11] never removes a package of the machine: what would is unpacked, and the rest is installed", () => {
  const { it, commands, said } = machine({ missing: ["chrony", "socat"], root: true, systemd: true })
  const simulated = (line: string): boolean => line.startsWith("apt-get -s ") && line.endsWith(" chrony")
  const run: Machine["run"] = (command, args) => {
    const done = it.run(command, args)
    return simulated([command, ...args].join(" ")) ? { ok: true, output: "Remv systemd-timesyncd [252]\n" } : done
  }
  installPeers({ ...it, run })
  assert.ok(commands.some((line) => line.startsWith("sh -c ") && line.endsWith(" chrony")))
  assert.not.ok(commands.some((line) => line.includes(" install -y ") && line.includes("chrony")))
  assert.ok(commands.some((line) => line.includes(" install -y ") && line.endsWith(" socat")))
  assert.not.ok(commands.some((line) => line.includes("systemctl") && line.includes("chrony")))
  assert.match(said.join("\n"), "unpacked")
})

test("leaves a service alone that it did not install", () => {
  const { it, commands } = machine({ missing: ["socat"], sudo: true, systemd: true })
  installPeers(it)
  assert.not.ok(commands.some((line) => line.includes("systemctl")))
  assert.ok(commands.some((line) => line.startsWith("sudo -n env ")))
})

test("without the right to install it says the one line and what is missing", () => {
  const { it, commands, said } = machine({ missing: ["socat", "openssl"] })
  assert.equal(installPeers(it), ["socat", "openssl"])
  assert.match(said.join("\n"), "sudo apt-get install --no-install-recommends socat openssl")
  assert.not.ok(commands.some((line) => line.includes("install")))
})

test("an installation that fails is told, and what is missing stays missing", () => {
  const { it, said } = machine({ missing: ["socat"], root: true, broken: true })
  assert.equal(installPeers(it), ["socat"])
  assert.match(said.join("\n"), "no network")
})

test.run()
