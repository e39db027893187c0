import type { Pattern } from '../../src/index.ts'

/** The names of a pattern's parts. */
export const names = ({ components }: Pattern): string[] => components.map(({ name }) => name)
