// Reads the options of the commands from words. Each function throws commander's InvalidArgumentError,
// which names the option by itself.
import { InvalidArgumentError } from 'commander'

/** A positive integer; `k` stands for 1024: `64k` is 65536. */
export function parseLength(word: string): number {
  const match = /^([1-9]\d*)(k?)$/i.exec(word.trim())
  const length = match ? Number(match[1]) * (match[2] ? 1024 : 1) : Number.NaN
  if (!Number.isSafeInteger(length)) {
    throw new InvalidArgumentError(`must be a positive integer such as 4096 or 4k, got ${word}`)
  }
  return length
}

/** Lengths separated by commas: `1k,2k,4096`. */
export function parseLengths(words: string): number[] {
  return words.split(',').map(parseLength)
}

/** A positive number. */
export function parsePositive(word: string): number {
  const value = Number(word)
  if (!(value > 0) || !Number.isFinite(value)) {
    throw new InvalidArgumentError(`must be a positive number, got ${word}`)
  }
  return value
}

/** Words separated by commas, each one of `choices`. */
export function parseChoices<Word extends string>(
  choices: readonly Word[],
): (words: string) => Word[] {
  return (words) =>
    words.split(',').map((word) => {
      const found = choices.find((choice) => choice === word.trim())
      if (found === undefined) {
        throw new InvalidArgumentError(`must be some of ${choices.join(', ')}, got ${word}`)
      }
      return found
    })
}

/** A share: from 0 up to, not including, 1. */
export function parseRate(word: string): number {
  const value = Number(word)
  if (word.trim() === '' || !(value >= 0 && value < 1)) {
    throw new InvalidArgumentError(`must be a number from 0 to less than 1, got ${word}`)
  }
  return value
}

/** A whole number of 32 bits. */
export function parseSeed(word: string): number {
  const value = Number(word)
  if (!/^\d+$/.test(word.trim()) || value >= 2 ** 32) {
    throw new InvalidArgumentError(`must be a whole number of 32 bits, got ${word}`)
  }
  return value
}
