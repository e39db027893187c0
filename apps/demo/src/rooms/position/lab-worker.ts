// Trains the two models of the position lab, away from the page's thread.
import { serveLab } from '@attn/bench/lab'

serveLab()
