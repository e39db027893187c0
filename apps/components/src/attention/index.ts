// Pictures of attention at work.
export { default as FlashStepper } from './FlashStepper.vue'
