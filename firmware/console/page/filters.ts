/** Search and facets above the table. */
import { elementOf, make, show } from "./dom.ts"
import { FACETS, type Facet, type Wanted } from "./rows.ts"
import type { RowStore } from "./row-store.ts"

const TITLES: Readonly<Record<Facet, string>> = {
  severity: "Severity",
  outcome: "Outcome",
  event: "Event",
  subject: "Subject",
  conduit: "Conduit",
}
const MAX_VALUES = 200

/** The filters on the page. */
export interface Filters {
  wanted(): Omit<Wanted, "range">
  /** Offer the values that there are. */
  offer(store: Pick<RowStore, "counted">): void
  clear(): void
}

/** Builds the facets in the form of the page; `changed` is called after each change. */
export function createFilters(changed: () => void): Filters {
  const form = elementOf("filters", HTMLFormElement)
  const search = elementOf("search", HTMLInputElement)
  const selects = new Map(FACETS.map((facet) => [facet, make("select", { id: `facet-${facet}` })] as const))
  for (const [facet, select] of selects) {
    select.append(make("option", { value: "" }, "all"))
    form.append(make("label", {}, TITLES[facet], " ", select))
  }
  form.addEventListener("input", changed)
  form.addEventListener("submit", (event) => event.preventDefault())
  const valueOf = (facet: Facet): string => selects.get(facet)?.value ?? ""
  return {
    wanted: () => ({
      text: search.value.trim(),
      facets: {
        severity: valueOf("severity"),
        outcome: valueOf("outcome"),
        event: valueOf("event"),
        subject: valueOf("subject"),
        conduit: valueOf("conduit"),
      },
    }),
    offer(store) {
      for (const [facet, select] of selects) {
        // An open list does not move under the reader's hand.
        if (document.activeElement === select) continue
        const value = select.value
        const values = store.counted(facet, MAX_VALUES)
        const options = values.map(([one, count]) => make("option", { value: one }, `${one} (${count})`))
        if (value !== "" && !values.some(([one]) => one === value))
          options.push(make("option", { value }, `${value} (0)`))
        show(select, make("option", { value: "" }, "all"), ...options)
        select.value = value
      }
    },
    clear() {
      form.reset()
      changed()
    },
  }
}
