import { suite } from "uvu"
import * as assert from "uvu/assert"
import { AT_REST, readSetpoint, stepProcess } from "../../../firmware/demo/process-model.ts"
import { seeded } from "../../support/hostile.ts"

const test = suite("firmware/demo/process-model")

test("stays within what a plant can be, over a day", () => {
  const chance = seeded(1)
  let state = AT_REST
  for (let s = 0; s < 86_400; s++) {
    state = stepProcess({ ...state, setpoint: s % 600 < 300 ? 3.6 : 4.4 }, 1, chance)
    assert.ok(state.pressure > 3 && state.pressure < 5, `pressure ${state.pressure}`)
    assert.ok(state.flow > 8 && state.flow < 16, `flow ${state.flow}`)
    assert.ok(state.level > 20 && state.level < 95, `level ${state.level}`)
    assert.ok(state.temperature > 15 && state.temperature < 30, `temperature ${state.temperature}`)
  }
})

test("the pressure follows the setpoint", () => {
  let state = { ...AT_REST, setpoint: 5 }
  for (let i = 0; i < 300; i++) state = stepProcess(state, 0.1, () => 0.5)
  assert.ok(Math.abs(state.pressure - 5) < 0.01)
})

test("a setpoint is read whole or not at all", () => {
  const read = (text: string): number | null => readSetpoint(new TextEncoder().encode(text))
  assert.is(read(`{"bar":4.2}`), 4.2)
  for (const bad of ["", "4.2", "null", "[]", `{"bar":"4"}`, `{"bar":99}`, `{"bar":-1}`, `{"psi":60}`, `{"bar":4`])
    assert.is(read(bad), null, bad)
})

test.run()
