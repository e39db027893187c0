// A TypeDoc plugin for what its options do not say.
import { Comment, CommentTag, Converter, PageEvent, ReflectionKind } from 'typedoc'

/** The release that an export came with, unless its comment says another. */
const firstRelease = '0.1.0'

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    nameParameters(project)
    describeByType(project)
    datedExports(project)
    app.options.setValue('intentionallyNotDocumented', selfEvident(project))
  })
  app.renderer.on(PageEvent.END, (page) => {
    page.contents = withLinks(withShortDates(withoutFalseDefaults(page.contents ?? '')), page.url)
  })
}

// What must be documented is every export, not every member. TypeDoc has no kind for that ("Function" also
// means the methods of an interface), so members that say all with their name, such as
// `IntegerExpression.add`, are listed as left undocumented on purpose.
function selfEvident(project) {
  const methods = project
    .getReflectionsByKind(ReflectionKind.CallSignature)
    .filter((signature) => signature.parent.kindOf(ReflectionKind.Method))
    .filter((signature) => !signature.parent.hasComment())
  const callbacks = project
    .getReflectionsByKind(ReflectionKind.Property)
    .filter(({ type }) => type?.type === 'reflection' && type.declaration.signatures)
  const members = [...methods, ...callbacks].filter((member) => !member.hasComment())
  return [...new Set(members.map((member) => member.getFriendlyFullName()))]
}

// A parameter that is taken apart where it is declared has no name; it gets that of its type.
function nameParameters(project) {
  for (const parameter of project.getReflectionsByKind(ReflectionKind.Parameter)) {
    if (!parameter.name.startsWith('__namedParameters')) continue
    const { type } = parameter
    const name = type?.type === 'reference' ? type.name : ''
    const taken = new Set(parameter.parent.parameters.map((other) => other.name))
    const wanted = /^(Pick|Omit|Partial|Readonly)$/.test(name)
      ? (type.typeArguments?.[0]?.name ?? '')
      : name
    const words = wanted ? wanted[0].toLowerCase() + wanted.slice(1) : 'parts'
    parameter.name = taken.has(words) ? `${words}Given` : words
  }
}

// What says nothing of itself is what its type is: `options`, `rotary`, `mask`.
function describeByType(project) {
  const kinds = [ReflectionKind.Parameter, ReflectionKind.Property]
  for (const reflection of kinds.flatMap((kind) => project.getReflectionsByKind(kind))) {
    if (reflection.hasComment()) continue
    const { type } = reflection
    const parts = type?.type === 'union' ? type.types : [type]
    const declared = parts.flatMap((part) => (part?.type === 'reference' ? [part.reflection] : []))
    const summary = declared.find((each) => each?.hasComment?.())?.comment.summary
    if (summary) reflection.comment = new Comment(Comment.cloneDisplayParts(summary))
  }
}

function datedExports(project) {
  const kinds = [
    ReflectionKind.Class,
    ReflectionKind.Interface,
    ReflectionKind.TypeAlias,
    ReflectionKind.Variable,
    ReflectionKind.CallSignature,
  ]
  for (const kind of kinds) {
    for (const reflection of project.getReflectionsByKind(kind)) {
      const owner = kind === ReflectionKind.CallSignature ? reflection.parent : reflection
      if (!owner?.parent?.kindOf([ReflectionKind.Project, ReflectionKind.Module])) continue
      reflection.comment ??= new Comment()
      if (reflection.comment.getTag('@since')) continue
      reflection.comment.blockTags.push(
        new CommentTag('@since', [{ kind: 'text', text: firstRelease }]),
      )
    }
  }
}

// Where one parameter has a default, the others are said to default to `undefined`, which is not so.
function withoutFalseDefaults(text) {
  const lines = text.split('\n')
  let column = -1
  return lines
    .map((line) => {
      if (!line.startsWith('|')) {
        column = -1
        return line
      }
      const cells = line.split(/(?<!\\)\|/)
      const header = cells.findIndex((cell) => cell.trim() === 'Default value')
      if (header >= 0) column = header
      if (column < 0 || cells[column]?.trim() !== '`undefined`') return line
      cells[column] = '  '
      return cells.join('|')
    })
    .join('\n')
}

const guides = [
  [/^core\/.*(xpression|Mask|mask|Table|differentiate|evaluate|Bounds|relation)/, 'expressions'],
  [/^core\/.*([bB]lockMap|Sparsity|Order|unionParts)/, 'block-maps'],
  [/^core\/.*(ttention|roofline|Traffic|Softmax)/, 'flash-attention'],
  [/^core\/.*([tT]ensor|DType|Strides|permute|slice|expand|cast|float16)/, 'tensors'],
  [/^masks\//, 'masks'],
  [/^positions\/.*(ropeConfigFromHuggingFace)/, 'model-files'],
  [/^positions\//, 'positions'],
  [/^webgpu-flash\/.*(Cache|Pages|Ring|Places|Tokens)/, 'decoding'],
  [/^webgpu-flash\/.*(gpuTensor|GpuTensor|CreateFlash)/, 'interop'],
  [/^webgpu-flash\//, 'webgpu-plans'],
]
const codes = {
  UnsupportedError: 'attn-unsupported',
  DeviceLostError: 'attn-device-lost',
  GpuOutOfMemoryError: 'attn-out-of-memory',
  GpuValidationError: 'attn-validation',
  GpuInternalError: 'attn-internal',
  RangeError: 'attn-value',
  TypeError: 'attn-type',
}

// Errors lead to their pages, and exports to the guide that tells of them.
function withLinks(text, url) {
  const names = new RegExp(
    `(?<![\\w\\[/\`])(${Object.keys(codes).join('|')})s?(?![\\w\\]/\`])`,
    'g',
  )
  const linked = text.replace(/^#+ Throws\n[^]*?(?=\n#|$(?![^]))/gm, (thrown) =>
    thrown.replace(names, (word, name) => `[${word}](/errors/${codes[name]})`),
  )
  const guide = url.endsWith('/index.md')
    ? undefined
    : guides.find(([pages]) => pages.test(url))?.[1]
  return guide ? linked.replace(/^(# .*\n)/, `$1\n[Guide](/guide/${guide})\n`) : linked
}

// A line, not a section, of which every page would have one.
function withShortDates(text) {
  return text.replaceAll(/^#+ Since\n\n(\S+)$/gm, '*Since $1*')
}
