// The types that users of a package see: those its entry points export, and what these refer to. Asked of
// TypeScript 5.9, whose compiler can be called.
import { join } from 'node:path'
import ts from 'typescript-5.9'
import { repository } from './workspace.ts'

/** A property that may be left out. */
export interface OptionalProperty {
  /** File, type and property, for messages. */
  readonly name: string
  readonly type: ts.TypeNode
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.NodeNext,
  customConditions: ['attn:source'],
  allowImportingTsExtensions: true,
  noEmit: true,
  noLib: true,
  types: [],
}
const host = ts.createCompilerHost(options)
const parsed = new Map<string, ts.SourceFile | undefined>()
/** Reads each file once, whoever asks. */
const once: ts.CompilerHost = {
  ...host,
  getSourceFile: (file, ...others) => {
    if (!parsed.has(file)) parsed.set(file, host.getSourceFile(file, ...others))
    return parsed.get(file)
  },
}

/** The optional properties of all types that the entry points of some packages export. */
export function optionalProperties(entries: readonly string[]): readonly OptionalProperty[] {
  const program = ts.createProgram(
    entries.map((file) => join(repository, file)),
    options,
    once,
  )
  const checker = program.getTypeChecker()
  const seen = new Set<ts.Declaration>()
  const found = new Map<ts.Node, OptionalProperty>()

  const follow = (symbol: ts.Symbol | undefined): void => {
    if (!symbol) return
    const alias = symbol.flags & ts.SymbolFlags.Alias
    const { declarations = [] } = alias ? checker.getAliasedSymbol(symbol) : symbol
    for (const declaration of declarations) {
      const file = declaration.getSourceFile().fileName
      if (seen.has(declaration) || !file.startsWith(join(repository, 'packages'))) continue
      seen.add(declaration)
      walk(declaration, `${file.slice(repository.length + 1)}: ${symbol.name}`)
    }
  }
  const walk = (node: ts.Node, owner: string): void => {
    // What a function does is its own; what it takes and returns is seen.
    if (ts.isBlock(node)) return
    if (ts.isTypeReferenceNode(node)) follow(checker.getSymbolAtLocation(node.typeName))
    if (ts.isExpressionWithTypeArguments(node)) {
      follow(checker.getSymbolAtLocation(node.expression))
    }
    if (ts.isPropertySignature(node) && node.questionToken && node.type) {
      found.set(node, { name: `${owner}.${node.name.getText()}`, type: node.type })
    }
    ts.forEachChild(node, (child) => walk(child, owner))
  }

  for (const entry of entries) {
    const source = program.getSourceFile(join(repository, entry))!
    const module = checker.getSymbolAtLocation(source)!
    for (const symbol of checker.getExportsOfModule(module)) follow(symbol)
  }
  return [...found.values()]
}

/** Whether a type as it is written takes `undefined`. */
export function takesUndefined(type: ts.TypeNode): boolean {
  const parts = ts.isUnionTypeNode(type) ? type.types : [type]
  const open = [ts.SyntaxKind.UndefinedKeyword, ts.SyntaxKind.UnknownKeyword]
  return parts.some(({ kind }) => open.includes(kind))
}
