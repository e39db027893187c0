// What a module imports, as its syntax says.
import { parseSync } from 'vite'

export interface Import {
  readonly specifier: string
  /** Whether a trace of it stays in the JavaScript. */
  readonly atRuntime: boolean
}

/** The static and dynamic imports and re-exports of one TypeScript module. */
export function importsOf(file: string, source: string): readonly Import[] {
  const { module, errors } = parseSync(file, source)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`)
  const imports = module.staticImports.map((found) => ({
    specifier: found.moduleRequest.value,
    atRuntime: !/^import\s+type\b/.test(source.slice(found.start, found.end)),
  }))
  const exports = module.staticExports.flatMap((found) =>
    found.entries.flatMap(({ moduleRequest }) =>
      moduleRequest
        ? {
            specifier: moduleRequest.value,
            atRuntime: !/^export\s+type\b/.test(source.slice(found.start, found.end)),
          }
        : [],
    ),
  )
  const dynamic = module.dynamicImports.flatMap(({ moduleRequest }) => {
    const literal = /^['"](.*)['"]$/.exec(source.slice(moduleRequest.start, moduleRequest.end))
    return literal ? { specifier: literal[1]!, atRuntime: true } : []
  })
  return [...imports, ...exports, ...dynamic]
}
