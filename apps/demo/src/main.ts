import { createPlayground } from './playground.ts'

createPlayground().mount('#app')
