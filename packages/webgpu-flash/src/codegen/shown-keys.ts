// Masks that show a query all keys between two: causal, windows, whole sequences. Then nothing has to be asked
// of a pair but where its key lies. The two ends are expressions of the query alone, found once a row.
import { dependencies } from '@attn/core'
import type { ArithmeticOperation, ComparisonOperation, ExpressionNode } from '@attn/core'
import type { DataLayout } from './data-layout.ts'
import { coordinateArguments, expressionFunction } from './expression.ts'

/** What a mask says of keys: at or after all of `begin`, before all of `end`. Integers that do not vary with keys. */
export interface ShownKeys {
  readonly begin: readonly ExpressionNode[]
  readonly end: readonly ExpressionNode[]
}

type Comparison = ExpressionNode & { readonly kind: 'comparison' }

/** Beyond all keys, and far from where integers end. */
const beyondKeys = 2 ** 30

const mirrored: Readonly<Record<ComparisonOperation, ComparisonOperation>> = {
  equal: 'equal',
  notEqual: 'notEqual',
  less: 'greater',
  lessOrEqual: 'greaterOrEqual',
  greater: 'less',
  greaterOrEqual: 'lessOrEqual',
}

/** The ends between which a mask shows all keys; undefined where it is not, or not seen to be, of that kind. */
export function shownKeys(mask: ExpressionNode): ShownKeys | undefined {
  if (mask.kind === 'constant') return mask.value === 0 ? undefined : { begin: [], end: [] }
  if (mask.kind === 'logical' && mask.operation === 'and') {
    const [left, right] = [shownKeys(mask.left), shownKeys(mask.right)]
    if (!left || !right) return undefined
    return { begin: [...left.begin, ...right.begin], end: [...left.end, ...right.end] }
  }
  return mask.kind === 'comparison' && mask.left.type === 'integer' ? endsOf(mask) : undefined
}

function endsOf({ operation, left, right }: Comparison): ShownKeys | undefined {
  if (!variesWithKeys(right)) return compared(left, operation, right)
  return variesWithKeys(left) ? undefined : compared(right, mirrored[operation], left)
}

/** What `side operation bound` says of the key. */
function compared(
  side: ExpressionNode,
  operation: ComparisonOperation,
  bound: ExpressionNode,
): ShownKeys | undefined {
  if (isKey(side)) return ofKey(operation, bound)
  // query - key, and some distance: the key against query - distance, which cannot overflow.
  if (side.kind !== 'arithmetic' || side.operation !== 'subtract') return undefined
  if (!isKey(side.right) || side.left.kind !== 'coordinate') return undefined
  if (bound.kind !== 'constant' || bound.value < 0 || bound.value > beyondKeys) return undefined
  return ofKey(mirrored[operation], arithmetic('subtract', side.left, bound))
}

function ofKey(operation: ComparisonOperation, bound: ExpressionNode): ShownKeys | undefined {
  const after = arithmetic('add', arithmetic('minimum', bound, integer(beyondKeys)), integer(1))
  switch (operation) {
    case 'equal':
      return { begin: [bound], end: [after] }
    case 'notEqual':
      return undefined
    case 'less':
      return { begin: [], end: [bound] }
    case 'lessOrEqual':
      return { begin: [], end: [after] }
    case 'greater':
      return { begin: [after], end: [] }
    case 'greaterOrEqual':
      return { begin: [bound], end: [] }
  }
}

const isKey = (node: ExpressionNode): boolean => node.kind === 'coordinate' && node.name === 'key'

const variesWithKeys = (node: ExpressionNode): boolean => dependencies(node).coordinates.has('key')

const integer = (value: number): ExpressionNode => ({ kind: 'constant', type: 'integer', value })

const arithmetic = (
  operation: ArithmeticOperation,
  left: ExpressionNode,
  right: ExpressionNode,
): ExpressionNode => ({ kind: 'arithmetic', type: 'integer', operation, left, right })

/**
 * WGSL of `beginShown` and `endShown`, from batch, head, query and queryIndex to the first key that a row sees and
 * the one after the last; undefined where a mask says more of keys. Their helpers are those of `visible`.
 */
export function shownKeysFunctions(mask: ExpressionNode, layout: DataLayout): string | undefined {
  const shown = shownKeys(mask)
  if (!shown) return undefined
  const takes = coordinateArguments.filter((name) => name !== 'key')
  const of = (
    name: string,
    operation: 'minimum' | 'maximum',
    first: ExpressionNode,
    others: readonly ExpressionNode[],
  ): string => {
    const node = others.reduce((all, one) => arithmetic(operation, all, one), first)
    return expressionFunction(name, node, layout, false, takes).code
  }
  return `${of('beginShown', 'maximum', integer(0), shown.begin)}

${of('endShown', 'minimum', integer(beyondKeys), shown.end)}`
}
