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
]

export function roomNamed(id: string): Room {
  const room = rooms.find((each) => each.id === id)
  if (!room) throw new Error(`roomNamed: there is no room ${id}`)
  return room
}
