// Pictures of attention at work.
export { default as LoopOrders } from './LoopOrders.vue'
