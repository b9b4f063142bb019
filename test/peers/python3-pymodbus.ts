import { execFile, execFileSync, spawn } from "node:child_process"

/** A request by the words of the standard; numbers only. `values` are registers, or coils as 0 and 1. */
export interface PymodbusAsked {
  readonly code: number
  readonly at?: number
  readonly count?: number
  readonly values?: readonly number[]
  /** Of function 23: where it writes; of 22 the masks. */
  readonly writeAt?: number
  readonly and?: number
  readonly or?: number
  /** Of functions 20 and 21: file, first record, and how many, or their values. */
  readonly files?: readonly (readonly [file: number, record: number, of: number | readonly number[]])[]
  /** Of functions 8 and 43. */
  readonly sub?: number
}

/** Debian's Python, whatever other Python the machine has: that is where the package's modules are. */
const PYTHON = "/usr/bin/python3"

const SCRIPT = `
import json, sys, struct
from pymodbus.bit_read_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.bit_write_message import WriteSingleCoilRequest, WriteMultipleCoilsRequest
from pymodbus.register_read_message import (
    ReadHoldingRegistersRequest, ReadInputRegistersRequest, ReadWriteMultipleRegistersRequest)
from pymodbus.register_write_message import (
    WriteSingleRegisterRequest, WriteMultipleRegistersRequest, MaskWriteRegisterRequest)
from pymodbus.file_message import (
    FileRecord, ReadFileRecordRequest, WriteFileRecordRequest, ReadFifoQueueRequest)
from pymodbus.other_message import (
    ReadExceptionStatusRequest, GetCommEventCounterRequest, GetCommEventLogRequest, ReportSlaveIdRequest)
from pymodbus.diag_message import ReturnQueryDataRequest, ReturnBusMessageCountRequest
from pymodbus.mei_message import ReadDeviceInformationRequest

def read_files(a):
    return ReadFileRecordRequest([FileRecord(file_number=f, record_number=r, record_length=n) for f, r, n in a["files"]])

def write_files(a):
    return WriteFileRecordRequest([
        FileRecord(file_number=f, record_number=r, record_length=len(v), record_data=struct.pack(">%dH" % len(v), *v))
        for f, r, v in a["files"]])

BUILD = {
    1: lambda a: ReadCoilsRequest(a["at"], a["count"]),
    2: lambda a: ReadDiscreteInputsRequest(a["at"], a["count"]),
    3: lambda a: ReadHoldingRegistersRequest(a["at"], a["count"]),
    4: lambda a: ReadInputRegistersRequest(a["at"], a["count"]),
    5: lambda a: WriteSingleCoilRequest(a["at"], bool(a["values"][0])),
    6: lambda a: WriteSingleRegisterRequest(a["at"], a["values"][0]),
    7: lambda a: ReadExceptionStatusRequest(),
    8: lambda a: ReturnQueryDataRequest(a["values"][0]) if a["sub"] == 0 else ReturnBusMessageCountRequest(),
    11: lambda a: GetCommEventCounterRequest(),
    12: lambda a: GetCommEventLogRequest(),
    15: lambda a: WriteMultipleCoilsRequest(a["at"], [bool(v) for v in a["values"]]),
    16: lambda a: WriteMultipleRegistersRequest(a["at"], a["values"]),
    17: lambda a: ReportSlaveIdRequest(),
    20: read_files,
    21: write_files,
    22: lambda a: MaskWriteRegisterRequest(a["at"], a["and"], a["or"]),
    23: lambda a: ReadWriteMultipleRegistersRequest(
        read_address=a["at"], read_count=a["count"], write_address=a["writeAt"], write_registers=a["values"]),
    24: lambda a: ReadFifoQueueRequest(a["at"]),
    43: lambda a: ReadDeviceInformationRequest(a["at"], a["count"]),
}
for asked in json.load(sys.stdin):
    request = BUILD[asked["code"]](asked)
    print((bytes([request.function_code]) + request.encode()).hex())
`

/** The requests as pymodbus builds them, from the function on. */
export function pymodbusRequests(asked: readonly PymodbusAsked[]): Uint8Array[] {
  const output = execFileSync(PYTHON, ["-c", SCRIPT], { input: JSON.stringify(asked), encoding: "utf8" })
  return output
    .trim()
    .split("\n")
    .map((line) => Uint8Array.from(Buffer.from(line, "hex")))
}

/** Debian's package brings no pyserial along, so the bytes are read here; framing, checksums, units and registers are pymodbus's. */
const RTU_SLAVE = `
import json, os, sys, tty
from pymodbus.framer.rtu_framer import ModbusRtuFramer
from pymodbus.factory import ServerDecoder
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusSlaveContext, ModbusServerContext

device, units = sys.argv[1], json.loads(sys.argv[2])
def block(): return ModbusSequentialDataBlock(0, list(range(1000)))
context = ModbusServerContext(single=False, slaves={
    u: ModbusSlaveContext(di=block(), co=block(), hr=block(), ir=block(), zero_mode=True) for u in units})
fd = os.open(device, os.O_RDWR | os.O_NOCTTY)
tty.setraw(fd)
framer = ModbusRtuFramer(ServerDecoder())
def answer(request):
    if request.unit_id == 0:
        for unit in units: request.execute(context[unit])
        return
    if request.unit_id not in units: return
    response = request.execute(context[request.unit_id])
    response.unit_id = request.unit_id
    os.write(fd, framer.buildPacket(response))
print("ready", flush=True)
while True:
    data = os.read(fd, 256)
    if not data: break
    framer.processIncomingPacket(data, answer, units + [0], single=False)
`

/** A slave on a serial line, pymodbus its heart. */
export interface PymodbusSlave {
  stop(): Promise<void>
}

/** Units on the line `device`, each with 1000 registers and coils of each kind that hold their own number at first. */
export async function startPymodbusSlave(device: string, units: readonly number[]): Promise<PymodbusSlave> {
  const child = spawn(PYTHON, ["-c", RTU_SLAVE, device, JSON.stringify(units)], { stdio: ["ignore", "pipe", "pipe"] })
  let errors = ""
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve())
    void ended.then(() => reject(new Error(`the slave did not start:\n${errors}`)))
  })
  return {
    async stop() {
      child.kill("SIGKILL")
      await ended
    },
  }
}

/** pymodbus loads the module for serial lines even where none is; Debian only recommends it. */
const WITHOUT_SERIAL = `
from unittest.mock import MagicMock
for name in ("serial", "serial_asyncio"):
    sys.modules[name] = MagicMock()
`

/** Register `n` of unit 3 holds `n`, every coil is off; other units do not exist. Prints `ready` when it listens. */
const SERVER = `
import asyncio, sys
${WITHOUT_SERIAL}
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server.async_io import ModbusTcpServer, ModbusTlsServer
from pymodbus.transaction import ModbusSocketFramer

async def main(port, cert, key):
    unit = ModbusSlaveContext(
        di=ModbusSequentialDataBlock(0, [False] * 200), co=ModbusSequentialDataBlock(0, [False] * 200),
        hr=ModbusSequentialDataBlock(0, list(range(200))), ir=ModbusSequentialDataBlock(0, list(range(200))), zero_mode=True)
    context = ModbusServerContext(slaves={3: unit}, single=False)
    if cert:
        server = ModbusTlsServer(context, ModbusSocketFramer, None, ("127.0.0.1", port), certfile=cert, keyfile=key)
    else:
        server = ModbusTcpServer(context, ModbusSocketFramer, None, ("127.0.0.1", port))
    asyncio.get_event_loop().call_later(0.05, lambda: print("ready", flush=True))
    await server.serve_forever()

asyncio.run(main(int(sys.argv[1]), *(sys.argv[2:4] if len(sys.argv) > 2 else (None, None))))
`

/** A Modbus server that is not ours. */
export interface PymodbusServer {
  readonly port: number
  stop(): Promise<void>
}

/** Start a server on a loopback port, with TLS if it is given key and certificate. Unit 3 has 200 registers and coils. */
export async function startPymodbus(
  port: number,
  tls?: { readonly cert: string; readonly key: string },
): Promise<PymodbusServer> {
  const args = ["-c", SERVER, String(port), ...(tls === undefined ? [] : [tls.cert, tls.key])]
  const child = spawn(PYTHON, args, { stdio: ["ignore", "pipe", "pipe"] })
  const killed = (): void => void child.kill("SIGKILL")
  process.once("exit", killed)
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve())
    child.once("close", () => reject(new Error(`the pymodbus server ended:\n${said}`)))
  })
  return {
    port,
    async stop() {
      child.kill("SIGKILL")
      await ended
      process.off("exit", killed)
    },
  }
}

const MASTER = `
import json, sys
${WITHOUT_SERIAL}
from pymodbus.client.tcp import ModbusTcpClient
from pymodbus.client.tls import ModbusTlsClient
from pymodbus.transaction import ModbusSocketFramer

order = json.load(sys.stdin)
tls = order["tls"]
if tls:
    client = ModbusTlsClient("127.0.0.1", order["port"], framer=ModbusSocketFramer, certfile=tls["cert"], keyfile=tls["key"], server_hostname="localhost")
else:
    client = ModbusTcpClient("127.0.0.1", order["port"])
client.connect()
if tls:
    # This version waits for the socket where TLS holds the rest of an answer already: so it reads whole, and blocks.
    client.socket.settimeout(3)
    client.socket.setblocking(True)
    def recv(size):
        data = b""
        while len(data) < (size or 1):
            part = client.socket.recv((size or 1024) - len(data))
            if not part:
                break
            data += part
        return data
    client.recv = recv
for ask in order["asks"]:
    kind, unit, at, values = ask["do"], ask["unit"], ask["at"], ask.get("values")
    if kind == "read":
        answer = client.read_holding_registers(at, ask.get("count", 1), slave=unit)
    elif kind == "write":
        answer = client.write_register(at, values[0], slave=unit)
    elif kind == "writes":
        answer = client.write_registers(at, values, slave=unit)
    else:
        answer = client.write_coil(at, bool(values[0]), slave=unit)
    code = getattr(answer, "exception_code", None)
    if code is not None:
        print(json.dumps({"exception": code}))
    elif answer.isError():
        print(json.dumps({"error": str(answer)}))
    else:
        print(json.dumps({"registers": getattr(answer, "registers", [])}))
client.close()
`

/** What a master asks, by the words of pymodbus. */
export interface PymodbusOrder {
  readonly do: "read" | "write" | "writes" | "coil"
  readonly unit: number
  readonly at: number
  readonly count?: number
  readonly values?: readonly number[]
}

/** What it is answered. */
export interface PymodbusAnswer {
  readonly registers?: readonly number[]
  readonly exception?: number
  readonly error?: string
}

/** Ask a server on a loopback port as a pymodbus master does, with TLS if it is given key and certificate. */
export function pymodbusAsk(
  port: number,
  asks: readonly PymodbusOrder[],
  tls: { readonly cert: string; readonly key: string } | null = null,
): Promise<PymodbusAnswer[]> {
  return new Promise((resolve, reject) => {
    const child = execFile(PYTHON, ["-c", MASTER], { timeout: 15_000 }, (error, stdout, stderr) => {
      if (error !== null) return reject(new Error(`pymodbus: ${error.message}\n${stderr}`))
      const lines = stdout.trim().split("\n")
      resolve(lines.filter((line) => line !== "").map((line) => JSON.parse(line) as PymodbusAnswer))
    })
    child.stdin!.end(JSON.stringify({ port, asks, tls }))
  })
}
