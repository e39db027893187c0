// WGSL for the values of a pair, each part of them at the place it varies with: functions that a
// kernel calls once a head, once a query or key of a tile, once a tile of a thread, or for each pair.
// Compilers hoist little out of loops with barriers, and never turn f32(query - key) into a sum.
import { operands, usesOf } from '@attn/core'
import type { ExpressionNode } from '@attn/core'
import { isConstant } from './constant-value.ts'
import type { DataLayout } from './data-layout.ts'
import { nodesToCutAt, nodeText, wgslType } from './expression.ts'
import type { HelperName } from './helpers.ts'
import { joinPlaces, placeOf, stepsOf } from './placement.ts'
import type { Place, Steps } from './placement.ts'

/** A function of the generated text; `lookUp` is the part of a pair's that reads tables by distance. */
export type Scope = 'head' | 'query' | 'key' | 'tile' | 'lookUp' | 'pair'

/** A value that one function returns and later ones take. */
export interface Field {
  readonly name: string
  readonly type: string
  /** Of fields of a tile: what to add for another query and key. */
  readonly steps?: Steps
}

/** One function in the making. */
export interface Section {
  readonly statements: string[]
  readonly fields: Field[]
}

/** A look-up whose only index that varies is a field of the tile; it is steady where both ends clamp alike. */
export interface LineLookup {
  readonly index: Field
  /** Text of the clamped index, given the index. */
  readonly clamped: (index: string) => string
}

/** What is left in registers all the time is paid for by every tile, so few values are. */
const mostFields: Readonly<Record<Scope, number>> = {
  head: 8,
  query: 4,
  key: 4,
  tile: 8,
  lookUp: 8,
  pair: 0,
}

/** Variables that hold the fields of a scope in the functions that take them. */
export const scopeVariable: Readonly<Record<Scope, string>> = {
  head: 'headValue',
  query: 'queryValue',
  key: 'keyValue',
  tile: 'tileValue',
  lookUp: 'looked',
  pair: '',
}

/** Everything that was generated for some expressions. */
export interface Hoisting {
  readonly sections: Readonly<Record<Scope, Section>>
  readonly lines: LineLookup[]
  /** Fields of the tile that the two functions of a pair take as arguments. */
  readonly pairArguments: Set<Field>
  readonly lookUpArguments: Set<Field>
  /** Text of an expression in the function of the pair. `score` is the name of the score so far. */
  pairText(node: ExpressionNode, score: string): string
}

/** What the text of an expression is written within. */
interface Within {
  readonly scope: Scope
  /** Values that have a name already. */
  readonly names: Map<ExpressionNode, string>
  readonly uses: ReadonlyMap<ExpressionNode, number>
  /** The name of the score so far. */
  readonly score: string
}

/** Whether values of a place are computed before a function is called. */
const isEarlier = (place: Place, scope: Scope): place is Exclude<Place, 'pair'> =>
  place === 'head' ? scope !== 'head' : place !== 'pair' && scope === 'pair'

/** Whether the text of a node does not come from those of its operands. */
const isElsewhere = (node: ExpressionNode, { scope }: Within): boolean =>
  isConstant(node) ||
  isEarlier(placeOf(node), scope) ||
  (scope === 'pair' && stepsOf(node) !== undefined)

/** Starts a set of functions; helpers they call are added to `helpers`. */
export function createHoisting(layout: DataLayout, helpers: Set<HelperName>): Hoisting {
  const section = (): Section => ({ statements: [], fields: [] })
  const sections = {
    head: section(),
    query: section(),
    key: section(),
    tile: section(),
    lookUp: section(),
    pair: section(),
  }
  const lines: LineLookup[] = []
  const pairArguments = new Set<Field>()
  const lookUpArguments = new Set<Field>()
  const fields = new Map<string, Field>()
  let named = 0
  const identities = new Map<object, number>()
  const identity = (node: object): number => {
    if (!identities.has(node)) identities.set(node, identities.size)
    return identities.get(node)!
  }

  /** A field of a scope, made at its first use; undefined where the scope has enough of them. */
  const field = (
    scope: Scope,
    key: string,
    type: string,
    build: () => string,
    steps?: Steps,
  ): Field | undefined => {
    const known = fields.get(`${scope} ${key}`)
    if (known) return known
    const { statements, fields: own } = sections[scope]
    if (own.length >= mostFields[scope]) return undefined
    const value = build()
    // Building may have made others.
    const name = `${scope}${own.length}`
    const made: Field = { name, type, ...(steps ? { steps } : {}) }
    own.push(made)
    statements.push(`  let ${name} = ${value};`)
    fields.set(`${scope} ${key}`, made)
    return made
  }
  const hoisted = (
    scope: Scope,
    key: string,
    type: string,
    build: () => string,
  ): string | undefined => {
    const found = field(scope, key, type, build)
    return found && `${scopeVariable[scope]}.${found.name}`
  }

  /** An integer with steps, or the float of one: a field of the tile, from which pairs differ by constants. */
  const stepped = (node: ExpressionNode, type: 'i32' | 'f32', takers: Set<Field>) => {
    const build = (): string => {
      const text = textIn('tile', node)
      return type === 'f32' ? `f32(${text})` : text
    }
    const found = field('tile', `${type} ${identity(node)}`, type, build, stepsOf(node))
    if (found) takers.add(found)
    return found
  }

  const floats = new Map<ExpressionNode, ExpressionNode>()
  const toFloat = (operand: ExpressionNode): ExpressionNode => {
    const known = floats.get(operand)
    if (known) return known
    const made: ExpressionNode = { kind: 'unary', type: 'float', operation: 'toFloat', operand }
    floats.set(operand, made)
    return made
  }

  /** Names of values in the functions that are called once for many pairs, by their nodes. */
  const namesIn = new Map<Scope, Map<ExpressionNode, string>>()
  /** Text of an expression in a function, by itself. */
  const textIn = (scope: Scope, root: ExpressionNode): string => {
    const names = namesIn.get(scope) ?? new Map<ExpressionNode, string>()
    namesIn.set(scope, names)
    return textOf(root, { scope, names, uses: usesOf(root), score: 'score' })
  }
  /** Text of what nothing else is the text of: nested deep, it is cut into statements. */
  const textOf = (root: ExpressionNode, within: Within): string => {
    const cut = nodesToCutAt(root, (node) => node !== root && isElsewhere(node, within))
    for (const node of cut) textAt(node, within, true)
    return textAt(root, within)
  }
  const textAt = (node: ExpressionNode, within: Within, cut = false): string => {
    const { scope, names, uses, score } = within
    const text = (operand: ExpressionNode): string => textAt(operand, within)
    if (node.kind === 'coordinate' && node.name === 'score') return score
    if (operands(node).length === 0 || isConstant(node)) {
      return nodeText(node, text, layout, helpers)
    }
    const place = placeOf(node)
    if (isEarlier(place, scope)) {
      const known = hoisted(place, `value ${identity(node)}`, wgslType[node.type], () =>
        textIn(place, node),
      )
      if (known) return known
    }
    const known = names.get(node)
    if (known) return known
    if (scope === 'pair' && stepsOf(node)) {
      const found = stepped(node, 'i32', pairArguments)
      if (found) return found.name
    }
    if (!cut && isElsewhere(node, within)) {
      // There is no field left for it, so its text is here after all.
      const leftOut = (each: ExpressionNode): boolean => isConstant(each) || names.has(each)
      for (const part of nodesToCutAt(node, leftOut)) textAt(part, within, true)
    }
    const value =
      scope === 'pair' && place === 'pair'
        ? pairText(node, text)
        : nodeText(node, text, layout, helpers)
    if (!cut && (uses.get(node) ?? 0) < 2) return value
    const name = `v${named++}`
    sections[scope].statements.push(`  let ${name} = ${value};`)
    names.set(node, name)
    return name
  }

  const pairText = (node: ExpressionNode, text: (operand: ExpressionNode) => string): string => {
    if (node.kind === 'unary' && node.operation === 'toFloat') return floatText(node.operand, text)
    if (node.kind === 'lookup') return lookupText(node, text)
    return nodeText(node, text, layout, helpers)
  }

  /** f32 of an integer, converted as deep down as rounding allows: there it is a field of the tile. */
  const floatText = (
    node: ExpressionNode,
    text: (operand: ExpressionNode) => string,
    levels = 4,
  ): string => {
    if (placeOf(node) !== 'pair') return text(toFloat(node))
    if (stepsOf(node)) {
      const found = stepped(node, 'f32', pairArguments)
      if (found) return found.name
    }
    if (levels === 0) return `f32(${text(node)})`
    if (node.kind === 'unary' && node.operation !== 'floor') {
      const operand = floatText(node.operand, text, levels - 1)
      return node.operation === 'negate' ? `(-${operand})` : `abs(${operand})`
    }
    if (node.kind === 'arithmetic' && /^m(ini|axi)mum$/.test(node.operation)) {
      const both = [node.left, node.right]
        .map((operand) => floatText(operand, text, levels - 1))
        .join(', ')
      return node.operation === 'minimum' ? `min(${both})` : `max(${both})`
    }
    return `f32(${text(node)})`
  }

  type Lookup = ExpressionNode & { readonly kind: 'lookup' }
  const { lineText, indexText, valueText } = layout.parts

  const lookupText = (node: Lookup, text: (operand: ExpressionNode) => string): string => {
    const { table, indices } = node
    const last = indices.length - 1
    const linePlace = joinPlaces(indices.slice(0, last).map(placeOf))
    const looked = linePlace === 'head' ? lineLookup(node) : undefined
    if (looked) return looked
    const at = (place: Scope, key: string, build: (take: typeof text) => string): string => {
      const inPlace = (operand: ExpressionNode): string => textIn(place, operand)
      return (
        (place === 'pair'
          ? undefined
          : hoisted(place, `${key} ${identity(node)}`, 'u32', () => build(inPlace))) ?? build(text)
      )
    }
    const line = at(last === 0 ? 'pair' : linePlace, 'line', (take) =>
      lineText(table, indices.slice(0, last).map(take), helpers),
    )
    const index = at(placeOf(indices[last]!), 'index', (take) =>
      indexText(table, last, take(indices[last]!), helpers),
    )
    return valueText(table, `${line} + ${index}`, helpers)
  }

  /** A look-up by distance, in a function of its own: far from the diagonal a tile needs one for all. */
  const lineLookup = (node: Lookup): string | undefined => {
    const { table, indices } = node
    const last = indices.length - 1
    const distance = indices[last]!
    if (placeOf(distance) !== 'pair' || !stepsOf(distance)) return undefined
    const index = stepped(distance, 'i32', lookUpArguments)
    if (!index) return undefined
    const clamped = (value: string): string => indexText(table, last, value, helpers)
    const build = (): string => {
      const leading = indices.slice(0, last).map((operand) => textIn('head', operand))
      const lineOf = (): string => lineText(table, leading, helpers)
      const line =
        last === 0
          ? lineOf()
          : (hoisted('head', `line ${identity(node)}`, 'u32', lineOf) ?? lineOf())
      return valueText(table, `${line} + ${clamped(index.name)}`, helpers)
    }
    const found = field('lookUp', `line ${identity(node)}`, wgslType[table.type], build)
    if (!found) return undefined
    if (!lines.some((line) => line.index === index)) lines.push({ index, clamped })
    return `${scopeVariable.lookUp}.${found.name}`
  }

  return {
    sections,
    lines,
    pairArguments,
    lookUpArguments,
    pairText: (node, score) =>
      textOf(node, { scope: 'pair', names: new Map(), uses: usesOf(node), score }),
  }
}
