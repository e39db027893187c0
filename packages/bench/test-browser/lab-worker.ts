// The worker of laboratory.test.ts: what the README says is all of it.
import { serveLab } from '../src/lab/index.ts'

serveLab()
