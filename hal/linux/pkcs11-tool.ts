import { spawn } from "node:child_process"
import { createHash, createPublicKey, verify, type KeyObject } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { HardwareError, IntegrityError, StateError } from "../../policy/base/errors.ts"
import {
  faultOf,
  LOGIN,
  parseDerived,
  parseObjects,
  PIN_VARIABLE,
  placeArguments,
  type TokenObject,
  type TokenPlace,
} from "./pkcs11-words.ts"

/** Keys in a PKCS#11 token, by CKA_ID (lower-case hex). Each call is a process of its own: a token may take a second for it. */
export interface Pkcs11Token {
  /** Make a P-256 key that signs and agrees, and never leaves. Asked for a signature before this resolves. @throws as `sign` */
  generate(id: string, label: string): Promise<KeyObject>
  /** Null if there is none. @throws HardwareError as `sign`; IntegrityError `ERR_KEY_DAMAGED` */
  publicKey(id: string): Promise<KeyObject | null>
  /**
   * ES256: raw r||s over SHA-256 of `data`, which is hashed here. Checked against `key` before it is handed out.
   *
   * @throws StateError `ERR_KEY_MISSING`, `ERR_TOKEN_PIN`, `ERR_TOKEN_LOCKED`
   * @throws HardwareError `ERR_TOKEN_TOOL`, `ERR_TOKEN_MODULE`, `ERR_TOKEN_MISSING`, `ERR_TOKEN`
   */
  sign(id: string, data: Uint8Array, key: KeyObject): Promise<Uint8Array>
  /** ECDH with a P-256 key, SPKI DER: the x-coordinate, 32 bytes. @throws as `sign` */
  agree(id: string, peerSpki: Uint8Array): Promise<Uint8Array>
  /** Public keys; without a PIN. */
  publicKeys(): Promise<readonly TokenObject[]>
  /** Both halves of a key and what else bears its id; false if there was nothing. @throws as `sign` */
  destroy(id: string): Promise<boolean>
}

/** What a token is reached by. */
export interface Pkcs11Options extends TokenPlace {
  /** Asked for when a key is used; null: none is known, and only public things can be had. */
  readonly pin: () => Promise<string | null>
  /** Default `pkcs11-tool`, of the Debian package opensc. */
  readonly tool?: string
  /** The environment from which the module's own settings are taken. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

const TIMEOUT_MS = 15_000
const MAX_OUTPUT = 65_536
/** What modules and the tool are configured by. Everything else, passphrases above all, is none of the module's business. */
const PASSED_ON = /^(PATH|HOME|SOFTHSM2_CONF|OPENSC_CONF|TPM2_PKCS11_[A-Z_]+|TPM2TOOLS_TCTI|YKCS11_[A-Z_]+)$/

/**
 * A token by OpenSC's `pkcs11-tool`, so that no native code of a token's maker runs in this process. The PIN goes by the environment
 * of that child alone, never by its arguments.
 *
 * Keys are named by id and never by label: the tool signs with the first private key it finds where it is given a label.
 *
 * @see IEC 62443-4-2 CR 1.1 RE(2), CR 1.5 RE(1); PKCS #11 v2.40
 */
export function openPkcs11Token(options: Pkcs11Options): Pkcs11Token {
  const place = { module: options.module, token: options.token }

  async function withPin(args: readonly string[], input?: Uint8Array): Promise<Uint8Array> {
    const pin = await options.pin()
    // An empty one is a question at a terminal to the tool.
    if (pin === null || pin === "") throw new StateError("ERR_TOKEN_PIN", `the token ${place.token} wants its PIN`)
    return run(options, [...LOGIN, ...args], { [PIN_VARIABLE]: pin }, input)
  }

  async function publicKey(id: string): Promise<KeyObject | null> {
    try {
      return readPublicKey(await run(options, ["--read-object", "--type", "pubkey", "--id", id], {}))
    } catch (error) {
      if (error instanceof StateError && error.code === "ERR_KEY_MISSING") return null
      throw error
    }
  }

  async function sign(id: string, data: Uint8Array, key: KeyObject): Promise<Uint8Array> {
    const digest = createHash("sha256").update(data).digest()
    const signature = await withPin(["--sign", "--mechanism", "ECDSA", "--id", id], digest)
    if (signature.length !== 64 || !verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature))
      throw new IntegrityError("ERR_KEY_DAMAGED", `the token ${place.token} signs with another key than it shows`)
    return signature
  }

  async function destroyOne(type: "privkey" | "pubkey" | "cert", id: string): Promise<boolean> {
    try {
      await withPin(["--delete-object", "--type", type, "--id", id])
      return true
    } catch (error) {
      if (error instanceof StateError && error.code === "ERR_KEY_MISSING") return false
      throw error
    }
  }

  return {
    publicKey,
    sign,

    async generate(id, label) {
      const usage = ["--usage-sign", "--usage-derive", "--sensitive"]
      await withPin(["--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", label, ...usage])
      const key = await publicKey(id)
      if (key === null) throw new HardwareError("ERR_TOKEN", `the token ${place.token} has lost a key that it made`)
      await sign(id, Buffer.from("lockgate: a key is tried"), key)
      return key
    },

    async agree(id, peerSpki) {
      // The tool reads the other key from a file alone; it is public.
      const folder = await mkdtemp(join(tmpdir(), "lockgate-peer-"))
      let output: Uint8Array
      try {
        const file = join(folder, "peer.der")
        await writeFile(file, peerSpki)
        const derive = ["--derive", "--derive-pass-der", "--mechanism", "ECDH1-DERIVE", "--id", id]
        output = await withPin([...derive, "--input-file", file])
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
      const shared = parseDerived(output)
      if (shared === null) throw new HardwareError("ERR_TOKEN", `the token ${place.token} gave no shared secret`)
      return shared
    },

    async publicKeys() {
      const text = Buffer.from(await run(options, ["--list-objects", "--type", "pubkey"], {})).toString("utf8")
      return parseObjects(text)
    },

    async destroy(id) {
      const done = [await destroyOne("privkey", id), await destroyOne("pubkey", id), await destroyOne("cert", id)]
      return done.includes(true)
    },
  }
}

/** The public key in what the tool wrote: SPKI, in DER or, for some kinds, in PEM. */
function readPublicKey(bytes: Uint8Array): KeyObject {
  const text = Buffer.from(bytes)
  try {
    return text.includes("-----BEGIN")
      ? createPublicKey(text)
      : createPublicKey({ key: text, format: "der", type: "spki" })
  } catch {
    throw new IntegrityError("ERR_KEY_DAMAGED", "what the token shows is no public key")
  }
}

function run(
  options: Pkcs11Options,
  args: readonly string[],
  secret: Readonly<Record<string, string>>,
  input?: Uint8Array,
): Promise<Uint8Array> {
  const { tool = "pkcs11-tool", env = process.env } = options
  const passed = Object.fromEntries(Object.entries(env).filter(([name]) => PASSED_ON.test(name)))
  return new Promise((resolve, reject) => {
    // Of no session of ours: the tool must not find a terminal to ask for a PIN at.
    const child = spawn(tool, [...placeArguments(options), ...args], {
      env: { ...passed, LC_ALL: "C", ...secret },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    })
    const out: Buffer[] = []
    let said = ""
    let length = 0
    let cause: "time" | "length" | null = null
    const stop = (why: "time" | "length"): void => {
      cause ??= why
      child.kill("SIGKILL")
    }
    const timer = setTimeout(() => stop("time"), TIMEOUT_MS)
    const counted = (chunk: Buffer): boolean => {
      length += chunk.length
      if (length > MAX_OUTPUT) stop("length")
      return length <= MAX_OUTPUT
    }
    child.stdout.on("data", (chunk: Buffer) => counted(chunk) && out.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => {
      if (counted(chunk)) said += chunk.toString("latin1")
    })
    // It may be gone before it has read.
    child.stdin.on("error", () => undefined)
    child.stdin.end(input ?? "")
    child.once("error", () => {
      clearTimeout(timer)
      reject(new HardwareError("ERR_TOKEN_TOOL", `${tool} cannot be run: install the Debian package opensc`))
    })
    child.once("close", (exitCode) => {
      clearTimeout(timer)
      if (cause === "time") reject(new HardwareError("ERR_TOKEN", `the token ${options.token} did not answer in time`))
      else if (cause === "length") reject(new HardwareError("ERR_TOKEN", `the token ${options.token} said too much`))
      else if (exitCode === 0) resolve(new Uint8Array(Buffer.concat(out)))
      else reject(faultOf(said, options))
    })
  })
}
