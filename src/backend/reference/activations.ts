import type { Activation } from '../../program/operation.js'
import { erf } from './erf.js'

const ROOT_HALF = Math.SQRT1_2
const ROOT_TWO_OVER_PI = Math.sqrt(2 / Math.PI)

/** The activation functions, on one number. GELU: Hendrycks & Gimpel 2016; SiLU: Elfwing et al. 2017; relu2: So et al. 2021. */
export const activations: Readonly<Record<Activation, (x: number) => number>> = {
  relu: (x) => Math.max(x, 0),
  relu2: (x) => Math.max(x, 0) ** 2,
  gelu: (x) => 0.5 * x * (1 + erf(x * ROOT_HALF)),
  'gelu-tanh': (x) => 0.5 * x * (1 + Math.tanh(ROOT_TWO_OVER_PI * (x + 0.044715 * x * x * x))),
  'gelu-quick': (x) => x * sigmoid(1.702 * x),
  silu: (x) => x * sigmoid(x),
  tanh: Math.tanh,
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}
