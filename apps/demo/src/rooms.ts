// The rooms, in the order of a visit. Each is loaded when it is entered.
import type { Component } from 'vue'

export interface Room {
  /** In the address. */
  readonly id: string
  readonly title: string
  /** What a visitor learns there, in a sentence. */
  readonly lesson: string
  readonly component: () => Promise<Component>
}

export const rooms: readonly Room[] = [
  {
    id: 'mask',
    title: 'Mask lab',
    lesson:
      'Write which keys a query may see, and watch how much of the score matrix that lets attention skip.',
    component: () => import('./rooms/mask/MaskLab.vue'),
  },
  {
    id: 'stepper',
    title: 'Flash stepper',
    lesson:
      'See why FlashAttention is fast: it computes the same numbers, and moves far fewer of them through memory.',
    component: () => import('./rooms/stepper/FlashStepperRoom.vue'),
  },
  {
    id: 'position',
    title: 'Position lab',
    lesson:
      'Turn the dials of RoPE past the training length, see why its scores explode there, and train two methods, or read a text with trained ones.',
    component: () => import('./rooms/position/PositionLab.vue'),
  },
  {
    id: 'cache',
    title: 'Cache and decode',
    lesson: 'Append tokens to a key/value cache, and see what each step has to read.',
    component: () => import('./rooms/cache/CacheRoom.vue'),
  },
  {
    id: 'device',
    title: 'This device',
    lesson:
      'Find out which kernels your GPU gets, why not faster ones, and what flash attention gains on it.',
    component: () => import('./rooms/device/DeviceRoom.vue'),
  },
]

export function roomNamed(id: string): Room {
  const room = rooms.find((each) => each.id === id)
  if (!room) throw new Error(`roomNamed: there is no room ${id}`)
  return room
}
