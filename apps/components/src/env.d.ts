// Single-file components for tools that do not read them; vue-tsc uses the files themselves.
declare module '*.vue' {
  import type { Component } from 'vue'
  const component: Component
  export default component
}
