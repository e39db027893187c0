// Rows of a gradient's tile are queries or keys, and its columns the others.

/** A kernel's tile by the tokens along its sides. */
export function tokenTile(
  rowTokens: 'queries' | 'keys',
  { rows, columns }: { readonly rows: number; readonly columns: number },
): { readonly queries: number; readonly keys: number } {
  return rowTokens === 'queries'
    ? { queries: rows, keys: columns }
    : { queries: columns, keys: rows }
}
