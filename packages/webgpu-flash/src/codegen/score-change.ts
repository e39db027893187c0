// The chain of score modifiers as WGSL that does as little as possible for each pair. A kernel calls
// the functions where `Place` says, and hands what they return on to `modified`.
import type { Coordinate, ScoreModifier } from '@attn/core'
import type { DataLayout } from './data-layout.ts'
import { coordinateArguments } from './expression.ts'
import type { HelperName } from './helpers.ts'
import { createHoisting, scopeVariable } from './hoisting.ts'
import type { Field, Hoisting, Scope, Section } from './hoisting.ts'

/**
 * What a kernel writes to change its scores. `batch` and `head` (u32) have to be in scope; from `tile`
 * on `position`, `queryIndex` and `keyPosition` (i32) too: the first query and key of a thread's part
 * of the tile. Pairs are named by what their query and key are past those.
 */
export interface ScoreChange {
  /** Structs and functions, for the global scope. */
  readonly code: string
  /** Statements once `batch` and `head` are known. */
  readonly head: string
  /** Statements at the beginning of a tile. */
  readonly tile: string
  /** Statements for each query and for each key of the thread. */
  query(pastQuery: number): string
  key(pastKey: number): string
  /**
   * Condition under which all pairs up to the last ones have the same look-ups by distance, and the
   * statement for it; undefined where there are none.
   */
  steady(lastQuery: number, lastKey: number): { condition: string; lookUp: string } | undefined
  /** The changed score of a pair; `steady` inside of that condition. */
  pair(score: string, pastQuery: number, pastKey: number, steady: boolean): string
}

/** A score that a thread holds: the variable, and where its pair is past the thread's first. */
export interface HeldScore {
  readonly score: string
  readonly pastQuery: number
  readonly pastKey: number
}

/** Statements that change all scores a thread holds of a tile; one look-up does for all where it can. */
export function changeStatements(change: ScoreChange, held: readonly HeldScore[]): string {
  const unique = (values: readonly number[]): number[] => [...new Set(values)]
  const queries = unique(held.map(({ pastQuery }) => pastQuery))
  const keys = unique(held.map(({ pastKey }) => pastKey))
  const steady = change.steady(Math.max(...queries), Math.max(...keys))
  const pairs = (isSteady: boolean): string[] =>
    held.map(
      ({ score, pastQuery, pastKey }) =>
        `${score} = ${change.pair(score, pastQuery, pastKey, isSteady)};`,
    )
  const inside = (lines: readonly string[]): string => lines.map((line) => `  ${line}`).join('\n')
  return [
    change.tile,
    ...queries.map((past) => change.query(past)),
    ...keys.map((past) => change.key(past)),
    ...(steady
      ? [
          `if (${steady.condition}) {\n${inside([steady.lookUp, ...pairs(true)])}\n} else {\n${inside(pairs(false))}\n}`,
        ]
      : pairs(false)),
  ]
    .filter((line) => line !== '')
    .join('\n')
}

const structs: Readonly<Partial<Record<Scope, string>>> = {
  head: 'HeadValues',
  query: 'QueryValues',
  key: 'KeyValues',
  tile: 'TileValues',
  lookUp: 'Looked',
}

/** Generates the functions for a chain of modifiers, the first of which gets the scaled score. */
export function scoreChange(
  modifiers: readonly ScoreModifier[],
  layout: DataLayout,
  helpers: Set<HelperName>,
): ScoreChange {
  const hoisting = createHoisting(layout, helpers)
  const { sections } = hoisting
  let score = 'score'
  modifiers.forEach(({ expression }, index) => {
    const text = hoisting.pairText(expression.node, score)
    score = `score${index + 1}`
    sections.pair.statements.push(`  let ${score} = ${text};`)
  })
  const has = (scope: Scope): boolean => sections[scope].fields.length > 0
  const given = (...scopes: readonly Scope[]): string[] =>
    scopes.filter(has).map((scope) => scopeVariable[scope])
  const stepText = (field: Field, pastQuery: number, pastKey: number): string => {
    const { query, key } = field.steps!
    const step = query * pastQuery + key * pastKey
    const value = `${scopeVariable.tile}.${field.name}`
    if (step === 0) return value
    const amount = field.type === 'f32' ? `${Math.abs(step)}.0` : `${Math.abs(step)}`
    return `${value} ${step < 0 ? '-' : '+'} ${amount}`
  }
  const lookUpCall = (pastQuery: number, pastKey: number): string =>
    call('lookUp', [
      ...given('head'),
      ...[...hoisting.lookUpArguments].map((field) => stepText(field, pastQuery, pastKey)),
      ...coordinateTexts(sections.lookUp, pastQuery, pastKey),
    ])
  /** Declares what the function of a scope returns; nothing where it returns nothing. */
  const declare = (scope: Scope, name: string, pastQuery: number, pastKey: number): string =>
    has(scope)
      ? `let ${name} = ${call(`${scope}Values`, [
          ...(scope === 'head' ? [] : given('head')),
          ...coordinateTexts(sections[scope], pastQuery, pastKey),
        ])};`
      : ''

  return {
    code: allFunctions(hoisting, score),
    head: declare('head', scopeVariable.head, 0, 0),
    tile: declare('tile', scopeVariable.tile, 0, 0),
    query: (past) => declare('query', `${scopeVariable.query}${past}`, past, 0),
    key: (past) => declare('key', `${scopeVariable.key}${past}`, 0, past),
    steady: (lastQuery, lastKey) => {
      if (!has('lookUp')) return undefined
      const conditions = hoisting.lines.map(({ index, clamped }) => {
        const { query, key } = index.steps!
        const both = (step: number, last: number): [number, number] =>
          step > 0 ? [0, last] : [last, 0]
        const [lowQuery, highQuery] = both(query, lastQuery)
        const [lowKey, highKey] = both(key, lastKey)
        const [low, high] = [stepText(index, lowQuery, lowKey), stepText(index, highQuery, highKey)]
        return `${clamped(low)} == ${clamped(high)}`
      })
      return {
        condition: conditions.join(' && '),
        lookUp: `let ${scopeVariable.lookUp} = ${lookUpCall(0, 0)};`,
      }
    },
    pair: (value, pastQuery, pastKey, steady) =>
      call('modified', [
        value,
        ...given('head'),
        ...given('query').map((name) => `${name}${pastQuery}`),
        ...given('key').map((name) => `${name}${pastKey}`),
        ...[...hoisting.pairArguments].map((field) => stepText(field, pastQuery, pastKey)),
        ...given('lookUp').map((name) => (steady ? name : lookUpCall(pastQuery, pastKey))),
        ...coordinateTexts(sections.pair, pastQuery, pastKey),
      ]),
  }
}

const call = (name: string, values: readonly string[]): string => `${name}(${values.join(', ')})`

/** The coordinates that a function's text mentions. */
function coordinatesOf({ statements }: Section): Coordinate[] {
  return coordinateArguments.filter((name) =>
    statements.some((statement) => new RegExp(`\\b${name}\\b`).test(statement)),
  )
}

/** The coordinates of a pair, where a kernel calls such a function. */
function coordinateTexts(section: Section, pastQuery: number, pastKey: number): string[] {
  const past = (name: string, amount: number): string =>
    amount === 0 ? name : `${name} + ${amount}`
  const texts: Partial<Record<Coordinate, string>> = {
    batch: 'i32(batch)',
    head: 'i32(head)',
    query: past('position', pastQuery),
    queryIndex: past('queryIndex', pastQuery),
    key: past('keyPosition', pastKey),
  }
  return coordinatesOf(section).map((name) => texts[name]!)
}

function allFunctions({ sections, ...hoisting }: Hoisting, result: string): string {
  const taking = (...scopes: readonly Scope[]): string[] =>
    scopes
      .filter((scope) => sections[scope].fields.length > 0)
      .map((scope) => `${scopeVariable[scope]}: ${structs[scope]}`)
  const stepped = (fields: Iterable<Field>): string[] =>
    [...fields].map(({ name, type }) => `${name}: ${type}`)
  const coordinates = (scope: Scope): string[] =>
    coordinatesOf(sections[scope]).map((name) => `${name}: i32`)
  const values = (name: string, scope: Scope, ...given: readonly string[]): string =>
    valuesFunction(name, scope, sections[scope], [...given, ...coordinates(scope)])
  const pairParameters = [
    'score: f32',
    ...taking('head', 'query', 'key'),
    ...stepped(hoisting.pairArguments),
    ...taking('lookUp'),
    ...coordinates('pair'),
  ]
  return [
    values('headValues', 'head'),
    values('queryValues', 'query', ...taking('head')),
    values('keyValues', 'key', ...taking('head')),
    values('tileValues', 'tile', ...taking('head')),
    values('lookUp', 'lookUp', ...taking('head'), ...stepped(hoisting.lookUpArguments)),
    [
      `fn modified(${pairParameters.join(', ')}) -> f32 {`,
      ...sections.pair.statements,
      `  return ${result};`,
      '}',
    ].join('\n'),
  ]
    .filter((text) => text !== '')
    .join('\n\n')
}

/** The struct of a scope's fields and the function that computes them; nothing where it has none. */
function valuesFunction(
  name: string,
  scope: Scope,
  { fields, statements }: Section,
  parameters: readonly string[],
): string {
  if (fields.length === 0) return ''
  const struct = structs[scope]!
  return `struct ${struct} {
${fields.map((field) => `  ${field.name}: ${field.type},`).join('\n')}
}

fn ${name}(${parameters.join(', ')}) -> ${struct} {
${statements.join('\n')}
  return ${struct}(${fields.map((field) => field.name).join(', ')});
}`
}
