import type { Expression } from '../expression.js'

/** The least and most characters that texts of an expression without rules have. */
export function lengthsOf(expression: Expression): { least: number; most: number } {
  switch (expression.kind) {
    case 'class':
      return { least: 1, most: 1 }
    case 'text': {
      const length = [...expression.text].length
      return { least: length, most: length }
    }
    case 'sequence': {
      const parts = expression.parts.map(lengthsOf)
      return { least: sum(parts.map(({ least }) => least)), most: sum(parts.map(({ most }) => most)) }
    }
    case 'choice': {
      const options = expression.options.map(lengthsOf)
      return {
        least: Math.min(...options.map(({ least }) => least)),
        most: Math.max(0, ...options.map(({ most }) => most)),
      }
    }
    case 'repeat': {
      const { least, most } = lengthsOf(expression.body)
      return { least: least * expression.min, most: most === 0 ? 0 : most * expression.max }
    }
    default:
      return { least: 0, most: Number.POSITIVE_INFINITY }
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
