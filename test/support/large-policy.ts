/** A policy document in JSON with this many rules, for the roles and conduit of the rig; `from` sets their names apart. */
export function largePolicy(rules: number, from = 0): string {
  const many = Array.from({ length: rules }, (_, k) => ({
    id: `r${from + k}`,
    allow: "publish",
    roles: ["sensor"],
    topics: [`site/cell-${(from + k) % 97}/machine-${from + k}/+`],
  }))
  return JSON.stringify({
    "lockgate-policy": 1,
    name: `${rules} rules`,
    zones: {
      field: { level: 2, authorities: ["field-ca"] },
      control: { level: 3, authorities: ["control-ca"] },
    },
    roles: { sensor: "reports" },
    subjects: [{ zone: "field", match: { "san-uri": "urn:test:sensor:{name}" }, roles: ["sensor"] }],
    conduits: { telemetry: { from: "field", to: "control", protocol: "mqtt" } },
    rules: [{ id: "report", allow: "publish", roles: ["sensor"], topics: ["plant/%u/#"] }, ...many],
  })
}
