// A parsed expression written out again, with the parentheses that it needs and no others.
import type { Expression } from 'jsep'
import { partsOf } from './tree.ts'

const strength: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
}
const unary = 7

export function formatTree(node: Expression): string {
  return write(node, 0)
}

/** @param least - What binds less than this stands in parentheses. */
function write(node: Expression, least: number): string {
  const operator = node['operator'] as string
  const parts = partsOf(node)
  switch (node.type) {
    case 'Identifier':
      return node['name'] as string
    case 'Literal':
      return node['raw'] as string
    case 'UnaryExpression':
      return `${operator}${write(parts[0]!, unary)}`
    case 'CallExpression': {
      const name = write(node['callee'] as Expression, 0)
      return `${name}(${parts.map((part) => write(part, 0)).join(', ')})`
    }
    case 'ConditionalExpression': {
      const [test, then, otherwise] = parts.map((part) => write(part, 1))
      return enclose(`${test} ? ${then} : ${otherwise}`, least > 0)
    }
    default: {
      const own = strength[operator] ?? 0
      // Operators of one strength are read from left to right.
      const text = `${write(parts[0]!, own)} ${operator} ${write(parts[1]!, own + 1)}`
      return enclose(text, own < least)
    }
  }
}

const enclose = (text: string, needed: boolean): string => (needed ? `(${text})` : text)
