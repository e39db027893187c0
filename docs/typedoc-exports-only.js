// A TypeDoc plugin: what must be documented is every export, not every member. TypeDoc has no kind
// for that ("Function" also means the methods of an interface), so members that say all with their
// name, such as `IntegerExpression.add`, are listed here as left undocumented on purpose.
import { Converter, ReflectionKind } from 'typedoc'

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    const methods = project
      .getReflectionsByKind(ReflectionKind.CallSignature)
      .filter((signature) => signature.parent.kindOf(ReflectionKind.Method))
      .filter((signature) => !signature.parent.hasComment())
    const callbacks = project
      .getReflectionsByKind(ReflectionKind.Property)
      .filter(({ type }) => type?.type === 'reflection' && type.declaration.signatures)
    const selfEvident = [...methods, ...callbacks]
      .filter((member) => !member.hasComment())
      .map((member) => member.getFriendlyFullName())
    app.options.setValue('intentionallyNotDocumented', [...new Set(selfEvident)])
  })
}
