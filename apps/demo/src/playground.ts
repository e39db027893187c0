// The application: rooms by their address. Addresses are in the hash, so that the built page works in any
// folder of any site.
import { createApp, type App as VueApp } from 'vue'
import { createRouter, createWebHashHistory, type RouteLocationRaw } from 'vue-router'
import App from './App.vue'
import { rooms } from './rooms.ts'
import { followTheme } from './shell/theme.ts'

export function createPlayground(): VueApp {
  const router = createRouter({
    history: createWebHashHistory(),
    routes: [
      ...rooms.map(({ id, component, title }) => ({
        path: `/${id}`,
        component,
        meta: { title },
      })),
      { path: '/:rest(.*)*', redirect: ({ path }) => addressOf(path) },
    ],
    scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
  })
  router.afterEach(({ meta }) => {
    const { title } = meta as { title?: string }
    document.title = title ? `${title} · attn playground` : 'attn playground'
  })
  followTheme()
  return createApp(App).use(router)
}

/** Addresses of the page that the mask lab was once, `#mask=causal&L=64`, lead there still. */
function addressOf(path: string): RouteLocationRaw {
  const query = Object.fromEntries(new URLSearchParams(path.replace(/^\//, '')))
  return { path: `/${rooms[0]!.id}`, query: 'mask' in query ? query : {} }
}
