// A number that a mask, a bias or the sizes of a run are made of, and how it is checked.

export interface Field {
  /** Its key in the address and in `Settings`. */
  readonly name: string
  readonly label: string
  readonly initial: number
  readonly minimum: number
  readonly maximum: number
  /** Default: 1, whole numbers. */
  readonly step?: number
}

/** Values by field name. */
export type Values = Readonly<Record<string, number>>

/** What is wrong with a value, for people; undefined where nothing is. */
export function fieldError(field: Field, value: number): string | undefined {
  const { label, minimum, maximum, step = 1 } = field
  if (!Number.isFinite(value)) return `${label}: enter a number`
  if (step === 1 && !Number.isInteger(value)) return `${label}: enter a whole number`
  if (value < minimum || value > maximum) {
    return `${label}: must lie between ${minimum.toLocaleString('en')} and ${maximum.toLocaleString('en')}`
  }
  return undefined
}
