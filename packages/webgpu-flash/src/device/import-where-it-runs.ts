// Importing a package that Node has and pages have not, in a way that bundlers leave alone.

/**
 * The compiler asks this of every `import` whose name is no literal, in case it ends in `.ts` (its
 * `rewriteRelativeImportExtensions`; the build emits no helper of its own). Package names do not, and
 * with more than this in the call, minifiers break it.
 *
 * @public
 */
export const __rewriteRelativeImportExtension = (name: string): string => name

/** The package of this name that is found where the program runs. */
export function importWhereItRuns(name: string): Promise<unknown> {
  return import(/* @vite-ignore */ /* webpackIgnore: true */ name)
}
