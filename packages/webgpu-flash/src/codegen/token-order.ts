// Token orders in WGSL: the function that says which token stands in a slot. Slots and tokens are
// never negative, so that unsigned arithmetic does, and powers of two become shifts.
import type { ExpressionNode, TokenOrder, TokenOrders } from '@attn/core'
import { UnsupportedError } from '@attn/core'

/** WGSL of `queryToken(slot)` and `keyToken(slot)`, for slots of whole tiles. */
export function tokenFunctions(
  { queryOrder, keyOrder }: TokenOrders,
  tile: { readonly queries: number; readonly keys: number },
): string {
  return [
    tokenFunction('queryToken', queryOrder, tile.queries),
    tokenFunction('keyToken', keyOrder, tile.keys),
  ].join('\n\n')
}

function tokenFunction(name: string, order: TokenOrder | undefined, tileSize: number): string {
  const token = order ? unsignedText(order.expression.node) : 'slot'
  // The last tile may reach past the last slot, where the expression begins anew.
  const end =
    order && order.slots % tileSize !== 0
      ? `  if (slot >= ${order.slots}u) { return 0xffffffffu; }\n`
      : ''
  return `fn ${name}(slot: u32) -> u32 {\n${end}  return ${token};\n}`
}

function unsignedText(node: ExpressionNode): string {
  if (node.kind === 'coordinate' && node.name === 'slot') return 'slot'
  if (node.kind === 'constant' && node.value >= 0) return `${node.value}u`
  if (node.kind === 'arithmetic') {
    const [left, right] = [unsignedText(node.left), unsignedText(node.right)]
    const power = node.right.kind === 'constant' ? Math.log2(node.right.value) : Number.NaN
    switch (node.operation) {
      case 'add':
        return `(${left} + ${right})`
      case 'multiply':
        return `(${left} * ${right})`
      case 'floorDivide':
        return Number.isInteger(power) ? `(${left} >> ${power}u)` : `(${left} / ${right})`
      case 'modulo':
        return Number.isInteger(power) ? `(${left} & ${2 ** power - 1}u)` : `(${left} % ${right})`
    }
  }
  throw new UnsupportedError(`flash.plan: a token order cannot be made of ${node.kind}`)
}
